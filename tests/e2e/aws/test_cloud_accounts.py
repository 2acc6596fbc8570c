"""Another account is worked in by its role: assumed with the right external id, renewed, refused otherwise."""

import json

import pytest

from holdfast.aws.policies.grants import document, trusts_role
from holdfast.aws.policies.production_account import production_account_grants
from holdfast.domain.errors import PermissionDeniedError
from holdfast.domain.infrastructure import Account as CloudAccount
from tests.e2e.aws.cloud_in_lab import OWN, REGION, CloudInLab, owner
from tests.e2e.lab.account import Account, until
from tests.labs import start_lab

APPLIANCE_ACCOUNT, PRODUCTION = "123456789012", "210987654321"
EXTERNAL_ID = "of this customer"
ROLE_ARN = f"arn:aws:iam::{PRODUCTION}:role/backup"


@pytest.fixture(scope="module")
def lab():
    with start_lab(faults="quota=off,pending=50ms,iam=0ms") as process:
        appliance = Account(process.endpoint)
        user = appliance.client("iam").create_user(UserName="appliance")["User"]
        may = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE_ARN}
        appliance.client("iam").put_user_policy(
            UserName="appliance",
            PolicyName="roles",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [may]}),
        )
        key = appliance.client("iam").create_access_key(UserName="appliance")["AccessKey"]
        iam = Account(process.endpoint, access_key=PRODUCTION).client("iam")
        trust = json.dumps(trusts_role(user["Arn"], EXTERNAL_ID))
        iam.create_role(RoleName="backup", AssumeRolePolicyDocument=trust)
        policy = json.dumps(document(production_account_grants("aws", PRODUCTION)))
        iam.put_role_policy(RoleName="backup", PolicyName="backup", PolicyDocument=policy)
        yield process, key


@pytest.fixture
def world(lab, monkeypatch):
    process, key = lab
    monkeypatch.setenv("AWS_ENDPOINT_URL", process.endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    return CloudInLab(Account(process.endpoint, access_key=PRODUCTION))


def test_with_the_right_external_id_everything_of_a_backup_works(world):
    other = CloudAccount("production", ROLE_ARN, EXTERNAL_ID)
    assert world.cloud.identity(other) == PRODUCTION
    assert world.cloud.identity(OWN) == APPLIANCE_ACCOUNT
    made = world.run()
    compute = world.cloud.compute(other, REGION)
    assert made["InstanceId"] in {one.id for one in compute.instances()}
    volume_ids = tuple(world.volumes(made["InstanceId"]).values())
    snapshots = compute.create_snapshots(owner(), made["InstanceId"], volume_ids, {}, "", copy_tags=True)
    until(lambda: compute.snapshots_percent(tuple(snapshots.values())) == 100)
    compute.share_snapshots(tuple(snapshots.values()), APPLIANCE_ACCOUNT)
    seen = Account(world.account.endpoint).ec2.describe_snapshots(SnapshotIds=list(snapshots.values()))["Snapshots"]
    assert {one["OwnerId"] for one in seen} == {PRODUCTION}
    assert {row.account for row in world.ledger.open_rows()} == {"production"}
    compute.delete_snapshots(tuple(snapshots.values()))


@pytest.mark.parametrize("external_id", [None, "of another customer"])
def test_without_it_the_role_is_not_given(world, external_id):
    other = CloudAccount("production", ROLE_ARN, external_id)
    with pytest.raises(PermissionDeniedError, match="sts:AssumeRole") as refusal:
        world.cloud.identity(other)
    assert "external id" in refusal.value.cure
    with pytest.raises(PermissionDeniedError, match="production"):
        list(world.cloud.compute(other, REGION).instances())
