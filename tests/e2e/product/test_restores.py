"""An instance of every trait is brought back: where it was, where it still stands, and elsewhere."""

import base64
import json
import os
import time
from collections import Counter
from typing import Any

import pytest

from tests.e2e.product.site import changed

BACKUP = {"repository": "main", "retention": {"keep": 2}}
USER_DATA = "#!/bin/sh\nexit 0 # a secret of its owner\n"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)


class Shop:
    """An instance with three volumes, two interfaces, three addresses, a key pair, a profile, a group, tags."""

    def __init__(self, site):
        self.site, self.ec2 = site, site.aws("ec2")
        self.points: dict[str, Any] = {}
        self.as_it_was: dict[str, Any] = {}
        self.content: dict[str, Any] = {}
        subnets = self.ec2.describe_subnets()["Subnets"]
        self.subnet, self.elsewhere = subnets[0], subnets[1]
        group = {"Description": "shop", "VpcId": self.subnet["VpcId"]}
        self.group = self.ec2.create_security_group(GroupName="shop", **group)["GroupId"]
        self.other_group = self.ec2.create_security_group(GroupName="other", **group)["GroupId"]
        for name in ("shop", "other"):
            self.ec2.create_key_pair(KeyName=name)
        iam = site.aws("iam")
        self.profile = iam.create_instance_profile(InstanceProfileName="shop")["InstanceProfile"]["Arn"]
        iam.create_role(RoleName="shop", AssumeRolePolicyDocument=TRUST)
        iam.add_role_to_instance_profile(InstanceProfileName="shop", RoleName="shop")
        time.sleep(0.5)  # until IAM knows it everywhere
        self.id = self._start()
        for number, (device, path) in enumerate(sorted(site.people.disks(self.id).items())):
            with path.open("r+b") as disk:
                disk.seek((number + 1) * 524288)
                disk.write(os.urandom(3 * 524288))
            volume = self.volumes(self.id)[device]["VolumeId"]
            self.ec2.create_tags(Resources=[volume], Tags=[{"Key": "disk", "Value": device}])

    def _start(self):
        base = self.subnet["CidrBlock"].rsplit(".", 1)[0]
        first = {
            "DeviceIndex": 0,
            "SubnetId": self.subnet["SubnetId"],
            "Groups": [self.group],
            "PrivateIpAddresses": [
                {"PrivateIpAddress": f"{base}.50", "Primary": True},
                {"PrivateIpAddress": f"{base}.51", "Primary": False},
            ],
        }
        second = {
            "DeviceIndex": 1,
            "SubnetId": self.subnet["SubnetId"],
            "Groups": [self.group],
            "PrivateIpAddress": f"{base}.52",
        }
        image = self.ec2.describe_images(Owners=["136693071363"])["Images"][0]
        tags = [{"Key": "Name", "Value": "shop"}, {"Key": "backup", "Value": "daily"}]
        made = self.ec2.run_instances(
            ImageId=image["ImageId"],
            InstanceType="t3.small",
            MinCount=1,
            MaxCount=1,
            KeyName="shop",
            UserData=USER_DATA,
            IamInstanceProfile={"Arn": self.profile},
            NetworkInterfaces=[first, second],
            BlockDeviceMappings=[
                {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "DeleteOnTermination": False}},
                {"DeviceName": "/dev/sdg", "Ebs": {"VolumeSize": 2, "VolumeType": "io1", "Iops": 100}},
            ],
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )["Instances"][0]["InstanceId"]
        self.ec2.get_waiter("instance_running").wait(InstanceIds=[made], WaiterConfig={"Delay": 1})
        return made

    def volumes(self, instance):
        """Device -> the volume, with how it is attached."""
        mappings = self.site.people.instance(instance)["BlockDeviceMappings"]
        by_id = {one["Ebs"]["VolumeId"]: one for one in mappings}
        found = self.ec2.describe_volumes(VolumeIds=list(by_id))["Volumes"]
        return {by_id[one["VolumeId"]]["DeviceName"]: one | {"on": by_id[one["VolumeId"]]["Ebs"]} for one in found}

    def traits(self, instance):
        """Everything that must be as it was, in AWS's words and without ids of what is made anew."""
        facts = self.site.people.instance(instance)
        attribute = self.ec2.describe_instance_attribute(InstanceId=instance, Attribute="userData")
        return {
            "type": facts["InstanceType"],
            "key": facts.get("KeyName"),
            "profile": facts["IamInstanceProfile"]["Arn"],
            "root": facts["RootDeviceName"],
            "tags": {one["Key"]: one["Value"] for one in facts["Tags"] if not one["Key"].startswith("holdfast:")},
            "user data": base64.b64decode(attribute["UserData"]["Value"]).decode(),
            "interfaces": [
                (
                    one["Attachment"]["DeviceIndex"],
                    one["SubnetId"],
                    [address["PrivateIpAddress"] for address in one["PrivateIpAddresses"]],
                    [group["GroupId"] for group in one["Groups"]],
                )
                for one in sorted(facts["NetworkInterfaces"], key=lambda one: one["Attachment"]["DeviceIndex"])
            ],
            "volumes": {
                device: (
                    one["Size"],
                    one["VolumeType"],
                    one.get("Iops"),
                    one["on"]["DeleteOnTermination"],
                    {tag["Key"]: tag["Value"] for tag in one.get("Tags", []) if not tag["Key"].startswith("holdfast:")},
                )
                for device, one in self.volumes(instance).items()
            },
        }

    def terminate(self, instance):
        """With every volume of it."""
        volumes = [one["VolumeId"] for one in self.volumes(instance).values()]
        self.ec2.terminate_instances(InstanceIds=[instance])
        self.ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1})
        for one in self.ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": volumes}])["Volumes"]:
            self.ec2.delete_volume(VolumeId=one["VolumeId"])


@pytest.fixture(scope="module")
def shop(ready):
    """Backed up, as a snapshot and as an image."""
    made = Shop(ready)
    ready.apply("shop", select={"ids": [made.id]}, snapshot={"keep": 2}, backup=BACKUP)
    result = ready.do("policy", "run", "shop")["tasks"][0]["result"]
    made.points = {"image-backup": result["restore_point"], "snapshot": result["snapshot_point"]}
    made.as_it_was, made.content = made.traits(made.id), ready.content(made.id)
    return made


def test_where_it_still_stands_only_with_a_yes_and_then_as_it_was(ready, shop):
    """Its owner has changed type, tags and data since; addresses and id stay through it all."""
    for kind in shop.points:
        path = ready.people.disks(shop.id)["/dev/sdf"]
        with path.open("r+b") as disk:
            disk.write(os.urandom(524288))
        shop.ec2.create_tags(Resources=[shop.id], Tags=[{"Key": "Name", "Value": "changed"}])
        before, content = ready.census(), ready.content(shop.id)
        words = ("restore", "instance", shop.points[kind], "--worker-mode", "local")
        said = ready.refused(*words, status=7)
        assert shop.id in said
        assert "--yes" in said
        assert ready.census() == before
        assert ready.content(shop.id) == content
        plan = ready.do(*words, "--plan", status=3)
        assert [one["name"] for one in plan["objects"] if one["change"] == "stop"] == [shop.id]
        assert ready.census() == before
        done = ready.do(*words, "--yes")
        assert done["tasks"][0]["result"]["instance_id"] == shop.id
        assert shop.traits(shop.id) == shop.as_it_was
        assert ready.content(shop.id) == shop.content
        assert changed(before, ready.census()) == planned(plan)


def test_a_restored_instance_that_does_not_prove_to_run_costs_nothing(ready, shop):
    """It ends with a warning that names the old volumes, and none of them is gone."""
    old = {device: one["VolumeId"] for device, one in shop.volumes(shop.id).items()}
    before = ready.census()
    ready.lab_route("PUT", "instances/faults", {"checks": "impaired"})
    done = ready.do("restore", "instance", shop.points["snapshot"], "--yes", status=3)
    ready.lab_route("PUT", "instances/faults", {"checks": "ok"})
    (task,) = done["tasks"]
    (warning,) = task["warnings"]
    assert "host ok, instance impaired" in warning
    assert all(f"{volume} ({device})" in warning for device, volume in old.items())
    assert ready.content(shop.id) == shop.content
    assert changed(before, ready.census()) == {"volumes": (len(old), 0)}
    for volume in old.values():
        shop.ec2.delete_volume(VolumeId=volume)


def test_old_volumes_are_kept_when_a_person_wants_it(ready, shop):
    old = {one["VolumeId"] for one in shop.volumes(shop.id).values()}
    words = ("restore", "instance", shop.points["snapshot"], "--yes", "--keep-old-volumes", "2")
    plan = ready.do(*words, "--plan")
    kept = [one for one in plan["objects"] if one["change"] == "keep"]
    assert {one["name"] for one in kept} == old
    assert all("for 2 h" in one["detail"] for one in kept)
    ready.do(*words)
    assert ready.content(shop.id) == shop.content
    for volume in shop.ec2.describe_volumes(VolumeIds=list(old))["Volumes"]:
        assert volume["State"] == "available"
        shop.ec2.delete_volume(VolumeId=volume["VolumeId"])


def test_elsewhere_with_what_the_person_wants_otherwise(ready, shop):
    for kind, name in (("image-backup", "shop-2"), ("snapshot", "shop-3")):
        words = [
            "restore", "instance", shop.points[kind], "--new", "--worker-mode", "local",
            "--type", "t3.large", "--name", name,
            "--subnet", shop.elsewhere["SubnetId"], "--zone", shop.elsewhere["AvailabilityZone"],
            "--security-group", shop.other_group, "--key-pair", "other",
        ]  # fmt: skip
        plan = ready.do(*words, "--plan")
        before = ready.census()
        done = ready.do(*words)
        made = done["tasks"][0]["result"]["instance_id"]
        assert ready.temporary(done["session"]["id"]) == planned_for_now(plan)
        was, now = shop.as_it_was, shop.traits(made)
        assert (now["type"], now["key"], now["tags"]["Name"]) == ("t3.large", "other", name)
        ((index, subnet, addresses, groups),) = now["interfaces"]
        assert (index, subnet, groups) == (0, shop.elsewhere["SubnetId"], [shop.other_group])
        assert len(addresses) == 1
        for same in ("profile", "root", "user data", "volumes"):
            assert now[same] == was[same], same
        assert ready.people.instance(made)["Placement"]["AvailabilityZone"] == shop.elsewhere["AvailabilityZone"]
        assert ready.content(made) == shop.content
        assert changed(before, ready.census()) == planned(plan)
        shop.terminate(made)
    said = ready.refused(
        "restore", "instance", shop.points["snapshot"], "--new", "--subnet", "subnet-0123456789", status=7
    )
    assert "subnet-0123456789" in said


def test_where_it_was_after_its_end(ready, shop):
    for kind in shop.points:
        shop.terminate(shop.id)
        words = ("restore", "instance", shop.points[kind], "--worker-mode", "local")
        plan = ready.do(*words, "--plan")
        before = ready.census()
        shop.id = ready.do(*words)["tasks"][0]["result"]["instance_id"]
        assert shop.traits(shop.id) == shop.as_it_was
        assert ready.content(shop.id) == shop.content
        assert changed(before, ready.census()) == planned(plan)


def test_volumes_alone(ready, shop):
    device, zone = "/dev/sdg", shop.elsewhere["AvailabilityZone"]
    for kind in shop.points:
        words = ("restore", "volume", shop.points[kind], "--worker-mode", "local", "--volume", device, "--zone", zone)
        plan = ready.do(*words, "--plan")
        before = ready.census()
        made = ready.do(*words, "--type", "gp3")["tasks"][0]["result"]["volumes"][device]
        volume = shop.ec2.describe_volumes(VolumeIds=[made])["Volumes"][0]
        assert (volume["AvailabilityZone"], volume["VolumeType"], volume["State"]) == (zone, "gp3", "available")
        assert ready.volume_content(made) == shop.content[device]
        assert changed(before, ready.census()) == planned(plan)
    assert "/dev/sdz" in ready.refused("restore", "volume", shop.points["snapshot"], "--volume", "/dev/sdz", status=4)


def planned_for_now(plan):
    """What was made and removed again: kind -> how many."""
    return Counter(one["kind"] for one in plan["objects"] if one["temporary"])


def planned(plan):
    """What must have come and gone when a plan was carried out: kind -> (came, went)."""
    kinds = {"instance": "instances", "volume": "volumes", "network-interface": "network_interfaces"}
    found: dict[str, Any] = {}
    for one in plan["objects"]:
        if one["temporary"] or one["change"] == "stop":
            continue
        came, went = found.get(kinds[one["kind"]], (0, 0))
        found[kinds[one["kind"]]] = (came + (one["change"] == "create"), went + (one["change"] == "remove"))
    return found
