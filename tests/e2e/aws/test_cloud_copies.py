"""Snapshots copied into another region and another account, with the rights that are documented and no others."""

import json
from dataclasses import replace

import pytest

from holdfast.aws.ec2.snapshots import DESCRIPTION_TAGS, MAX_TAGS
from holdfast.aws.policies.grants import document, trusts_role
from holdfast.aws.policies.production_account import production_account_grants
from holdfast.domain.errors import ConflictError, NotFoundError, PermissionDeniedError, UnavailableError
from holdfast.domain.infrastructure import Account as CloudAccount
from tests.e2e.aws.cloud_in_lab import APPLIANCE, REGION, CloudInLab, owner
from tests.e2e.lab.account import Account, until
from tests.labs import start_lab

# More than there is room for; and what only AWS may give.
MANY = {f"key-{number}": "v" for number in range(60)} | {"aws:cloudformation:stack-id": "s"}
ABROAD, OWN_ID, OTHER_ID = "eu-west-1", "123456789012", "210987654321"
ROLES = {
    account: CloudAccount(f"of-{account}", f"arn:aws:iam::{account}:role/backup", "agreed")
    for account in (OWN_ID, OTHER_ID)
}


@pytest.fixture(scope="module")
def lab():
    with start_lab(faults="quota=off,pending=50ms,iam=0ms") as process:
        user = Account(process.endpoint).client("iam").create_user(UserName="appliance")["User"]
        may = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": [one.role_arn for one in ROLES.values()]}
        Account(process.endpoint).client("iam").put_user_policy(
            UserName="appliance",
            PolicyName="roles",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [may]}),
        )
        for account in ROLES:
            iam = Account(process.endpoint, access_key=account).client("iam")
            trust = json.dumps(trusts_role(user["Arn"], "agreed"))
            iam.create_role(RoleName="backup", AssumeRolePolicyDocument=trust)
            policy = json.dumps(document(production_account_grants("aws", account)))
            iam.put_role_policy(RoleName="backup", PolicyName="backup", PolicyDocument=policy)
        yield process, Account(process.endpoint).client("iam").create_access_key(UserName="appliance")["AccessKey"]


@pytest.fixture
def world(lab, monkeypatch):
    process, key = lab
    monkeypatch.setenv("AWS_ENDPOINT_URL", process.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    return CloudInLab(Account(process.endpoint))


@pytest.fixture
def source(world):
    """(volume id -> snapshot id, completed; the blocks that they have)."""
    made = world.run()
    world.write(made["InstanceId"], 1)
    volumes = tuple(world.volumes(made["InstanceId"]).values())
    compute = world.cloud.compute(ROLES[OWN_ID], REGION)
    snapshots = compute.create_snapshots(owner("3"), made["InstanceId"], volumes, {}, "", copy_tags=False)
    until(lambda: compute.snapshots_percent(tuple(snapshots.values())) == 100)
    return snapshots


def described(hand, snapshot_id):
    return hand.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]


def blocks(world, region, account_id, snapshots):
    hand = Account(world.account.endpoint, region=region, access_key=account_id)
    return [hand.blocks(one) for one in snapshots]


@pytest.mark.parametrize(("account_id", "region"), [(OWN_ID, ABROAD), (OTHER_ID, REGION), (OTHER_ID, ABROAD)])
def test_copies_are_made_once_bear_our_tags_and_have_the_blocks(world, source, account_id, region):
    here, there = world.cloud.compute(ROLES[OWN_ID], REGION), world.cloud.compute(ROLES[account_id], region)
    if account_id != OWN_ID:
        with pytest.raises(NotFoundError):
            there.copy_snapshots(owner("4"), source, REGION, {}, "a test", None)
        here.share_snapshots(tuple(source.values()), account_id)
    tags = {volume: {"disk": volume, **MANY} for volume in source}
    whose = replace(owner(), task_id=f"{account_id}{region}".encode().hex()[:32])
    copies = there.copy_snapshots(whose, source, REGION, tags, "a test", None)
    assert set(copies) == set(source)
    assert there.copy_snapshots(whose, source, REGION, tags, "a test", None) == copies, "they stand in the ledger"
    world.ledger.rows = {}
    assert there.copy_snapshots(whose, source, REGION, tags, "a test", None) == copies, "they are found by their tags"
    until(lambda: there.snapshots_percent(tuple(copies.values())) == 100)
    found = [one for one in world.cloud.belongings(ROLES[account_id], region).owned() if one.id in copies.values()]
    assert [one.ownership for one in found] == [whose] * len(copies)
    hand = Account(world.account.endpoint, region=region, access_key=account_id)
    for volume, copy in copies.items():
        born = {one["Key"]: one["Value"] for one in described(hand, copy)["Tags"]}
        assert (born["disk"], len(born)) == (volume, MAX_TAGS - DESCRIPTION_TAGS)
    assert {row.region for row in world.ledger.open_rows()} == {region}
    want = blocks(world, REGION, OWN_ID, source.values())
    here.delete_snapshots(tuple(source.values()))
    assert blocks(world, region, account_id, copies.values()) == want
    assert all(want)
    there.delete_snapshots(tuple(copies.values()))
    assert not world.ledger.open_rows()


def test_a_key_that_cannot_be_used_is_an_error_of_the_copy(world, source):
    there = world.cloud.compute(ROLES[OWN_ID], ABROAD)
    copies = there.copy_snapshots(owner("6"), source, REGION, {}, "", "alias/nobodys")

    def failed():
        try:
            return there.snapshots_percent(tuple(copies.values())) == 100
        except UnavailableError as error:
            return "key" in error.why and "KMS" in error.cure

    until(failed)


def test_what_aws_encrypted_under_its_own_key_is_not_shared(world):
    made = world.account.ec2.create_volume(Size=1, AvailabilityZone=f"{REGION}a", Encrypted=True)["VolumeId"]
    until(lambda: world.account.volume(made)["State"] == "available")
    tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "holdfast:appliance", "Value": APPLIANCE}]}]
    snapshot = world.account.ec2.create_snapshot(VolumeId=made, TagSpecifications=tags)["SnapshotId"]
    world.account.completed(snapshot)
    with pytest.raises(ConflictError, match="ModifySnapshotAttribute") as refusal:
        world.cloud.compute(ROLES[OWN_ID], REGION).share_snapshots((snapshot,), OTHER_ID)
    assert "KMS key of your own" in refusal.value.cure


def test_nothing_is_copied_without_the_right_or_without_our_tags(world, source, lab):
    iam = Account(lab[0].endpoint, access_key=OTHER_ID).client("iam")
    world.cloud.compute(ROLES[OWN_ID], REGION).share_snapshots(tuple(source.values()), OTHER_ID)
    grants = [one for one in production_account_grants("aws", OTHER_ID) if one.name != "CopySnapshots"]
    iam.put_role_policy(RoleName="backup", PolicyName="backup", PolicyDocument=json.dumps(document(grants)))
    try:
        with pytest.raises(PermissionDeniedError, match="ec2:CopySnapshot"):
            world.cloud.compute(ROLES[OTHER_ID], ABROAD).copy_snapshots(owner("7"), source, REGION, {}, "", None)
    finally:
        policy = json.dumps(document(production_account_grants("aws", OTHER_ID)))
        iam.put_role_policy(RoleName="backup", PolicyName="backup", PolicyDocument=policy)
