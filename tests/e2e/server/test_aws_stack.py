"""The plug-in's stack in the lab: made, looked at, brought up to date, removed; and nothing left of one that failed."""

import json

import pytest

from holdfast.domain.errors import (
    ConflictError,
    HoldfastError,
    PermissionDeniedError,
    QuotaReachedError,
    UnavailableError,
    UsageError,
)
from holdfast_aws.settings import Settings

NAME = "holdfast-5e5e5e5e5e5e"
BUCKET = f"{NAME}-123456789012-eu-west-1"


@pytest.fixture
def installed(world):
    world.settings = dict(world.plugin.install(world.context()).settings)
    yield world
    world.trouble.clear()
    world.plugin.uninstall(world.context())


def test_it_makes_one_stack_and_takes_all_of_it_away(installed, census, client):
    things = {thing.kind: thing for thing in installed.plugin.things(installed.context())}
    assert things["stack"].name == NAME
    assert all(thing.healthy for thing in things.values())
    assert {"bucket", "KMS key", "queue", "role", "permissions boundary", "appliance's bundle"} <= set(things)
    found = census()
    assert set(found) == {"buckets", "roles", "instance_profiles", "queues"}
    s3 = client("s3")
    assert s3.get_public_access_block(Bucket=BUCKET)["PublicAccessBlockConfiguration"]["RestrictPublicBuckets"]
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    assert s3.get_bucket_encryption(Bucket=BUCKET)["ServerSideEncryptionConfiguration"]["Rules"]
    assert [(row.kind, row.object_id) for row in installed.ledger.open_rows()] == [("stack", NAME)]
    installed.plugin.uninstall(installed.context())
    assert census() == {}
    assert installed.ledger.open_rows() == []
    assert not installed.plugin.things(installed.context())[0].healthy


def test_again_changes_nothing_and_options_stay(installed):
    installed.calls.clear()
    again = installed.plugin.install(installed.context("b2" * 16, repositories="backups/north"))
    assert again.settings == {**installed.settings, "repositories": "backups/north"}
    assert "CreateStack" not in installed.calls
    assert "PutObject" not in installed.calls
    installed.settings = dict(again.settings)
    assert installed.plugin.install(installed.context("b3" * 16)).settings == again.settings


def test_a_repository_that_is_named_is_in_the_role(installed, client):
    installed.plugin.install(installed.context("b2" * 16, repositories="backups/north, other"))
    iam = client("iam")
    role = next(one for one in iam.list_roles(PathPrefix="/holdfast/")["Roles"] if "ApplianceRole" in one["RoleName"])
    policy = iam.get_role_policy(RoleName=role["RoleName"], PolicyName="appliance")["PolicyDocument"]
    statement = next(one for one in policy["Statement"] if one["Sid"] == "Repositories")
    assert statement["Resource"] == ["arn:aws:s3:::backups/north/*", "arn:aws:s3:::other/*"]
    assert "${" not in json.dumps(policy).replace("${aws:", "")


def test_an_appliance_is_told_what_the_stack_has(installed):
    told = Settings.of(installed.settings).for_appliance()
    assert (told.stack, told.region, told.bundle_bucket) == (NAME, "eu-west-1", BUCKET)
    assert told.bundles["x86_64"]["key"].startswith("bundles/0.1.0/worker-x86_64-cp311-")


def test_another_region_is_refused(installed):
    with pytest.raises(ConflictError, match="eu-west-1"):
        installed.plugin.install(installed.context(region="us-east-1"))


@pytest.mark.parametrize("options", [{"colour": "red"}, {"repositories": "*"}, {"roles": "arn:aws:iam::1:role/*"}])
def test_options_that_cannot_be_meant(world, census, options):
    with pytest.raises(UsageError):
        world.plugin.install(world.context(**options))
    assert census() == {}


@pytest.mark.parametrize("operation", ["GetCallerIdentity", "CreateStack", "DescribeStacks", "HeadObject", "PutObject"])
@pytest.mark.parametrize("kind", [PermissionDeniedError, UnavailableError])
def test_wherever_it_fails_nothing_is_left(world, census, operation, kind):
    world.trouble[operation] = kind(f"{operation} was refused", why="AccessDenied", cure=f"allow {operation}")
    failures = {"DescribeStacks": 1}

    class Once(dict):
        """A call that looks again, to clean, is answered."""

        def __contains__(self, name):
            if not super().__contains__(name):
                return False
            failures[name] = failures.get(name, 1) - 1
            return failures[name] >= 0

    world.trouble = Once(world.trouble)
    with pytest.raises(kind) as refused:
        world.plugin.install(world.context())
    nobody_answers = (operation, kind) == ("GetCallerIdentity", UnavailableError)
    assert ("region's name" if nobody_answers else f"allow {operation}") in refused.value.cure
    made = any("bundle" in line for line in world.said)
    assert made == (operation not in ("GetCallerIdentity", "DescribeStacks")), "what AWS refuses is known first"
    assert census() == {}
    assert world.ledger.open_rows() == []


def test_what_stands_in_the_way_is_named_and_the_rest_removed(world, census, client):
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    before = census()
    with pytest.raises(HoldfastError) as refused:
        world.plugin.install(world.context())
    assert NAME in refused.value.what
    assert "AWS::S3::Bucket" in refused.value.why
    assert census() == before
    s3.delete_bucket(Bucket=BUCKET)


def test_a_cancelled_installation_leaves_nothing(world, census):
    world.cancel.set()
    with pytest.raises(HoldfastError, match="cancelled"):
        world.plugin.install(world.context())
    assert census() == {}


def test_an_installation_that_was_cut_short_is_cleaned(world, census):
    """As after kill -9: the stack is there, its session has no end."""
    world.plugin.install(world.context())
    world.settings = {}
    world.plugin.clean("a1" * 16, world.context())
    assert census() == {}
    assert world.ledger.open_rows() == []
    world.plugin.clean("a1" * 16, world.context())


def test_a_stack_that_stands_is_not_what_a_refused_installation_has_left(world, census):
    """What an installation was refused is made by the next one: nothing may remove it as left by the first."""
    world.trouble["CreateStack"] = PermissionDeniedError("no", why="AccessDenied", cure="allow it")
    with pytest.raises(PermissionDeniedError):
        world.plugin.install(world.context())
    world.trouble.clear()
    world.settings = dict(world.plugin.install(world.context("b2" * 16)).settings)
    standing = census()
    world.plugin.clean("a1" * 16, world.context())
    assert census() == standing
    assert world.plugin.things(world.context())[0].healthy
    world.plugin.uninstall(world.context())
    assert (census(), world.ledger.open_rows()) == ({}, [])


def test_quotas_are_said_as_such(world):
    world.trouble["CreateStack"] = QuotaReachedError("no more stacks", why="LimitExceededException", cure="raise it")
    with pytest.raises(QuotaReachedError):
        world.plugin.install(world.context())
