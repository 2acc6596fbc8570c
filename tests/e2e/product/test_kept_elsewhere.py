"""Manual snapshots in another region and account; and snapshots that are found again when the records are lost."""

import json
import shutil

import pytest

from holdfast.aws.policies.grants import document, trusts_role
from holdfast.aws.policies.production_account import production_account_grants
from holdfast.lab.actors import DATA_DEVICE, REGION
from tests.e2e.lab.account import Account

MIB = 1024**2
ABROAD, VAULT_ID = "eu-west-1", "210987654321"
WHERE = ("--account", "own", "--region", REGION)


@pytest.fixture(scope="module")
def instance(ready):
    """An instance with data; and an account beside its own."""
    hand, own = Account(ready.lab.endpoint, access_key=VAULT_ID), ready.aws("sts").get_caller_identity()["Account"]
    trust = json.dumps(trusts_role(f"arn:aws:iam::{own}:root", "agreed upon"))
    hand.client("iam").create_role(RoleName="backup", AssumeRolePolicyDocument=trust)
    policy = json.dumps(document(production_account_grants("aws", VAULT_ID)))
    hand.client("iam").put_role_policy(RoleName="backup", PolicyName="backup", PolicyDocument=policy)
    (ready.folder / "external-id").write_text("agreed upon\n")
    words = ("--role", f"arn:aws:iam::{VAULT_ID}:role/backup", "--external-id-file", ready.folder / "external-id")
    ready.do("account", "add", "vault", *words)
    return ready.people.start_instance("web-1", 64 * MIB, {"backup": "hourly"})


@pytest.mark.parametrize(
    ("words", "account_id", "region"),
    [
        (("--to-region", ABROAD), "", ABROAD),
        (("--to-account", "vault"), VAULT_ID, REGION),
        (("--to-account", "vault", "--to-region", ABROAD), VAULT_ID, ABROAD),
    ],
)
def test_a_manual_snapshot_is_kept_restored_and_deleted_elsewhere(ready, instance, words, account_id, region):
    before, expected = ready.census(), ready.content(instance)
    done = ready.do("point", "snapshot", instance, *WHERE, *words)
    (task,) = done["tasks"]
    point = task["result"]["snapshot_point"]
    shown = ready.do("point", "show", point)["point"]
    assert (shown["kind"], shown["place"]["region"]) == ("manual-snapshot", region)
    there = Account(ready.lab.endpoint, region=region, access_key=account_id or "demo")
    found = there.ec2.describe_snapshots(OwnerIds=["self"], SnapshotIds=list(shown["snapshots"].values()))["Snapshots"]
    assert len(found) == 2
    after = ready.census()
    assert len(after.get("snapshots", ())) == len(before.get("snapshots", ())) + 2, "none stays beside the volumes"

    refused = ready.refused("restore", "instance", point, "--worker-mode", "local", status=7)
    assert region in refused
    done = ready.do("restore", "volume", point, "--worker-mode", "local")
    volumes = done["tasks"][0]["result"]["volumes"]
    assert {device: ready.volume_content(one) for device, one in volumes.items()} == expected
    zones = {one["AvailabilityZone"] for one in there.ec2.describe_volumes(VolumeIds=list(volumes.values()))["Volumes"]}
    assert all(zone.startswith(region) for zone in zones)
    for volume in volumes.values():
        there.ec2.delete_volume(VolumeId=volume)

    ready.do("point", "delete", point, "--yes")
    assert ready.census() == before


def test_a_key_that_is_not_there_leaves_nothing(ready, instance):
    before = ready.census()
    words = ("--to-region", ABROAD, "--kms-key", "alias/nobodys")
    failed = ready.type("point", "snapshot", instance, *WHERE, *words)
    assert failed.status == 1
    assert "Given key ID is not accessible" in failed.err
    assert ready.census() == before


def test_snapshots_are_found_again_when_all_records_are_lost(ready, instance):
    people = ready.people
    ready.apply("web", select={"tags": {"backup": "hourly"}}, snapshot={"keep": 2})
    points = [ready.run("web")["tasks"][0]["result"]["snapshot_point"] for _ in range(2)]
    kept = ready.do("point", "snapshot", instance, *WHERE, "--to-account", "vault", "--to-region", ABROAD)
    points.append(kept["tasks"][0]["result"]["snapshot_point"])
    expected, was = ready.content(instance), people.instance(instance)
    lost = ready.do("appliance", "show", "north")["appliance"]["appliance_id"]
    key = (ready.appliance.home / "appliance" / "key").read_bytes()

    ready.appliance.process.kill()
    shutil.rmtree(ready.appliance.home)
    ready.do("appliance", "remove", "north", "--yes")
    end(ready.aws("ec2"), instance)

    keep = ready.folder / "heir" / "appliance"
    for folder in (keep.parent, keep):
        folder.mkdir(mode=0o700)
    (keep / "key").touch(mode=0o600)
    (keep / "key").write_bytes(key)
    ready.appliance = ready.start_appliance("heir")
    ready.connect("heir", ready.appliance)
    ready.do("account", "add", "own")
    words = ("--role", f"arn:aws:iam::{VAULT_ID}:role/backup", "--external-id-file", ready.folder / "external-id")
    ready.do("account", "add", "vault", *words)
    ready.apply("web", status=3, select={"tags": {"backup": "hourly"}}, snapshot={"keep": 2})

    found = ready.do("point", "rescan", *WHERE, status=3)
    assert (found["points"], lost in found["warnings"][0]) == (0, True)
    named = ("--lost-appliance", lost)
    assert ready.do("point", "rescan", *WHERE, *named)["added"] == 2
    away = ("--account", "vault", "--region", ABROAD)
    assert ready.do("point", "rescan", *away, *named)["added"] == 1
    again = ready.do("point", "rescan", *WHERE, *named)
    assert (again["points"], again["added"], again["warnings"]) == (2, 0, [])
    listed = ready.until(lambda: three(ready.do("point", "list", "--workload", instance)["points"]))
    assert [one["id"] for one in listed] == points[::-1]
    assert [one["policy"] for one in listed] == ["", "web", "web"]

    done = ready.do("restore", "instance", points[1], "--yes")
    restored = done["tasks"][0]["result"]["instance_id"]
    assert ready.content(restored) == expected
    assert people.instance(restored)["PrivateIpAddress"] == was["PrivateIpAddress"]
    people.check_file_system(people.disks(restored)[DATA_DEVICE])
    volumes = ready.do("restore", "volume", points[2])["tasks"][0]["result"]["volumes"]
    assert {device: ready.volume_content(one) for device, one in volumes.items()} == expected


def end(ec2, instance):
    """The instance and its volumes are gone; its snapshots are not."""
    mappings = ec2.describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]["BlockDeviceMappings"]
    ec2.terminate_instances(InstanceIds=[instance])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    volumes = [one["Ebs"]["VolumeId"] for one in mappings]
    for volume in ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": volumes}])["Volumes"]:
        ec2.delete_volume(VolumeId=volume["VolumeId"])


def three(points):
    return points if len(points) == 3 else None
