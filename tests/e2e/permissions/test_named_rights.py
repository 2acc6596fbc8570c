"""What only a person can bound, appliances may when an option of the plug-in names it, and not before."""

import base64
import hashlib
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from holdfast.appliance.ports.cloud import Ownership
from holdfast.aws.ownership import as_list
from holdfast.domain.errors import PermissionDeniedError
from holdfast.domain.infrastructure import Account
from holdfast.domain.policy import Ec2Policy, Selection, SnapshotTarget
from holdfast.repository.stores.location import open_retrieval_jobs
from tests.e2e.lab.people import Person
from tests.e2e.permissions.account_in_lab import ACCOUNT_ID, APPLIANCE_ID, BUCKET, REGION, acting
from tests.e2e.permissions.flows import Scene

ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/shop"
OURS = as_list(Ownership(APPLIANCE_ID, "5" * 32, "7" * 32, 1, "restore").tags())
BLOCK = b"\x05" * 512 * 1024


@pytest.fixture
def scene(account):
    """With a snapshot point, and nothing named but a repository."""
    account.options = {"repositories": account.options["repositories"]}
    account.install()
    made = Scene(account)
    made.appliance.act(lambda service: service.put_account(Account("own")))
    policy = Ec2Policy("shop", "own", (REGION,), Selection(ids=(made.rich,)), snapshot=SnapshotTarget(keep=1))
    made.appliance.records.policies.put(policy, datetime.now(UTC))
    made.snapshot_point = made.point(
        made.appliance.act(lambda service: service.take_snapshot("own", REGION, made.rich))
    )
    yield made
    made.close()


def test_a_restored_instance_gets_its_role_when_the_role_is_named(scene):
    outcome = scene.instance_anew()
    (error,) = (one for one in outcome.errors if "iam:PassRole" in one.what)
    assert (error.code, error.exit_status) == ("permission-denied", 5)
    assert ROLE in error.what
    assert "instance-roles" in error.cure
    scene.appliance.reap()
    scene.account.bring_up_to_date(**{"instance-roles": ROLE})
    assert scene.instance_anew().fine


def test_blocks_are_an_appliance_s_when_local_workers_are_named(scene):
    account = scene.account
    point = scene.appliance.records.points.get(scene.snapshot_point)
    ours, foreign = next(iter(point.snapshots.values())), account.hand.snapshot_of({0: BLOCK})
    ebs = Person(account.hand.endpoint, *account.role_keys).client("ebs")
    with pytest.raises(ClientError, match="ebs:ListSnapshotBlocks"):
        ebs.list_snapshot_blocks(SnapshotId=ours)
    account.bring_up_to_date(**{"local-workers": "yes"})
    ebs.list_snapshot_blocks(SnapshotId=ours)
    ebs.list_changed_blocks(FirstSnapshotId=ours, SecondSnapshotId=ours)
    for snapshot_id in (foreign, _started(account.hand.ebs)):
        with pytest.raises(ClientError, match="is not authorized"):
            ebs.list_snapshot_blocks(SnapshotId=snapshot_id)
    with pytest.raises(ClientError, match="ebs:StartSnapshot"):
        _started(ebs)
    written = _started(ebs, Tags=OURS)
    ebs.complete_snapshot(SnapshotId=written, ChangedBlocksCount=1)
    account.hand.completed(written)
    (block,) = ebs.list_snapshot_blocks(SnapshotId=written)["Blocks"]
    read = ebs.get_snapshot_block(SnapshotId=written, BlockIndex=0, BlockToken=block["BlockToken"])
    assert read["BlockData"].read() == BLOCK


def test_packs_of_an_archive_are_asked_back_where_it_is_named_as_one(scene):
    account = scene.account
    role, cold = Person(account.hand.endpoint, *account.role_keys).client("s3"), {"StorageClass": "DEEP_ARCHIVE"}
    keys = {place: f"{place}/aa/{'a' * 32}" for place in ("cold/packs", "cold/index", "main/packs")}
    for key in keys.values():
        account.hand.s3.put_object(Bucket=BUCKET, Key=key, Body=BLOCK, **cold)

    def ask(place):
        role.restore_object(Bucket=BUCKET, Key=keys[place], RestoreRequest={"Days": 1})

    ask("cold/packs")
    for place in ("cold/index", "main/packs"):
        with pytest.raises(ClientError, match="AccessDenied"):
            ask(place)
    account.bring_up_to_date(repositories=f"{BUCKET}/main,{BUCKET}/cold")
    with pytest.raises(ClientError, match="AccessDenied"):
        ask("cold/packs")


def test_jobs_retrieve_under_one_role_where_a_repository_is_named_as_an_archive(scene):
    account = scene.account
    retrieves = account.settings["retrieval_role_arn"]

    def begin(role, number):
        with acting(account.role_keys):
            jobs = open_retrieval_jobs(f"s3://{BUCKET}/cold", role)
            assert jobs is not None
            job = jobs.begin(f"sessions/{number:032x}/retrieval", [f"packs/aa/{'a' * 32}"], 1)
            scene.hand.advance(1)  # for a moment it is not known
            return jobs.look(job)

    assert not begin(retrieves, 1).ended
    with pytest.raises(PermissionDeniedError, match="iam:PassRole"):
        begin(ROLE, 2)
    for number, action in enumerate(("s3:CreateJob", "s3:DescribeJob", "iam:PassRole"), start=3):
        with account.without(action), pytest.raises(PermissionDeniedError, match=action):
            begin(retrieves, number)
    account.bring_up_to_date(repositories=f"{BUCKET}/main,{BUCKET}/cold")
    with pytest.raises(PermissionDeniedError, match="s3:CreateJob"):
        begin(retrieves, 6)
    role = account.settings["retrieval_role_arn"].rpartition("/")[2]
    assert account.iam.list_role_policies(RoleName=role)["PolicyNames"] == []


def test_a_bucket_under_a_key_of_the_customer_s_is_written_and_read_when_the_key_is_named(scene):
    account = scene.account
    role, one = Person(account.hand.endpoint, *account.role_keys).client("s3"), {"Bucket": BUCKET, "Key": "main/one"}
    with pytest.raises(ClientError, match="kms:GenerateDataKey"):
        role.put_object(**one, Body=BLOCK)
    account.hand.s3.put_object(**one, Body=BLOCK)
    with pytest.raises(ClientError, match="kms:Decrypt"):
        role.get_object(**one)
    account.bring_up_to_date(**{"repository-keys": account.bucket_key})
    role.put_object(**one, Body=BLOCK)
    assert role.get_object(**one)["Body"].read() == BLOCK
    with pytest.raises(ClientError, match="kms:GenerateDataKey"):
        Person(account.hand.endpoint, *account.role_keys).client("kms").generate_data_key(
            KeyId=account.bucket_key, KeySpec="AES_256"
        )


def _started(ebs, **more):
    """A snapshot with a block of it written."""
    snapshot_id = ebs.start_snapshot(VolumeSize=1, **more)["SnapshotId"]
    checksum = base64.b64encode(hashlib.sha256(BLOCK).digest()).decode()
    sums = {"Checksum": checksum, "ChecksumAlgorithm": "SHA256", "DataLength": len(BLOCK)}
    ebs.put_snapshot_block(SnapshotId=snapshot_id, BlockIndex=0, BlockData=BLOCK, **sums)
    return str(snapshot_id)
