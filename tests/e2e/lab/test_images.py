"""Images: Debian's, and those made from snapshots and instances."""

import pytest
from botocore.exceptions import ClientError

from tests.e2e.lab.account import Account, block
from tests.e2e.lab.fleet import DEBIAN, Fleet


@pytest.fixture
def fleet(account):
    return Fleet(account)


def test_debian_is_found_as_in_aws(fleet):
    images = fleet.account.ec2.describe_images(Owners=[DEBIAN])["Images"]
    assert {image["Architecture"] for image in images} == {"x86_64", "arm64"}
    for image in images:
        assert image["Name"].startswith("debian-12-")
        assert (image["RootDeviceName"], image["RootDeviceType"], image["State"]) == ("/dev/xvda", "ebs", "available")
        assert (image["OwnerId"], image["Public"], image["VirtualizationType"]) == (DEBIAN, True, "hvm")
    newest = max((i for i in images if i["Architecture"] == "x86_64"), key=lambda image: image["CreationDate"])
    parameter = fleet.account.client("ssm").get_parameter(Name="/aws/service/debian/release/12/latest/amd64")
    assert parameter["Parameter"]["Value"] == newest["ImageId"]
    assert fleet.account.ec2.describe_images(Owners=["self"])["Images"] == []


def test_images_are_the_same_in_every_lab_and_differ_by_region(fleet, new_account):
    assert Fleet(new_account()).image() == fleet.image()
    assert Fleet(Account(fleet.account.endpoint, region="eu-central-1")).image() != fleet.image()


def test_snapshot_behind_a_stock_image_is_nobodys_to_see(fleet):
    fleet.launched()
    owners = {snapshot["OwnerId"] for snapshot in fleet.account.ec2.describe_snapshots()["Snapshots"]}
    assert DEBIAN not in owners


def registered(fleet, snapshot_id, name, **options):
    mappings = [{"DeviceName": "/dev/sda1", "Ebs": {"SnapshotId": snapshot_id, "VolumeType": "gp3"}}]
    made = fleet.account.ec2.register_image(
        Name=name, RootDeviceName="/dev/sda1", Architecture="x86_64", BlockDeviceMappings=mappings, **options
    )
    return made["ImageId"]


def test_instance_of_a_registered_image_has_the_data_of_its_snapshot(fleet):
    ec2 = fleet.account.ec2
    snapshot_id = fleet.account.snapshot_of({5: block(5)})
    tags = [{"ResourceType": "image", "Tags": [{"Key": "Name", "Value": "restored"}]}]
    image_id = registered(fleet, snapshot_id, "restored", EnaSupport=True, BootMode="uefi", TagSpecifications=tags)
    (shown,) = ec2.describe_images(ImageIds=[image_id])["Images"]
    (mapping,) = shown["BlockDeviceMappings"]
    assert (mapping["Ebs"]["SnapshotId"], mapping["Ebs"]["VolumeSize"]) == (snapshot_id, 1)
    assert (shown["BootMode"], shown["EnaSupport"], shown["Tags"]) == ("uefi", True, tags[0]["Tags"])
    found = ec2.describe_images(Filters=[{"Name": "block-device-mapping.snapshot-id", "Values": [snapshot_id]}])
    assert [image["ImageId"] for image in found["Images"]] == [image_id]
    instance_id = fleet.launched(ImageId=image_id)
    volumes = fleet.volumes(instance_id)
    assert fleet.account.content(volumes["/dev/sda1"], 5) == block(5)
    assert fleet.instance(instance_id)["RootDeviceName"] == "/dev/sda1"


def test_snapshot_of_an_image_is_kept_until_the_image_is_gone(fleet):
    ec2 = fleet.account.ec2
    snapshot_id = fleet.account.snapshot_of({1: block(1)})
    image_id = registered(fleet, snapshot_id, "in use")
    with pytest.raises(ClientError) as error:
        ec2.delete_snapshot(SnapshotId=snapshot_id)
    assert error.value.response["Error"]["Code"] == "InvalidSnapshot.InUse"
    ec2.deregister_image(ImageId=image_id)
    with pytest.raises(ClientError, match=r"InvalidAMIID\.Unavailable"):
        fleet.launch(ImageId=image_id)
    ec2.delete_snapshot(SnapshotId=snapshot_id)


def test_names_of_images_are_taken_once(fleet):
    snapshot_id = fleet.account.snapshot_of({1: block(1)})
    registered(fleet, snapshot_id, "taken")
    with pytest.raises(ClientError, match=r"InvalidAMIName\.Duplicate"):
        registered(fleet, snapshot_id, "taken")


def test_image_of_an_instance_has_its_volumes(fleet):
    ec2 = fleet.account.ec2
    mappings = [{"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": False}}]
    instance_id = fleet.launched(BlockDeviceMappings=mappings)
    fleet.account.write(fleet.volumes(instance_id)["/dev/sdf"], {7: block(7)})
    image_id = ec2.create_image(InstanceId=instance_id, Name="golden")["ImageId"]
    (shown,) = ec2.describe_images(ImageIds=[image_id])["Images"]
    by_device = {m["DeviceName"]: m["Ebs"] for m in shown["BlockDeviceMappings"]}
    assert by_device["/dev/sdf"]["DeleteOnTermination"] is False
    for ebs in by_device.values():
        fleet.account.completed(ebs["SnapshotId"])
    copy = fleet.launched(ImageId=image_id)
    assert fleet.account.content(fleet.volumes(copy)["/dev/sdf"], 7) == block(7)
    assert fleet.account.content(fleet.volumes(copy)["/dev/xvda"], 0).startswith(b"debian-12-amd64")


def test_image_is_copied_with_its_data_to_another_region(fleet):
    image_id = registered(fleet, fleet.account.snapshot_of({5: block(5)}), "to be copied")
    abroad = Fleet(Account(fleet.account.endpoint, region="eu-west-1"))
    copied = abroad.account.ec2.copy_image(SourceImageId=image_id, SourceRegion="us-east-1", Name="copied")["ImageId"]
    (shown,) = abroad.account.ec2.describe_images(ImageIds=[copied])["Images"]
    (mapping,) = shown["BlockDeviceMappings"]
    abroad.account.completed(mapping["Ebs"]["SnapshotId"])
    (root,) = abroad.volumes(abroad.launched(ImageId=copied)).values()
    assert abroad.account.content(root, 5) == block(5)


def test_snapshot_shared_with_an_account_is_used_there(new_account):
    account = new_account()
    snapshot_id = account.snapshot_of({2: block(2)})
    other = Account(account.endpoint, access_key="210987654321")
    with pytest.raises(ClientError, match=r"InvalidSnapshot\.NotFound"):
        other.new_volume(None, snapshot_id)
    account.ec2.modify_snapshot_attribute(
        SnapshotId=snapshot_id, Attribute="createVolumePermission", OperationType="add", UserIds=["210987654321"]
    )
    assert other.content(other.new_volume(None, snapshot_id), 2) == block(2)
    (shown,) = other.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
    assert shown["OwnerId"] == "123456789012"
    assert other.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"] == []
