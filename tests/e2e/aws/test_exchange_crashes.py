"""A restore into a standing instance that is cut off at any one of its requests: asked to, it puts back everything that
was there, or goes on to its end; and the way back may be cut off anywhere as well.

The default run dies at every request, and takes a share of the other ways; `CUTS=all` takes every request of each.
"""

import base64
import os
from dataclasses import replace

import pytest

from holdfast.aws.clients import PatientClient
from holdfast.domain.errors import PermissionDeniedError
from tests.e2e.aws.cloud_in_lab import CloudInLab, owner
from tests.e2e.aws.test_cloud_restores import backed_up, customer, order_of
from tests.e2e.lab.account import Account, until
from tests.labs import start_lab

READS = ("Describe", "Get", "List")
# More requests than this neither an exchange of two volumes makes nor its undoing.
MOST_REQUESTS = 80
STEP = 1 if os.environ.get("CUTS") == "all" else 3


class DiedError(BaseException):
    """The program is gone: nobody catches this."""


class Cut:
    """After so many requests that change something the program dies, or, with `refused`, the next one is denied."""

    def __init__(self, monkeypatch):
        self.left, self.counts, self.refused = 0, False, False
        self.seen: set[str] = set()
        asked = PatientClient.try_call

        def try_call(client, operation, resource, **parameters):
            changes = self.counts and not operation.startswith(READS)
            if changes:
                self.seen.add(operation)
                self.left -= 1
            if changes and self.left < 0 and self.refused:
                raise PermissionDeniedError(f"ec2:{operation} was refused", why="a test", cure="none")
            answer = asked(client, operation, resource, **parameters)
            if changes and self.left < 0:
                raise DiedError(operation)
            return answer

        monkeypatch.setattr(PatientClient, "try_call", try_call)

    def happens(self, requests, do, *arguments):
        """Whether it was cut off after that many."""
        self.left, self.counts = requests, True
        try:
            do(*arguments)
        except (DiedError, PermissionDeniedError):
            return True
        else:
            return False
        finally:
            self.counts = False


class Spoilt:
    """An instance of which a point was made, and of which its owner has changed all that can be changed since."""

    tasks = iter("bcdef")

    def __init__(self, monkeypatch, endpoint):
        self.task = next(self.tasks)
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        self.world = world = CloudInLab(Account(endpoint))
        self.ec2 = world.account.ec2
        self.id = customer(world, 60)
        self.wanted = world.contents(self.id)
        before, snapshots = backed_up(world, self.id, self.task)
        self.order = order_of(world, before, snapshots)
        iam = world.account.client("iam")
        iam.create_role(RoleName="shop", AssumeRolePolicyDocument="{}")
        iam.create_instance_profile(InstanceProfileName="shop")
        iam.add_role_to_instance_profile(InstanceProfileName="shop", RoleName="shop")
        vpc = world.subnet()["VpcId"]
        self.group = self.ec2.create_security_group(GroupName="other", Description="other", VpcId=vpc)["GroupId"]
        world.account.advance(2)
        self.spoil()
        self.stood = self.standing()
        self.content = world.contents(self.id)
        self.attempt = 0

    def spoil(self):
        ec2, there, world = self.ec2, {"InstanceId": self.id}, self.world
        world.site.stop_instance(self.id)
        ec2.modify_instance_attribute(**there, InstanceType={"Value": "t3.large"})
        ec2.modify_instance_attribute(**there, UserData={"Value": b"#!/bin/sh\nfalse\n"})
        ec2.modify_instance_attribute(
            **there, BlockDeviceMappings=[{"DeviceName": "/dev/sdf", "Ebs": {"DeleteOnTermination": True}}]
        )
        ec2.start_instances(InstanceIds=[self.id])
        facts = world.in_state(self.id, "running")
        ec2.create_tags(Resources=[self.id], Tags=[{"Key": "Name", "Value": "spoilt"}, {"Key": "new", "Value": "one"}])
        interface = min(facts["NetworkInterfaces"], key=lambda one: one["Attachment"]["DeviceIndex"])
        nic = {"NetworkInterfaceId": interface["NetworkInterfaceId"]}
        ec2.modify_network_interface_attribute(**nic, Groups=[self.group])
        ec2.modify_network_interface_attribute(**nic, SourceDestCheck={"Value": False})
        others = [one["PrivateIpAddress"] for one in interface["PrivateIpAddresses"] if not one["Primary"]]
        ec2.unassign_private_ip_addresses(**nic, PrivateIpAddresses=others)
        ec2.associate_iam_instance_profile(InstanceId=self.id, IamInstanceProfile={"Name": "shop"})
        ec2.modify_instance_metadata_options(**there, HttpTokens="required", HttpPutResponseHopLimit=3)
        ec2.monitor_instances(InstanceIds=[self.id])
        ec2.modify_instance_attribute(**there, InstanceInitiatedShutdownBehavior={"Value": "terminate"})
        ec2.modify_instance_attribute(**there, DisableApiTermination={"Value": True})
        world.write(self.id, 77)

    def standing(self):
        """Everything that is to be put back; addresses that AWS lends to what runs are new each time."""
        found = self.world.site.standing_instance(self.id)
        was = found.configuration
        interfaces = tuple(replace(one, public_address=None) for one in was.interfaces)
        volumes = tuple(sorted(was.volumes, key=lambda one: one.device))
        return replace(found, configuration=replace(was, interfaces=interfaces, volumes=volumes))

    def begin(self):
        """Stopped, as an exchange finds it; whose it will be, and what it was."""
        self.attempt += 1
        was = self.world.site.standing_instance(self.id)
        self.world.site.stop_instance(self.id)
        return owner(self.task, attempt=self.attempt), was

    def assert_put_back(self, when):
        assert self.standing() == self.stood, when
        assert self.world.contents(self.id) == self.content, when
        there = {one["VolumeId"] for one in self.ec2.describe_volumes()["Volumes"]}
        assert there == {one.volume_id for one in self.stood.configuration.volumes}, when

    def power_off(self):
        """Its owner stops it; as it stands then."""
        self.ec2.stop_instances(InstanceIds=[self.id])
        until(lambda: self.world.site.instance_state(self.id) == "stopped")
        self.stood = self.standing()


@pytest.fixture(scope="module")
def lab():
    with start_lab(faults="quota=off,pending=5ms") as process:
        yield process


@pytest.fixture
def spoilt(lab, monkeypatch):
    made = Spoilt(monkeypatch, lab.endpoint)
    yield made
    world = made.world
    made.ec2.modify_instance_attribute(InstanceId=made.id, DisableApiTermination={"Value": False})
    volumes = world.volumes(made.id)
    made.ec2.terminate_instances(InstanceIds=[made.id])
    world.in_state(made.id, "terminated")
    for one in made.ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": list(volumes.values())}])["Volumes"]:
        made.ec2.delete_volume(VolumeId=one["VolumeId"])
    for group in made.ec2.describe_security_groups()["SecurityGroups"]:
        if group["GroupName"] in ("other", "shop-60"):
            made.ec2.delete_security_group(GroupId=group["GroupId"])
    made.ec2.delete_key_pair(KeyName="shop-60")
    iam = world.account.client("iam")
    iam.remove_role_from_instance_profile(InstanceProfileName="shop", RoleName="shop")
    iam.delete_instance_profile(InstanceProfileName="shop")
    iam.delete_role(RoleName="shop")


@pytest.mark.parametrize("refused", [False, True], ids=["dies", "is refused"])
def test_wherever_it_is_cut_off_everything_is_put_back(monkeypatch, spoilt, refused):
    cut = Cut(monkeypatch)
    cut.refused = refused
    point = spoilt.order.configuration
    assert spoilt.stood.configuration.user_data == base64.b64encode(b"#!/bin/sh\nfalse\n").decode()
    assert spoilt.stood.configuration.instance_profile_arn != point.instance_profile_arn
    for number, requests in enumerate(range(0, MOST_REQUESTS, STEP if refused else 1)):
        if number == 3:
            spoilt.power_off()
        whose, was = spoilt.begin()
        was_cut = cut.happens(requests, spoilt.world.site.exchange_volumes, whose, spoilt.id, spoilt.order)
        spoilt.world.site.put_back_volumes(whose, was)
        spoilt.assert_put_back(f"{requests} requests")
        if not was_cut:
            break
    else:
        pytest.fail("it never came to its end")
    expected = {"CreateVolume", "DetachVolume", "AttachVolume", "StartInstances", "DisassociateIamInstanceProfile"}
    assert cut.seen >= expected | {"AssignPrivateIpAddresses", "ModifyNetworkInterfaceAttribute", "DeleteTags"}


def test_wherever_the_way_back_is_cut_off_it_is_gone_again(monkeypatch, spoilt):
    cut = Cut(monkeypatch)
    for requests in range(0, MOST_REQUESTS, STEP):
        whose, was = spoilt.begin()
        spoilt.world.site.exchange_volumes(whose, spoilt.id, spoilt.order)
        was_cut = cut.happens(requests, spoilt.world.site.put_back_volumes, whose, was)
        if was_cut:
            everything = {one["VolumeId"] for one in spoilt.ec2.describe_volumes()["Volumes"]}
            assert {one.volume_id for one in was.configuration.volumes} <= everything, "nothing old is ever deleted"
            spoilt.world.site.put_back_volumes(whose, was)
        spoilt.assert_put_back(f"{requests} requests")
        if not was_cut:
            break
    else:
        pytest.fail("it never came to its end")
    expected = {"StopInstances", "DetachVolume", "AttachVolume", "StartInstances", "DeleteVolume", "DeleteTags"}
    assert cut.seen >= expected | {"UnassignPrivateIpAddresses", "AssociateIamInstanceProfile"}


def test_wherever_it_dies_asked_again_it_goes_on(monkeypatch, spoilt):
    cut, world = Cut(monkeypatch), spoilt.world
    for requests in range(0, MOST_REQUESTS, STEP):
        old = world.volumes(spoilt.id)
        whose, _ = spoilt.begin()
        was_cut = cut.happens(requests, world.site.exchange_volumes, whose, spoilt.id, spoilt.order)
        everything = {one["VolumeId"] for one in spoilt.ec2.describe_volumes()["Volumes"]}
        assert set(old.values()) <= everything, "nothing old is deleted before the restored one has proved to run"
        world.site.exchange_volumes(whose, spoilt.id, spoilt.order)
        assert world.contents(spoilt.id) == spoilt.wanted
        assert {one.volume_id for one in world.site.kept_volumes(whose.appliance_id)} == set(old.values())
        world.site.discard_kept_volumes(whose, spoilt.id)
        assert world.site.instance_state(spoilt.id) == "running"
        assert len(spoilt.ec2.describe_volumes()["Volumes"]) == len(old), "none too many"
        if not was_cut:
            return
        spoilt.spoil()
    pytest.fail("it never came to its end")
