"""What restores need of EC2, through the adapters, in the lab: made again, or restored into where it stands."""

import itertools
from dataclasses import replace

import pytest

from holdfast.appliance.ports.cloud import InstanceOrder, InterfaceOrder, VolumeOrder
from holdfast.aws.clients import PatientClient
from holdfast.domain.errors import ConflictError, HoldfastError, QuotaReachedError
from holdfast.domain.ownership import RESTORED
from holdfast.signed_http.aws_answers import Refusal
from tests.contracts.standing_instances import PuttingBackContract, Stood
from tests.e2e.aws.cloud_in_lab import APPLIANCE, OWN, REGION, CloudInLab, lab_time, owner
from tests.e2e.lab.account import Account, until
from tests.labs import start_lab

_TASKS, _ADDRESSES = iter("ghijklmnopqrstuvwxyz"), itertools.count(130, 5)
FAULTS = "quota=off,pending=50ms"


@pytest.fixture(scope="module")
def lab():
    with start_lab(faults=FAULTS) as process:
        yield process


@pytest.fixture
def world(lab, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", lab.endpoint)
    return CloudInLab(Account(lab.endpoint))


@pytest.fixture(scope="module")
def slow_lab():
    with start_lab(faults="quota=off,pending=20s") as process:
        yield process


@pytest.fixture
def slow_world(slow_lab, monkeypatch):
    """Nothing is so before it was waited for, and be this process twenty seconds late: who cancels is always asked."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", slow_lab.endpoint)
    account = Account(slow_lab.endpoint)
    return CloudInLab(account, waiting=lab_time(account))


def customer(world, last):
    """An instance with two interfaces, addresses of its own, a group, a key pair, tags everywhere."""
    subnet, ec2 = world.subnet(), world.account.ec2
    group = ec2.create_security_group(GroupName=f"shop-{last}", Description="shop", VpcId=subnet["VpcId"])["GroupId"]
    ec2.create_key_pair(KeyName=f"shop-{last}")
    addresses = [_address(subnet, last + n) for n in range(3)]
    interfaces = [
        {
            "DeviceIndex": 0,
            "SubnetId": subnet["SubnetId"],
            "Groups": [group],
            "PrivateIpAddresses": [
                {"PrivateIpAddress": addresses[0], "Primary": True},
                {"PrivateIpAddress": addresses[1], "Primary": False},
            ],
        },
        {"DeviceIndex": 1, "SubnetId": subnet["SubnetId"], "Groups": [group], "PrivateIpAddress": addresses[2]},
    ]
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": f"shop-{last}"}]}]
    made = world.run(
        NetworkInterfaces=interfaces, KeyName=f"shop-{last}", TagSpecifications=tags, UserData="#!/bin/sh\ntrue\n"
    )
    instance_id = made["InstanceId"]
    for device, volume_id in world.volumes(instance_id).items():
        ec2.create_tags(Resources=[volume_id], Tags=[{"Key": "disk", "Value": device}])
    world.write(instance_id, last)
    return instance_id


def order_of(world, configuration, snapshots, **changes):
    """As it was: every volume out of its snapshot, every interface with its addresses."""
    volumes = {
        one.device: VolumeOrder(
            snapshots[one.volume_id], one.size_gib, one.volume_type, configuration.zone, one.iops, tags=one.tags
        )
        for one in configuration.volumes
    }
    interfaces = tuple(
        InterfaceOrder(
            one.device_index, one.subnet_id, one.security_groups, one.private_addresses, one.description,
            one.source_dest_check, one.delete_on_termination, one.allocation_id, one.tags,
        )
        for one in configuration.interfaces
    )  # fmt: skip
    order = InstanceOrder(
        configuration, configuration.zone, configuration.instance_type, configuration.root_device, volumes, interfaces,
        configuration.tags, configuration.key_name, configuration.instance_profile_arn,
    )  # fmt: skip
    return replace(order, **changes)


def backed_up(world, instance_id, task):
    configuration = world.compute.configuration(instance_id)
    volume_ids = tuple(one.volume_id for one in configuration.volumes)
    snapshots = world.compute.create_snapshots(owner(task), instance_id, volume_ids, {}, "", copy_tags=True)
    return configuration, world.completed(snapshots)


def shape(configuration):
    """What must be the same after a restore: everything but ids, and addresses that AWS lends."""
    return replace(
        configuration,
        instance_id="",
        image_id="",
        tags={key: value for key, value in configuration.tags.items() if not key.startswith("holdfast:")},
        volumes=tuple(
            replace(one, volume_id="", tags={k: v for k, v in one.tags.items() if not k.startswith("holdfast:")})
            for one in sorted(configuration.volumes, key=lambda one: one.device)
        ),
        interfaces=tuple(replace(one, tags={}, public_address=None) for one in configuration.interfaces),
    )


def test_an_instance_that_is_gone_is_made_again_as_it_was(world):
    old = customer(world, 60)
    contents = world.contents(old)
    before, snapshots = backed_up(world, old, "a")
    order = order_of(world, before, snapshots)
    assert any("is in use by" in line for line in world.site.problems(order)), "the old one has the addresses"
    world.account.ec2.terminate_instances(InstanceIds=[old])
    world.in_state(old, "terminated")
    assert world.site.instance_state(old) is None
    assert world.site.problems(order) == []

    made = world.site.make_instance(owner("a"), order)
    assert world.site.make_instance(owner("a"), order) == made, "its answer was lost: it is not made twice"
    assert world.contents(made.instance_id) == contents
    assert shape(world.compute.configuration(made.instance_id)) == shape(before)
    assert made.private_addresses[0] == before.interfaces[0].private_addresses[0]
    assert world.account.ec2.describe_images(Owners=["self"])["Images"] == []
    rows = {(row.kind, row.purpose) for row in world.ledger.open_rows() if row.kind != "snapshot"}
    assert rows == {("instance", RESTORED)}, "nothing that a reaper would clear away"


def test_a_restore_that_fails_leaves_nothing(world):
    old = customer(world, 70)
    before, snapshots = backed_up(world, old, "b")
    order = order_of(world, before, snapshots, instance_profile_arn="arn:aws:iam::123456789012:instance-profile/none")
    world.account.ec2.terminate_instances(InstanceIds=[old])
    world.in_state(old, "terminated")
    with pytest.raises(HoldfastError):
        world.site.make_instance(owner("b"), order)
    left = {one.kind for one in world.cloud.belongings(OWN, REGION).owned() if one.ownership.task_id == "b" * 32}
    assert left == {"snapshot"}


def test_stopped_is_how_it_ends_when_it_is_asked_for(world):
    old = customer(world, 80)
    before, snapshots = backed_up(world, old, "c")
    interfaces = tuple(replace(one, private_addresses=()) for one in order_of(world, before, snapshots).interfaces)
    made = world.site.make_instance(
        owner("c"), order_of(world, before, snapshots, interfaces=interfaces, power_on=False)
    )
    assert world.site.instance_state(made.instance_id) == "stopped"
    world.site.stop_instance(made.instance_id)


def test_into_a_standing_instance(world):
    old = customer(world, 90)
    contents = world.contents(old)
    before, snapshots = backed_up(world, old, "d")
    world.write(old, 91)
    lost = world.contents(old)
    world.account.ec2.create_tags(Resources=[old], Tags=[{"Key": "Name", "Value": "spoilt"}])
    order, site = order_of(world, before, snapshots), world.site
    assert site.problems(order, standing=old) == []
    was, old_volumes = site.standing_instance(old), world.volumes(old)
    with pytest.raises(ConflictError, match="running"):
        site.exchange_volumes(owner("d"), old, order)
    assert (site.instance_state(old), world.contents(old)) == ("running", lost), "nothing was changed"

    site.stop_instance(old)
    made = site.exchange_volumes(owner("d"), old, order)
    assert made.instance_id == old
    assert world.contents(old) == contents
    assert shape(world.compute.configuration(old)) == shape(before)
    assert {world.account.volume(one)["State"] for one in old_volumes.values()} == {"available"}, "kept until it runs"
    assert site.exchange_volumes(owner("d"), old, order) == made, "its answer was lost"

    site.discard_kept_volumes(owner("d"), old)
    site.discard_kept_volumes(owner("d"), old)
    remaining = {one["VolumeId"] for one in world.account.ec2.describe_volumes()["Volumes"]}
    assert not remaining & set(old_volumes.values())
    with pytest.raises(ConflictError, match="cannot be put back"):
        site.put_back_volumes(owner("d"), was)
    assert world.contents(old) == contents, "what is finished is not undone"
    assert site.instance_state(old) == "running"


def test_a_volume_that_a_lost_call_has_attached_is_attached(world, monkeypatch):
    old = customer(world, 95)
    contents = world.contents(old)
    before, snapshots = backed_up(world, old, "9")
    world.write(old, 96)
    asked = PatientClient.try_call

    def in_use(client, operation, resource, **parameters):
        answer = asked(client, operation, resource, **parameters)
        return Refusal(400, "VolumeInUse", "already attached to an instance") if operation == "AttachVolume" else answer

    monkeypatch.setattr(PatientClient, "try_call", in_use)
    world.site.stop_instance(old)
    world.site.exchange_volumes(owner("9"), old, order_of(world, before, snapshots))
    assert world.contents(old) == contents
    world.site.discard_kept_volumes(owner("9"), old)


def test_an_exchange_is_undone(world):
    old = customer(world, 100)
    before, snapshots = backed_up(world, old, "e")
    world.write(old, 101)
    as_it_stood, volumes = world.contents(old), world.volumes(old)
    order = order_of(world, before, snapshots, instance_type="t3.large")
    was = world.site.standing_instance(old)
    world.site.stop_instance(old)
    world.site.exchange_volumes(owner("e"), old, order)
    world.site.put_back_volumes(owner("e"), was)
    world.site.put_back_volumes(owner("e"), was)
    assert (world.volumes(old), world.contents(old)) == (volumes, as_it_stood)
    assert world.instance(old)["InstanceType"] == before.instance_type
    assert world.site.instance_state(old) == "running"
    tags = {tag["Key"] for one in volumes.values() for tag in world.account.volume(one)["Tags"]}
    assert tags == {"disk"}, "nothing says that it was kept"
    owned = [one for one in world.cloud.belongings(OWN, REGION).owned() if one.ownership.task_id == "e" * 32]
    assert {one.kind for one in owned} == {"snapshot"}


def test_what_was_restored_again_since_is_not_undone(world):
    old = customer(world, 120)
    before, snapshots = backed_up(world, old, "8")
    order, was = order_of(world, before, snapshots), world.site.standing_instance(old)
    world.site.stop_instance(old)
    world.site.exchange_volumes(owner("8"), old, order)
    world.site.stop_instance(old)
    world.site.exchange_volumes(owner("8", attempt=2), old, order)
    volumes = world.volumes(old)
    with pytest.raises(ConflictError, match="in the place of"):
        world.site.put_back_volumes(owner("8"), was)
    assert (world.site.instance_state(old), world.volumes(old)) == ("running", volumes)


class TestEc2RestoreSite(PuttingBackContract):
    @pytest.fixture
    def stood(self, slow_world):
        world = slow_world
        first, second, last = next(_TASKS), next(_TASKS), next(_ADDRESSES)
        old = customer(world, last)
        before, snapshots = backed_up(world, old, first)
        order = order_of(world, before, snapshots, instance_type="t3.large")

        def delete(volume_id):
            world.account.ec2.delete_volume(VolumeId=volume_id)

        def asking(go_on):
            return world.cloud.restore_site(OWN, REGION, go_on)

        return Stood(world.site, old, order, owner(first), owner(second), delete, asking)


def test_an_exchange_that_fails_is_undone(monkeypatch):
    """A quota is reached when the restored instance is to be started: the old one runs again."""
    with start_lab(faults=f"{FAULTS},vcpus=16") as lab:
        monkeypatch.setenv("AWS_ENDPOINT_URL", lab.endpoint)
        world = CloudInLab(Account(lab.endpoint))
        old = customer(world, 60)
        before, snapshots = backed_up(world, old, "f")
        world.write(old, 61)
        as_it_stood, volumes = world.contents(old), world.volumes(old)
        was = world.site.standing_instance(old)
        world.site.stop_instance(old)
        with pytest.raises(QuotaReachedError, match="ec2:StartInstances"):
            world.site.exchange_volumes(
                owner("f"), old, order_of(world, before, snapshots, instance_type="m5.24xlarge")
            )
        world.site.put_back_volumes(owner("f"), was)
        assert (world.volumes(old), world.contents(old)) == (volumes, as_it_stood)
        assert (world.site.instance_state(old), world.instance(old)["InstanceType"]) == ("running", "t3.small")


def test_status_checks_are_told_as_they_are(world):
    instance_id = world.run()["InstanceId"]
    until(lambda: world.site.status_checks(instance_id) == ("ok", "ok"))
    world.account.lab("instances/faults", {"checks": "impaired"}, "PUT")
    assert world.site.status_checks(instance_id) == ("ok", "impaired")
    world.account.lab("instances/faults", {"checks": "ok"}, "PUT")
    world.site.stop_instance(instance_id)
    assert world.site.status_checks(instance_id) == ("not-applicable", "not-applicable")


def test_volumes_alone(world):
    old = customer(world, 110)
    contents = world.contents(old)
    before, snapshots = backed_up(world, old, "7")
    orders = order_of(world, before, snapshots).volumes
    whose = replace(owner("7"), purpose=RESTORED)
    made = {device: world.site.create_volume(whose, order) for device, order in orders.items()}
    assert {device: world.account.content(one, 3) for device, one in made.items()} == contents
    assert {device: world.site.create_volume(whose, order) for device, order in orders.items()} == made
    tags = {tag["Key"]: tag["Value"] for tag in world.account.volume(made["/dev/sdf"])["Tags"]}
    assert tags.items() >= {"disk": "/dev/sdf", "holdfast:appliance": APPLIANCE, "holdfast:purpose": RESTORED}.items()


def test_a_volume_under_a_key_that_is_disabled_is_told_with_the_key_and_made_when_it_is_enabled(slow_world):
    """EBS makes it, and lets it vanish without a word."""
    world = slow_world
    old = customer(world, 115)
    _before, snapshots = backed_up(world, old, "8")
    kms = world.account.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    whose = replace(owner("8"), purpose=RESTORED)
    snapshot_id = next(iter(snapshots.values()))
    order = VolumeOrder(snapshot_id, 8, "gp3", f"{REGION}a", kms_key_id=key, encrypted=True)
    with pytest.raises(ConflictError, match="could not be made") as error:
        world.site.create_volume(whose, order)
    assert key in error.value.why
    assert "volume" not in {kind for kind, _ in world.ledger.open_objects()}
    kms.enable_key(KeyId=key)
    assert world.account.volume(world.site.create_volume(whose, order))["KmsKeyId"] == key


def _address(subnet, last):
    return subnet["CidrBlock"].rsplit(".", 1)[0] + f".{last}"
