"""Policies grant what is listed and nothing wider: no action by pattern, no `*` where AWS knows a resource."""

import json

import pytest

from holdfast.appliance.ports.cloud import Ownership
from holdfast.aws.policies.appliance import (
    ApplianceScope,
    RepositoryPlace,
    appliance_grants,
    repository_grants,
    retrieval_grants,
)
from holdfast.aws.policies.grants import CREATIONS, LIST_READS, actions_of, as_text, document, trusts_role
from holdfast.aws.policies.production_account import production_account_grants
from holdfast.aws.policies.repository_keys import repository_key_grants
from holdfast.aws.policies.server import ServerScope, deployment_grants, plugin_grants
from holdfast.aws.policies.worker import (
    CopiedFrom,
    SnapshotsToRead,
    WorkerScope,
    worker_backup_grants,
    worker_boundary_grants,
    worker_copy_grants,
    worker_restore_grants,
    worker_verify_grants,
    worker_versions_grant,
)
from holdfast.lab.access.evaluator import Demand, Permissions, Principal, authorize
from holdfast.lab.access.policy import parse
from tests.unit.aws.policies.resource_kinds import KINDS, kind_of

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/0"
BUCKET_KEY = f"arn:aws:kms:eu-north-1:{ACCOUNT}:key/1"
ANY_KEY = "arn:aws:kms:*:*:key/*"
EVENTS = f"arn:aws:sqs:eu-west-1:{ACCOUNT}:events"
WORKER = WorkerScope(
    "aws", "eu-west-1", "shop", "holdfast", "5" * 32, f"arn:aws:sqs:eu-west-1:{ACCOUNT}:task", EVENTS, KEY, "b", "k",
    (BUCKET_KEY,),
)  # fmt: skip
OWNER = Ownership("a" * 32, "5" * 32, "7" * 32, 1, "restore")
SOURCE = CopiedFrom("aws", "source", "standard", "5" * 32)
APPLIANCE = ApplianceScope(
    "aws",
    ACCOUNT,
    KEY,
    EVENTS,
    f"arn:aws:iam::{ACCOUNT}:policy/boundary",
    (RepositoryPlace("shop", "holdfast", immutable=True, archive=True),),
    restored_role_arns=(f"arn:aws:iam::{ACCOUNT}:role/shop",),
    production_role_arns=("arn:aws:iam::210987654321:role/backup",),
    volume_key_arns=(KEY,),
    repository_key_arns=(BUCKET_KEY,),
    local_workers=True,
)
SERVER = ServerScope("aws", ACCOUNT, "eu-west-1", volume_key_arns=(KEY,))
POLICIES = {
    "appliance": appliance_grants(APPLIANCE),
    "production": production_account_grants("aws", ACCOUNT),
    "backup worker": worker_backup_grants(
        WORKER, SnapshotsToRead("a" * 32, ("7" * 32, "6" * 32), ("snap-1",)), (KEY,), 40
    ),
    "copy worker": [*worker_copy_grants(WORKER, SOURCE, 40), worker_versions_grant(SOURCE)],
    "restore worker": [*worker_restore_grants(WORKER, OWNER.tags(), (KEY,)), worker_versions_grant(WORKER)],
    "verify worker": [*worker_verify_grants(WORKER), worker_versions_grant(WORKER)],
    "boundary": worker_boundary_grants("aws", ACCOUNT, KEY, EVENTS, ("shop",)),
    "server, plug-in": plugin_grants(SERVER),
    "server, appliances": deployment_grants(SERVER),
}
MANAGED = ("boundary", "server, plug-in", "server, appliances")
# IAM's bounds: inline policies of a role together, and a managed policy.
INLINE_CHARACTERS, MANAGED_CHARACTERS = 10_240, 6_144


@pytest.mark.parametrize("name", POLICIES)
def test_nothing_is_wider_than_it_is_listed(name):
    for grant in POLICIES[name]:
        assert grant.why
        assert grant.resources, grant.name
        for action in grant.actions:
            assert "*" not in action
            if "*" in grant.resources:
                assert not KINDS[action], f"{action} on everything, and AWS knows {KINDS[action]}"
                assert action in LIST_READS or (action in CREATIONS and grant.conditions)
            else:
                assert KINDS[action] & {kind_of(one) for one in grant.resources}, f"{grant.name}: {action} on nothing"
        for resource in set(grant.resources) - {"*"}:
            assert resource.count(":") >= 5, resource
            assert any(kind_of(resource) in KINDS[action] for action in grant.actions), f"{grant.name}: {resource}"


def test_no_pattern_leaves_the_kind_or_the_account_open():
    """`*` stands for a region, an id or a key; an account only where AWS's ARNs have none, or nobody can know it."""
    of_others = {ANY_KEY}
    for grants in POLICIES.values():
        for resource in {one for grant in grants for one in grant.resources} - {"*"} - of_others:
            _, partition, service, _, account, name = resource.split(":", 5)
            assert "*" not in partition + service + account, resource
            assert name.partition("/")[0].strip("*") or resource == "arn:aws:s3:::*/*", resource


@pytest.mark.parametrize("name", POLICIES)
def test_statements_have_names_of_their_own_and_iam_takes_them(name):
    grants = POLICIES[name]
    names = [grant.name for grant in grants]
    assert len(set(names)) == len(names)
    assert all(one.isalnum() for one in names)
    bound = MANAGED_CHARACTERS if name in MANAGED else INLINE_CHARACTERS
    assert len(as_text(grants)) < bound
    assert json.loads(as_text(grants)) == json.loads(json.dumps(document(grants)))


def test_every_list_read_is_needed_by_somebody():
    used = {action for grants in POLICIES.values() for action in actions_of(grants)}
    assert set(LIST_READS) <= used


def test_a_worker_deletes_nothing_of_a_repository_and_replaces_nothing():
    for name in ("backup worker", "restore worker", "boundary"):
        grants = POLICIES[name]
        assert not [action for action in actions_of(grants) if action.startswith("s3:Delete")]
        for grant in grants:
            if "s3:PutObject" in grant.actions:
                assert grant.conditions == {"Null": {"s3:if-none-match": "false"}}


def test_the_table_of_kinds_is_of_what_is_granted():
    assert set(KINDS) == {action for grants in POLICIES.values() for action in actions_of(grants)}


def test_a_server_reaches_nothing_without_its_tag_or_name():
    for grant in (*POLICIES["server, plug-in"], *POLICIES["server, appliances"]):
        for action in grant.actions:
            if action.split(":")[1].startswith(("Delete", "Terminate", "ScheduleKeyDeletion", "Authorize", "Put")):
                named = all("holdfast-" in one for one in grant.resources)
                assert named or "aws:ResourceTag/holdfast:server" in grant.conditions.get("Null", {}), grant.name


def test_a_backup_worker_sees_its_snapshots_and_its_session_alone():
    grants = {grant.name: grant for grant in POLICIES["backup worker"]}
    tags = grants["ReadSnapshots"].conditions["StringEquals"]
    assert tags["aws:ResourceTag/holdfast:appliance"] == "a" * 32
    assert tags["aws:ResourceTag/holdfast:task"] == ("6" * 32, "7" * 32)
    assert grants["ReadNamedSnapshots"].resources == ("arn:aws:ec2:*::snapshot/snap-1",)
    assert grants["WriteSession"].resources == (f"arn:aws:s3:::shop/holdfast/sessions/{'5' * 32}/*",)
    assert grants["OpenTask"].conditions["StringEquals"]["kms:EncryptionContext:holdfast:userid"] == "${aws:userid}"
    assert "ebs:PutSnapshotBlock" not in actions_of(POLICIES["backup worker"])
    assert "s3:ListBucket" not in actions_of(POLICIES["backup worker"])


def test_no_worker_may_do_what_its_boundary_forbids():
    bounded = set(actions_of(POLICIES["boundary"]))
    for name in ("backup worker", "restore worker"):
        assert set(actions_of(POLICIES[name])) <= bounded


def test_roles_are_made_within_the_boundary_only():
    for grant in POLICIES["appliance"]:
        if {"iam:CreateRole", "iam:PutRolePolicy"} & set(grant.actions):
            assert grant.conditions == {"StringEquals": {"iam:PermissionsBoundary": APPLIANCE.worker_boundary_arn}}
            assert grant.resources == (f"arn:aws:iam::{ACCOUNT}:role/holdfast/worker/*",)


def test_no_role_is_given_away_that_nobody_named():
    bare = appliance_grants(ApplianceScope("aws", ACCOUNT, KEY, EVENTS, "boundary"))
    for grants in (bare, POLICIES["production"]):
        passed = {one for grant in grants if "iam:PassRole" in grant.actions for one in grant.resources}
        assert passed <= {f"arn:aws:iam::{ACCOUNT}:role/holdfast/worker/*"}
    named = {one for grant in POLICIES["appliance"] if grant.name == "GiveRoles" for one in grant.resources}
    assert named == {f"arn:aws:iam::{ACCOUNT}:role/shop"}


def test_no_block_is_read_by_an_appliance_that_nobody_let():
    bare = appliance_grants(ApplianceScope("aws", ACCOUNT, KEY, EVENTS, "boundary"))
    assert not [action for action in actions_of(bare) if action.startswith("ebs:")]


def test_who_locks_is_bounded_and_shortens_nothing():
    plain = worker_backup_grants(WORKER, SnapshotsToRead("a" * 32, ("7" * 32,)))
    (lock,) = [grant for grant in POLICIES["backup worker"] if "s3:PutObjectRetention" in grant.actions]
    assert not [grant for grant in plain if "s3:PutObjectRetention" in grant.actions]
    assert lock.resources == (WORKER.objects("packs/*"),)
    assert lock.conditions == {"NumericLessThanEquals": {"s3:object-lock-remaining-retention-days": "40"}}
    for grants in POLICIES.values():
        assert not {"s3:BypassGovernanceRetention", "s3:PutBucketObjectLockConfiguration"} & set(actions_of(grants))


def test_a_copy_worker_writes_nothing_into_what_it_reads_but_signs_of_life():
    of_source = {
        (action, one)
        for grant in POLICIES["copy worker"]
        for action in grant.actions
        for one in grant.resources
        if ":source/" in one
    }
    assert of_source == {
        ("s3:GetObject", "arn:aws:s3:::source/standard/packs/*"),
        ("s3:GetObject", "arn:aws:s3:::source/standard/index/*"),
        ("s3:GetObjectVersion", "arn:aws:s3:::source/standard/packs/*"),
        ("s3:GetObjectVersion", "arn:aws:s3:::source/standard/index/*"),
        ("s3:PutObject", f"arn:aws:s3:::source/standard/sessions/{'5' * 32}/alive-*"),
    }
    writes = [grant for grant in POLICIES["copy worker"] if "s3:PutObject" in grant.actions]
    assert all("s3:if-none-match" in grant.conditions["Null"] for grant in writes)
    assert not [action for action in actions_of(POLICIES["copy worker"]) if action.startswith(("ebs:", "ec2:"))]


def test_the_appliance_alone_retrieves_and_only_packs_of_archives():
    asking = {name for name, grants in POLICIES.items() if "s3:RestoreObject" in actions_of(grants)}
    assert asking == {"appliance"}
    (grant,) = (one for one in POLICIES["appliance"] if "s3:RestoreObject" in one.actions)
    assert grant.resources == ("arn:aws:s3:::shop/holdfast/packs/*",)
    assert retrieval_grants("aws", (RepositoryPlace("cold", archive=True),))[0].resources == (
        "arn:aws:s3:::cold/packs/*",
    )
    standard = repository_grants("aws", (RepositoryPlace("warm"), RepositoryPlace("cold", archive=True)))
    assert not [
        one for grant in standard for one in grant.resources if "warm" in one and "s3:RestoreObject" in grant.actions
    ]


def test_repositories_at_the_top_of_a_bucket():
    whole, listing = repository_grants("aws", (RepositoryPlace("shop"),))
    assert whole.resources == ("arn:aws:s3:::shop/*",)
    assert listing.conditions == {"StringLikeIfExists": {"s3:prefix": ("*",)}}


def test_another_account_trusts_one_role_with_its_external_id():
    (statement,) = trusts_role("arn:aws:iam::1:role/appliance", "secret")["Statement"]
    assert statement["Condition"] == {"StringEquals": {"sts:ExternalId": "secret"}}


def test_nothing_that_stands_becomes_ours_by_a_tag():
    """What may be terminated or deleted is told by the tag of the appliance, which is given at birth alone."""
    for name in ("appliance", "production"):
        for grant in POLICIES[name]:
            if "ec2:CreateTags" in grant.actions and not grant.denies and grant.name != "StartSnapshots":
                born = "ec2:CreateAction" in grant.conditions.get("StringEquals", {})
                ours = "aws:ResourceTag/holdfast:appliance" in grant.conditions.get("Null", {})
                kept_out = grant.conditions.get("Null", {}).get("aws:RequestTag/holdfast:appliance") == "true"
                assert born or ours or kept_out, grant.name


@pytest.mark.parametrize("name", ["restore worker", "boundary", "appliance"])
def test_who_writes_encrypted_snapshots_may_all_that_ebs_asks_for(name):
    """ "Control access to EBS direct APIs using IAM" in the EBS user guide, with `kms:ReEncrypt*` spelled out."""
    of_key = {action for grant in POLICIES[name] for action in grant.actions if {KEY, ANY_KEY} & set(grant.resources)}
    assert of_key >= {
        "kms:CreateGrant",
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
    }


@pytest.mark.parametrize("name", ["appliance", "backup worker", "copy worker", "restore worker", "verify worker"])
def test_who_reads_and_writes_repositories_may_use_the_keys_of_their_buckets_through_s3_alone(name):
    (grant,) = (one for one in POLICIES[name] if BUCKET_KEY in one.resources)
    assert grant.actions == ("kms:Decrypt", "kms:GenerateDataKey")
    assert grant.conditions == {"StringEquals": {"kms:ViaService": ("s3.eu-north-1.amazonaws.com",)}}
    assert not repository_key_grants(())


def test_a_server_uses_the_key_of_its_appliances_disks_where_it_is_named():
    """ "Requirements for Amazon EBS encryption": whoever launches an instance with an encrypted disk."""
    of_key = {action for grant in POLICIES["server, appliances"] for action in grant.actions if KEY in grant.resources}
    assert of_key == {
        "kms:CreateGrant",
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
    }
    bare = deployment_grants(ServerScope("aws", ACCOUNT, "eu-west-1"))
    assert not [action for action in actions_of(bare) if action.startswith("kms:")]


@pytest.mark.parametrize(("name", "boundary"), [("restore worker", "boundary"), ("appliance", None)])
def test_snapshots_bear_our_tags_from_their_start_or_never(name, boundary):
    """What EBS asks EC2 for on behalf of StartSnapshot is not documented: each way in which AWS's services do it is
    granted, and no tag by hand.
    """
    limits = None if boundary is None else (parse(as_text(POLICIES[boundary])),)
    permissions = Permissions((parse(as_text(POLICIES[name])),), limits)
    someone = Principal("session", ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/r/i", "u", "r", "r")
    by_hand = {f"aws:requesttag/{key}": (value,) for key, value in OWNER.tags().items()}
    by_hand["aws:viaawsservice"] = ("false",)

    def may(snapshot, **context):
        asked = by_hand | {f"{key.replace('_', ':')}": (value,) for key, value in context.items()}
        demand = Demand("ec2:CreateTags", f"arn:aws:ec2:eu-west-1::snapshot/{snapshot}", asked)
        return authorize(someone, permissions, demand).allowed

    assert may("*")
    assert may("*", ec2_createaction="StartSnapshot")
    assert may("snap-0", ec2_createaction="StartSnapshot")
    assert may("snap-0", aws_viaawsservice="true")
    assert not may("snap-0")
    del by_hand["aws:viaawsservice"]
    assert not may("snap-0")
