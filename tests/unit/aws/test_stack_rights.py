"""What a person names for appliances, and what the policy that says so takes."""

import json

import pytest

from holdfast.aws.deployment.policies import rights_of, stack_plan
from holdfast.domain.errors import UsageError

SERVER = "5e" * 16
ROLE = "arn:aws:iam::123456789012:role/shop"
KEY = f"arn:aws:kms:eu-central-1:123456789012:key/{'1' * 36}"
BUCKET_KEY = f"arn:aws:kms:eu-central-1:123456789012:key/{'2' * 36}"
OPTIONS = {
    "repositories": "backups-of-the-shop/main",
    "roles": "arn:aws:iam::210987654321:role/backup",
    "instance-roles": f"{ROLE}, arn:aws:iam::123456789012:role/web/*",
    "volume-keys": KEY,
    "repository-keys": BUCKET_KEY,
    "local-workers": "yes",
}


def statements(**options):
    plan = stack_plan(SERVER, rights_of(options), "eu-central-1")
    return {one["Sid"]: one for one in plan.appliance_policy["Statement"]}


def test_nothing_is_given_that_nobody_named():
    bare = statements()
    assert not bare.keys() & {
        "GiveRoles",
        "VolumeKeys",
        "LendVolumeKeys",
        "RepositoryKeys",
        "Blocks",
        "OtherAccounts",
        "Repositories",
    }
    passed = [one["Resource"] for one in bare.values() if "iam:PassRole" in one["Action"]]
    assert all(":role/holdfast/worker/*" in resource for (resource,) in passed)


def test_each_option_gives_what_it_says():
    given = statements(**OPTIONS)
    assert given["GiveRoles"]["Resource"] == [ROLE, "arn:aws:iam::123456789012:role/web/*"]
    assert given["GiveRoles"]["Condition"] == {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    assert given["VolumeKeys"]["Resource"] == [KEY]
    assert given["RepositoryKeys"]["Resource"] == [BUCKET_KEY]
    assert "kms:Encrypt" in given["VolumeKeys"]["Action"]
    assert "kms:Encrypt" not in statements(**{"volume-keys": KEY})["VolumeKeys"]["Action"]
    assert given["Blocks"]["Condition"] == {"Null": {"aws:ResourceTag/holdfast:appliance": "false"}}


def test_a_repository_says_by_its_options_what_else_is_done_in_it():
    given = statements(repositories="plain,cold/deep?archive,kept?immutable,both?archive&immutable")
    retrieved, locked = given["RetrieveArchives"]["Resource"], given["LockRepositories"]["Resource"]
    assert [one.rpartition(":")[2] for one in retrieved] == ["cold/deep/packs/*", "both/packs/*"]
    assert [one.rpartition(":")[2] for one in locked] == ["kept/*", "both/*"]
    assert "RetrieveArchives" not in statements(repositories="plain")


def test_more_than_iam_takes_is_refused_before_anything_is_made():
    many = ",".join(f"{ROLE}-{number}" for number in range(60))
    with pytest.raises(UsageError, match="too long") as error:
        stack_plan(SERVER, rights_of({"instance-roles": many}), "eu-central-1")
    assert "10240" in error.value.why
    assert len(json.dumps(statements(**{"instance-roles": f"{ROLE}*"}))) < 10_240


@pytest.mark.parametrize(
    "options",
    [
        {"instance-roles": "arn:aws:iam::123456789012:role/*/shop"},
        {"instance-roles": "shop"},
        {"instance-roles": "arn:aws:iam::123456789012:user/shop"},
        {"volume-keys": "alias/shop"},
        {"volume-keys": "arn:aws:kms:eu-central-1:123456789012:key/*"},
        {"repository-keys": "alias/aws/s3"},
        {"local-workers": "perhaps"},
    ],
)
def test_what_names_nothing_of_the_kind_is_refused(options):
    with pytest.raises(UsageError):
        statements(**options)
