"""What backups need of EC2, through the adapters, in the lab."""

import base64

import pytest

from holdfast.domain.errors import NotFoundError, SourceGoneError, UsageError
from tests.e2e.aws.cloud_in_lab import CloudInLab, owner
from tests.e2e.lab.account import Account
from tests.labs import start_lab


@pytest.fixture(scope="module")
def lab():
    with start_lab(faults="quota=off,pending=50ms") as process:
        yield process


@pytest.fixture
def world(lab, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", lab.endpoint)
    return CloudInLab(Account(lab.endpoint))


def test_instances_are_found_with_sizes_and_tags(world):
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "shop"}]}]
    made = world.run(TagSpecifications=tags)
    found = {one.id: one for one in world.compute.instances()}[made["InstanceId"]]
    assert (found.name, found.state, found.instance_type, found.region) == ("shop", "running", "t3.small", "us-east-1")
    assert found.volume_ids == tuple(world.volumes(found.id).values())
    assert found.volume_bytes == 9 * 1024**3
    world.account.ec2.terminate_instances(InstanceIds=[found.id])
    assert found.id not in {one.id for one in world.compute.instances()}


def test_configuration_says_everything(world):
    subnet = world.subnet()
    words = base64.b64encode(b"#!/bin/sh\ntrue\n").decode()
    made = world.run(
        UserData="#!/bin/sh\ntrue\n",
        NetworkInterfaces=[
            {
                "DeviceIndex": 0,
                "SubnetId": subnet["SubnetId"],
                "Description": "front",
                "PrivateIpAddresses": [
                    {"PrivateIpAddress": _address(subnet, 77), "Primary": True},
                    {"PrivateIpAddress": _address(subnet, 78), "Primary": False},
                ],
            }
        ],
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        InstanceInitiatedShutdownBehavior="terminate",
    )
    world.account.ec2.modify_instance_attribute(InstanceId=made["InstanceId"], DisableApiTermination={"Value": True})
    seen = world.compute.configuration(made["InstanceId"])
    assert seen.user_data == words
    assert (seen.metadata_tokens, seen.metadata_hop_limit, seen.shutdown_behavior) == ("required", 2, "terminate")
    assert (seen.termination_protection, seen.stop_protection) == (True, False)
    (interface,) = seen.interfaces
    assert interface.private_addresses == (_address(subnet, 77), _address(subnet, 78))
    assert (interface.description, interface.subnet_id) == ("front", subnet["SubnetId"])
    root, data = sorted(seen.volumes, key=lambda one: not one.root)
    assert (root.device, root.root, root.delete_on_termination) == (seen.root_device, True, True)
    assert (data.device, data.size_gib, data.volume_type, data.delete_on_termination) == ("/dev/sdf", 1, "gp3", False)
    with pytest.raises(NotFoundError):
        world.compute.configuration("i-00000000000000000")


def test_snapshots_are_of_the_volumes_asked_for_and_made_once(world):
    made = world.run()
    devices = world.volumes(made["InstanceId"])
    world.account.ec2.create_tags(Resources=[devices["/dev/sdf"]], Tags=[{"Key": "owner", "Value": "shop"}])
    whose = owner("2")

    def take(volume_ids):
        return world.compute.create_snapshots(
            whose, made["InstanceId"], volume_ids, {"tier": "gold"}, "for a test", copy_tags=True
        )

    first = take((devices["/dev/sdf"],))
    assert set(first) == {devices["/dev/sdf"]}, "the root is left out"
    assert take((devices["/dev/sdf"],)) == first, "a call whose answer was lost has made them already"
    (snapshot,) = world.account.ec2.describe_snapshots(SnapshotIds=list(first.values()))["Snapshots"]
    tags = {tag["Key"]: tag["Value"] for tag in snapshot["Tags"]}
    assert tags.items() >= {"owner": "shop", "tier": "gold", "holdfast:task": "2" * 32}.items()
    assert world.ledger.open_objects() >= {("snapshot", one) for one in first.values()}
    world.completed(first)
    world.compute.delete_snapshots(tuple(first.values()))
    world.compute.delete_snapshots(tuple(first.values()))
    assert not world.ledger.open_objects() & {("snapshot", one) for one in first.values()}
    with pytest.raises(SourceGoneError):
        world.compute.snapshots_percent(tuple(first.values()))
    both = take(tuple(devices.values()))
    assert set(both) == set(devices.values())
    with pytest.raises(UsageError):
        take(("vol-00000000000000000",))


def _address(subnet, last):
    return subnet["CidrBlock"].rsplit(".", 1)[0] + f".{last}"
