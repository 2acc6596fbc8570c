"""Volumes of instances: launched with their data, attached, snapshotted together, gone or kept at the end."""

import pytest
from botocore.exceptions import ClientError

from tests.e2e.lab.account import BLOCK_BYTES, HOUR_SECONDS, ZONE, block, until
from tests.e2e.lab.fleet import Fleet


@pytest.fixture
def fleet(account):
    return Fleet(account)


@pytest.fixture
def content(account):
    """A snapshot with one block that tells."""
    return account.snapshot_of({3: block(3)})


def status_of(fleet, volume_id):
    return [a["State"] for a in fleet.account.volume(volume_id)["Attachments"]]


def test_root_volume_has_the_data_of_the_image(fleet):
    instance_id = fleet.launched()
    root = fleet.volumes(instance_id)["/dev/xvda"]
    shown = fleet.account.volume(root)
    assert (shown["Size"], shown["State"], shown["VolumeType"]) == (8, "in-use", "gp3")
    assert fleet.account.content(root, 0).startswith(b"debian-12-amd64-")
    assert fleet.account.path(root).stat().st_blocks * 512 < 8 * 1024 * 1024


def test_volumes_are_those_of_the_image_and_of_the_request(fleet, content):
    mappings = [
        {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 10, "VolumeType": "gp3", "Throughput": 200}},
        {"DeviceName": "/dev/sdf", "Ebs": {"SnapshotId": content}},
        {"DeviceName": "/dev/sdg", "Ebs": {"VolumeSize": 2, "VolumeType": "io2", "Iops": 200}},
    ]
    instance_id = fleet.launched(BlockDeviceMappings=mappings)
    volumes = fleet.volumes(instance_id)
    shown = {device: fleet.account.volume(volume_id) for device, volume_id in volumes.items()}
    assert {device: volume["Size"] for device, volume in shown.items()} == {
        "/dev/xvda": 10, "/dev/sdf": 1, "/dev/sdg": 2,
    }  # fmt: skip
    assert (shown["/dev/xvda"]["Throughput"], shown["/dev/sdg"]["Iops"]) == (200, 200)
    assert fleet.account.content(volumes["/dev/sdf"], 3) == block(3)
    assert fleet.account.content(volumes["/dev/xvda"], 0).startswith(b"debian-12-amd64-")
    assert fleet.account.content(volumes["/dev/sdg"], 3) == bytes(BLOCK_BYTES)


def test_a_launch_that_cannot_have_its_volumes_leaves_nothing(fleet, content):
    pending = fleet.account.ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
    before = fleet.account.lab("census")
    for ebs in ({"SnapshotId": pending}, {"SnapshotId": "snap-0123456789abcdef0"}):
        with pytest.raises(ClientError):
            fleet.launch(BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": ebs}])
    small = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 1}}]
    with pytest.raises(ClientError, match="InvalidBlockDeviceMapping"):
        fleet.launch(BlockDeviceMappings=small)
    assert fleet.account.lab("census") == before


def test_volumes_go_or_stay_with_the_instance_as_each_was_told(fleet):
    """https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/preserving-volumes-on-termination.html"""
    mappings = [
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1}},
        {"DeviceName": "/dev/sdg", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": False}},
        {"DeviceName": "/dev/sdh", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": False}},
    ]
    ec2, instance_id = fleet.account.ec2, fleet.launched(BlockDeviceMappings=mappings)
    later = fleet.account.new_volume()
    ec2.attach_volume(VolumeId=later, InstanceId=instance_id, Device="/dev/sdi")
    volumes = fleet.volumes(instance_id)
    change = [{"DeviceName": "/dev/sdh", "Ebs": {"DeleteOnTermination": True}}]
    ec2.modify_instance_attribute(InstanceId=instance_id, BlockDeviceMappings=change)
    fleet.terminated(instance_id)
    left = {v["VolumeId"]: v["State"] for v in ec2.describe_volumes()["Volumes"]}
    assert {device for device, volume_id in volumes.items() if volume_id in left} == {"/dev/sdg", "/dev/sdi"}
    assert left[later] == "available"


def test_attaching_and_detaching_take_a_moment(slow_account):
    fleet, ec2 = Fleet(slow_account), slow_account.ec2
    instance_id, volume_id = fleet.launch(), ec2.create_volume(AvailabilityZone=ZONE, Size=1)["VolumeId"]
    slow_account.advance(HOUR_SECONDS)
    fleet.reaches(instance_id, "running")
    made = ec2.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device="/dev/sdf")
    assert (made["State"], status_of(fleet, volume_id)) == ("attaching", ["attaching"])
    slow_account.advance(HOUR_SECONDS)
    assert status_of(fleet, volume_id) == ["attached"]
    with pytest.raises(ClientError, match="VolumeInUse"):
        ec2.delete_volume(VolumeId=volume_id)
    with pytest.raises(ClientError, match="VolumeInUse"):
        ec2.attach_volume(VolumeId=volume_id, InstanceId=instance_id, Device="/dev/sdg")
    ec2.detach_volume(VolumeId=volume_id)
    assert status_of(fleet, volume_id) == ["detaching"]
    with pytest.raises(ClientError, match="VolumeInUse"):
        ec2.delete_volume(VolumeId=volume_id)
    slow_account.advance(HOUR_SECONDS)
    assert slow_account.volume(volume_id)["State"] == "available"
    ec2.delete_volume(VolumeId=volume_id)


def test_attachments_that_cannot_be_are_refused(fleet):
    ec2, instance_id, volume_id = fleet.account.ec2, fleet.launched(), fleet.account.new_volume()
    elsewhere = ec2.create_volume(AvailabilityZone="us-east-1b", Size=1)["VolumeId"]
    until(lambda: fleet.account.volume(elsewhere)["State"] == "available")
    root = fleet.volumes(instance_id)["/dev/xvda"]
    for code, volume, device in (
        ("InvalidParameterValue", volume_id, "/dev/xvda"),
        ("InvalidVolume.ZoneMismatch", elsewhere, "/dev/sdf"),
    ):
        with pytest.raises(ClientError) as error:
            ec2.attach_volume(VolumeId=volume, InstanceId=instance_id, Device=device)
        assert error.value.response["Error"]["Code"] == code
    with pytest.raises(ClientError, match="OperationNotPermitted"):
        ec2.detach_volume(VolumeId=root)
    with pytest.raises(ClientError, match="IncorrectState"):
        ec2.detach_volume(VolumeId=volume_id)
    ec2.stop_instances(InstanceIds=[instance_id])
    fleet.reaches(instance_id, "stopped")
    ec2.detach_volume(VolumeId=root)
    assert fleet.volumes(instance_id) == {}


def test_snapshots_of_an_instance_leave_out_what_was_said_and_copy_tags(fleet):
    mappings = [{"DeviceName": f"/dev/sd{letter}", "Ebs": {"VolumeSize": 1}} for letter in "fgh"]
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "of", "Value": "volume"}]}]
    instance_id = fleet.launched(BlockDeviceMappings=mappings, TagSpecifications=tags)
    volumes = fleet.volumes(instance_id)
    for number, device in enumerate(volumes):
        fleet.account.write(volumes[device], {9: block(9, seed=number)})
    specification = {"InstanceId": instance_id, "ExcludeDataVolumeIds": [volumes["/dev/sdg"]]}
    of_snapshots = [{"ResourceType": "snapshot", "Tags": [{"Key": "by", "Value": "us"}]}]
    made = fleet.account.ec2.create_snapshots(
        InstanceSpecification=specification, CopyTagsFromSource="volume", TagSpecifications=of_snapshots
    )["Snapshots"]
    found = {snapshot["VolumeId"]: snapshot["SnapshotId"] for snapshot in made}
    assert set(found) == {volumes[device] for device in ("/dev/xvda", "/dev/sdf", "/dev/sdh")}
    for number, device in enumerate(volumes):
        if device != "/dev/sdg":
            snapshot_id = fleet.account.completed(found[volumes[device]])
            assert fleet.account.blocks(snapshot_id)[9] == block(9, seed=number)
    (shown,) = fleet.account.ec2.describe_snapshots(SnapshotIds=[found[volumes["/dev/sdf"]]])["Snapshots"]
    assert {tag["Key"]: tag["Value"] for tag in shown["Tags"]} == {"of": "volume", "by": "us"}
    without_root = {**specification, "ExcludeBootVolume": True}
    made = fleet.account.ec2.create_snapshots(InstanceSpecification=without_root)["Snapshots"]
    assert {snapshot["VolumeId"] for snapshot in made} == {volumes["/dev/sdf"], volumes["/dev/sdh"]}
    wrong = {"InstanceId": instance_id, "ExcludeDataVolumeIds": [volumes["/dev/xvda"]]}
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        fleet.account.ec2.create_snapshots(InstanceSpecification=wrong)


def test_snapshots_of_an_instance_are_of_one_moment_of_its_processes(fleet, tmp_path):
    """A process writes each number into one volume and then into the other: never is the second one ahead."""
    mappings = [{"DeviceName": f"/dev/sd{letter}", "Ebs": {"VolumeSize": 1}} for letter in "fg"]
    instance_id = fleet.launched(BlockDeviceMappings=mappings)
    volumes = fleet.volumes(instance_id)
    paths = [str(fleet.account.path(volumes[device])) for device in ("/dev/sdf", "/dev/sdg")]
    writing = (
        "#!/usr/bin/env python3\nimport itertools, os\n"
        f"files = [os.open(path, os.O_WRONLY) for path in {paths!r}]\n"
        "for number in itertools.count(1):\n"
        "    for file in files: os.pwrite(file, number.to_bytes(8, 'big'), 0)\n"
        "    if number == 1: print('writing', flush=True)\n"
    )
    fleet.account.ec2.stop_instances(InstanceIds=[instance_id])
    fleet.reaches(instance_id, "stopped")
    hook = writing.replace("#!", "#cloud-boothook\n#!", 1)
    fleet.account.ec2.modify_instance_attribute(InstanceId=instance_id, UserData={"Value": hook.encode()})
    fleet.account.ec2.start_instances(InstanceIds=[instance_id])
    fleet.prints(instance_id, "writing")
    specification = {"InstanceId": instance_id, "ExcludeBootVolume": True}
    for _ in range(3):
        made = fleet.account.ec2.create_snapshots(InstanceSpecification=specification)["Snapshots"]
        found = {snapshot["VolumeId"]: fleet.account.completed(snapshot["SnapshotId"]) for snapshot in made}
        first, second = (
            int.from_bytes(fleet.account.blocks(found[volumes[device]])[0][:8], "big")
            for device in ("/dev/sdf", "/dev/sdg")
        )
        assert first - 1 <= second <= first
    fleet.terminated(instance_id)


def test_zone_of_an_instance_is_where_its_volumes_are(fleet):
    instance_id = fleet.launched(Placement={"AvailabilityZone": "us-east-1b"})
    assert fleet.instance(instance_id)["Placement"]["AvailabilityZone"] == "us-east-1b" != ZONE
    root = fleet.volumes(instance_id)["/dev/xvda"]
    assert fleet.account.volume(root)["AvailabilityZone"] == "us-east-1b"
