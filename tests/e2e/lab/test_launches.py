"""What RunInstances is asked for: once a client token, within the quota, with every attribute that is shown later."""

import base64
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError

import pytest
from botocore.exceptions import ClientError

from tests.e2e.lab.fleet import DEBIAN, Fleet


@pytest.fixture
def fleet(account):
    return Fleet(account)


def test_one_token_is_one_launch(fleet):
    first = fleet.launch("#!/bin/sh\n", ClientToken="one-token")
    assert fleet.launch("#!/bin/sh\n", ClientToken="one-token") == first
    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        fleet.launch("#!/bin/sh\necho other\n", ClientToken="one-token")
    assert fleet.launch("#!/bin/sh\n", ClientToken="another") != first


def test_one_token_is_one_launch_for_several_at_once(fleet):
    with ThreadPoolExecutor(8) as threads:
        launched = {*threads.map(lambda _: fleet.launch(ClientToken="at-once"), range(16))}
    assert len(launched) == 1


def test_token_of_a_terminated_instance_still_stands_for_it(fleet):
    instance_id = fleet.launched(ClientToken="ended")
    fleet.terminated(instance_id)
    assert fleet.launch(ClientToken="ended") == instance_id


def test_quota_of_virtual_processors(new_account):
    fleet = Fleet(new_account("pending=50ms,vcpus=5"))
    fleet.launch()
    several = {"InstanceType": "t3.small", "ImageId": fleet.image()}
    with pytest.raises(ClientError, match="VcpuLimitExceeded"):
        fleet.account.ec2.run_instances(**several, MinCount=2, MaxCount=2)
    assert len(fleet.account.ec2.run_instances(**several, MinCount=1, MaxCount=9)["Instances"]) == 1
    with pytest.raises(ClientError, match="VcpuLimitExceeded"):
        fleet.launch()
    assert fleet.account.lab("instances/faults", {"vcpus": 8}, "PUT") == {
        "boot": "always",
        "checks": "ok",
        "vcpus": 8,
        "no_room": [],
        "not_offered": [],
        "launch": "ok",
    }
    fleet.launch()


def test_an_instance_that_never_boots_is_running_all_the_same(new_account):
    fleet = Fleet(new_account("pending=50ms,boot=never"))
    silent = fleet.launched("#!/bin/sh\necho hello\n")
    fleet.account.lab("instances/faults", {"boot": "always"}, "PUT")
    fleet.prints(fleet.launch("#!/bin/sh\necho hello\n"), "hello\n")
    assert "hello" not in fleet.console(silent)
    assert fleet.pids(silent) == []
    fleet.account.ec2.stop_instances(InstanceIds=[silent])
    fleet.reaches(silent, "stopped")
    fleet.account.ec2.start_instances(InstanceIds=[silent])
    fleet.prints(silent, "hello\n")


def test_attributes_are_shown_as_they_were_asked_for(fleet):
    ec2 = fleet.account.ec2
    key = ec2.create_key_pair(KeyName="restored")["KeyName"]
    instance_id = fleet.launch(
        "#!/bin/sh\n# kept\n",
        KeyName=key,
        EbsOptimized=True,
        InstanceInitiatedShutdownBehavior="terminate",
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 3},
        TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "restored"}]}],
    )
    shown = fleet.instance(instance_id)
    assert (shown["KeyName"], shown["EbsOptimized"]) == (key, True)
    options = shown["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 3)

    def attribute(name):
        answer = ec2.describe_instance_attribute(InstanceId=instance_id, Attribute=name)
        return answer[name[0].upper() + name[1:]]["Value"]

    assert base64.b64decode(attribute("userData")) == b"#!/bin/sh\n# kept\n"
    assert attribute("instanceInitiatedShutdownBehavior") == "terminate"
    ec2.modify_instance_attribute(InstanceId=instance_id, InstanceInitiatedShutdownBehavior={"Value": "stop"})
    assert attribute("instanceInitiatedShutdownBehavior") == "stop"
    with pytest.raises(ClientError, match="IncorrectInstanceState"):
        ec2.modify_instance_attribute(InstanceId=instance_id, InstanceType={"Value": "t3.large"})
    mapped = ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="blockDeviceMapping")
    assert [m["DeviceName"] for m in mapped["BlockDeviceMappings"]] == ["/dev/xvda"]


def test_metadata_options_of_the_image_hold_where_nothing_is_said(fleet):
    options = fleet.instance(fleet.launch())["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"]) == ("required", 2)


def test_instances_are_found_by_what_they_are(fleet):
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "holdfast", "Value": "found"}]}]
    instance_id = fleet.launched(TagSpecifications=tags, ClientToken="found-by-token")
    (root,) = fleet.volumes(instance_id).values()
    for name, value in {
        "tag:holdfast": "fou*",
        "tag-key": "holdfast",
        "client-token": "found-by-token",
        "block-device-mapping.volume-id": root,
    }.items():
        asked = [{"Name": name, "Values": [value]}, {"Name": "instance-state-name", "Values": ["running"]}]
        found = fleet.account.ec2.describe_instances(Filters=asked)["Reservations"]
        assert [i["InstanceId"] for r in found for i in r["Instances"]] == [instance_id], name


@pytest.mark.parametrize(
    ("code", "options"),
    {
        "InvalidAMIID.NotFound": {"ImageId": "ami-0123456789abcdef0"},
        "InvalidParameterValue": {"InstanceType": "t3.enormous"},
        "InvalidKeyPair.NotFound": {"KeyName": "lost"},
        "MissingInput": {"Placement": {"AvailabilityZone": "us-east-1z"}},
    }.items(),
)
def test_launches_that_cannot_be_are_refused_and_leave_nothing(fleet, code, options):
    before = fleet.account.lab("census")
    with pytest.raises(ClientError) as error:
        fleet.launch(**options)
    assert error.value.response["Error"]["Code"] == code
    assert fleet.account.lab("census") == before


def test_architecture_of_image_and_type_must_agree(fleet):
    arm = [{"Name": "architecture", "Values": ["arm64"]}]
    (*_, image) = fleet.account.ec2.describe_images(Owners=[DEBIAN], Filters=arm)["Images"]
    with pytest.raises(ClientError, match="does not match"):
        fleet.launch(ImageId=image["ImageId"])
    fleet.launch(ImageId=image["ImageId"], InstanceType="t4g.small")


def test_types_that_a_zone_has_not_or_has_no_more_of(new_account):
    fleet = Fleet(new_account("pending=50ms"))
    subnets = {one["AvailabilityZone"]: one["SubnetId"] for one in fleet.account.ec2.describe_subnets()["Subnets"]}
    first, second, *_ = sorted(subnets)
    faults = {"not_offered": ["t3.small"], "no_room": [f"m5.large@{first}"]}
    fleet.account.lab("instances/faults", faults, "PUT")
    with pytest.raises(ClientError, match=r"\(Unsupported\).*t3.small"):
        fleet.launch(InstanceType="t3.small")
    with pytest.raises(ClientError, match=r"\(InsufficientInstanceCapacity\).*m5.large"):
        fleet.launch(InstanceType="m5.large", SubnetId=subnets[first])
    fleet.launch(InstanceType="m5.large", SubnetId=subnets[second])
    with pytest.raises(HTTPError):
        fleet.account.lab("instances/faults", {"no_room": "t3.small"}, "PUT")


def test_a_launch_that_comes_to_nothing_after_its_answer(new_account):
    """EC2 user guide, "Instance terminates immediately"."""
    fleet = Fleet(new_account("pending=50ms"))
    fleet.account.lab("instances/faults", {"launch": "Client.InternalError"}, "PUT")
    instance_id = fleet.launch("#!/bin/sh\necho hello\n")
    fleet.reaches(instance_id, "terminated")
    instance = fleet.instance(instance_id)
    message = "Client.InternalError: Client error on launch"
    assert instance["StateReason"] == {"Code": "Client.InternalError", "Message": message}
    assert instance["StateTransitionReason"] == "Client.InternalError"
    assert "hello" not in fleet.console(instance_id)
    (left,) = fleet.account.lab("census").values()
    assert [left[kind] for kind in ("instances", "volumes", "network_interfaces")] == [[], [], []]
    fleet.account.lab("instances/faults", {"launch": "ok"}, "PUT")
    fleet.launched()
    ebs = {"VolumeSize": 1, "Encrypted": True, "KmsKeyId": "alias/nobodys"}
    unreadable = fleet.launch(BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": ebs}])
    fleet.reaches(unreadable, "terminated")
    assert fleet.instance(unreadable)["StateReason"]["Code"] == "Client.InternalError"
    with pytest.raises(HTTPError):
        fleet.account.lab("instances/faults", {"launch": "Client.Unheard"}, "PUT")
