"""AWS's evaluation logic: who is allowed what by which kind of policy, within an account and across two."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.lab.access.evaluator import Demand, Effect, Permissions, Principal, ResourceRule, authorize
from holdfast.lab.access.policy import MalformedPolicyError, Policy, parse, read

HERE, THERE = "111111111111", "222222222222"
BUCKET = "arn:aws:s3:::b"
USER = Principal("user", HERE, f"arn:aws:iam::{HERE}:user/ann", "AIDA1", "ann")
ROLE_ARN = f"arn:aws:iam::{HERE}:role/reader"
SESSION = Principal("session", HERE, f"arn:aws:sts::{HERE}:assumed-role/reader/s", "AROA1:s", "reader", ROLE_ARN)
ROOT = Principal("root", HERE, f"arn:aws:iam::{HERE}:root", HERE, "root")


def policy(*statements) -> Policy:
    return parse(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


def allow(action="s3:GetObject", resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action="s3:GetObject", resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def ask(principal=USER, identity=(), *, boundary=None, session=None, rule=None, **facts):
    demand = Demand(
        facts.get("action", "s3:GetObject"), facts.get("resource", f"{BUCKET}/k"), facts.get("context", {}),
        rule, facts.get("granted", False),
    )  # fmt: skip
    permissions = Permissions(
        (policy(*identity),),
        (policy(*boundary),) if boundary is not None else None,
        (policy(*session),) if session is not None else None,
    )
    return authorize(principal, permissions, demand)


def rule(account, *statements, alone=False):
    return ResourceRule(account, policy(*statements) if statements else None, alone)


def test_nothing_is_allowed_that_no_policy_allows():
    verdict = ask()
    assert verdict.effect is Effect.IMPLICIT_DENY
    assert verdict.reason == "because no identity-based policy allows the s3:GetObject action"


@pytest.mark.parametrize(
    ("action", "resource", "expected"),
    [
        ("s3:GetObject", f"{BUCKET}/*", True),
        ("S3:getobject", f"{BUCKET}/*", True),
        ("s3:Get*", f"{BUCKET}/?", True),
        ("*", "*", True),
        (["ec2:*", "s3:GetObject"], ["arn:aws:s3:::a/*", f"{BUCKET}/k"], True),
        ("s3:PutObject", f"{BUCKET}/*", False),
        ("s3:GetObject", BUCKET, False),
        ("s3:GetObject", f"{BUCKET}/K", False),
        ("s3:Get", "*", False),
        ("ec2:*", "*", False),
    ],
)
def test_actions_and_resources(action, resource, expected):
    assert ask(identity=[allow(action, resource)]).allowed is expected


def test_not_action_and_not_resource():
    assert ask(identity=[{"Effect": "Allow", "NotAction": "ec2:*", "Resource": "*"}]).allowed
    assert not ask(identity=[{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}]).allowed
    assert ask(identity=[{"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::other/*"}]).allowed
    assert not ask(identity=[{"Effect": "Allow", "Action": "s3:*", "NotResource": f"{BUCKET}/*"}]).allowed


def test_explicit_deny_wins_wherever_it_stands():
    verdict = ask(identity=[allow(), deny()])
    assert verdict.effect is Effect.EXPLICIT_DENY
    assert verdict.reason == "with an explicit deny in an identity-based policy"
    assert ask(identity=[deny(), allow()]).effect is Effect.EXPLICIT_DENY
    assert ask(identity=[allow()], boundary=[allow(), deny()]).effect is Effect.EXPLICIT_DENY
    assert ask(identity=[allow()], session=[allow(), deny()]).effect is Effect.EXPLICIT_DENY
    refusing = rule(HERE, deny(Principal="*"))
    assert ask(identity=[allow()], rule=refusing).reason == "with an explicit deny in a resource-based policy"
    assert ask(ROOT, rule=refusing).effect is Effect.EXPLICIT_DENY
    assert ask(identity=[deny()], granted=True).effect is Effect.EXPLICIT_DENY


def test_deny_whose_condition_does_not_hold_denies_nothing():
    insecure = deny(Condition={"Bool": {"aws:SecureTransport": "false"}})
    assert ask(identity=[allow(), insecure], context={"aws:securetransport": ("true",)}).allowed
    assert not ask(identity=[allow(), insecure], context={"aws:securetransport": ("false",)}).allowed


def test_boundary_and_session_policy_give_nothing_and_limit_everything():
    assert not ask(boundary=[allow()]).allowed
    assert not ask(SESSION, session=[allow()]).allowed
    assert ask(SESSION, [allow()], boundary=[allow("s3:*")], session=[allow("s3:Get*")]).allowed
    verdict = ask(SESSION, [allow()], boundary=[allow("ec2:*")])
    assert verdict.reason == "because no permissions boundary allows the s3:GetObject action"
    verdict = ask(SESSION, [allow()], session=[])
    assert verdict.reason == "because no session policy allows the s3:GetObject action"


def test_root_may_everything_in_its_account_and_nothing_elsewhere():
    assert ask(ROOT).allowed
    assert ask(ROOT, rule=rule(HERE)).allowed
    assert not ask(ROOT, rule=rule(THERE)).allowed
    assert ask(ROOT, rule=rule(THERE, allow(Principal={"AWS": HERE}))).allowed


@pytest.mark.parametrize("named", [USER.arn, "*", [ROLE_ARN, USER.arn]])
def test_resource_of_ones_account_may_allow_alone(named):
    assert ask(rule=rule(HERE, allow(Principal={"AWS": named}))).allowed


def test_account_named_by_its_own_resource_leaves_it_to_identity_policies():
    shared = rule(HERE, allow(Principal={"AWS": f"arn:aws:iam::{HERE}:root"}))
    assert not ask(rule=shared).allowed
    assert ask(identity=[allow()], rule=shared).allowed


def test_session_is_limited_where_its_role_is_named_and_not_where_itself_is():
    by_role, by_session = (rule(HERE, allow(Principal={"AWS": arn})) for arn in (ROLE_ARN, SESSION.arn))
    assert ask(SESSION, rule=by_role).allowed
    assert not ask(SESSION, rule=by_role, session=[]).allowed
    assert ask(SESSION, rule=by_session, session=[]).allowed


@pytest.mark.parametrize("named", [HERE, f"arn:aws:iam::{HERE}:root", USER.arn, "*"])
def test_across_accounts_both_sides_have_to_allow(named):
    shared = rule(THERE, allow(Principal={"AWS": named}))
    assert not ask(rule=shared).allowed
    assert ask(identity=[allow()], rule=shared).allowed
    assert not ask(identity=[allow()], rule=shared, boundary=[]).allowed
    verdict = ask(identity=[allow()], rule=rule(THERE))
    assert verdict.reason == "because no resource-based policy allows the s3:GetObject action"


def test_key_or_role_decides_alone():
    key = rule(HERE, allow(Principal={"AWS": f"arn:aws:iam::{HERE}:root"}), alone=True)
    assert ask(identity=[allow()], rule=key).allowed
    assert not ask(rule=key).allowed
    shut = rule(HERE, allow(Principal={"AWS": f"arn:aws:iam::{HERE}:role/other"}), alone=True)
    assert not ask(identity=[allow()], rule=shut).allowed
    assert not ask(ROOT, rule=shut).allowed
    assert ask(rule=rule(HERE, allow(Principal={"AWS": USER.arn}), alone=True)).allowed
    assert ask(rule=shut, granted=True).allowed


def test_principals_of_services_and_others_are_not_meant():
    assert not ask(rule=rule(HERE, allow(Principal={"Service": "ec2.amazonaws.com"}))).allowed
    assert not ask(rule=rule(HERE, allow(Principal={"AWS": f"arn:aws:iam::{THERE}:root"}))).allowed
    everybody_else = rule(HERE, {"Effect": "Deny", "NotPrincipal": {"AWS": USER.arn}, "Action": "*", "Resource": "*"})
    assert ask(identity=[allow()], rule=everybody_else).allowed
    assert not ask(SESSION, [allow()], rule=everybody_else).allowed


def test_variables_in_resources():
    own = [allow(resource=f"{BUCKET}/${{aws:username}}/*")]
    facts: dict[str, Any] = {"resource": f"{BUCKET}/ann/x", "context": {"aws:username": ("ann",)}}
    assert ask(identity=own, **facts).allowed
    assert not ask(identity=own, **{**facts, "context": {"aws:username": ("bob",)}}).allowed
    assert not ask(identity=own, resource=f"{BUCKET}/ann/x").allowed
    old = parse(json.dumps({"Version": "2008-10-17", "Statement": own}))
    demand = Demand("s3:GetObject", f"{BUCKET}/ann/x", facts["context"])
    assert not authorize(USER, Permissions((old,)), demand).allowed


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "1", "{}", '{"Statement": [{}]}',
        '{"Statement": [{"Effect": "Maybe", "Action": "*", "Resource": "*"}]}',
        '{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Sounds": {"a": "b"}}}]}',
    ],
)  # fmt: skip
def test_what_is_no_policy(text):
    with pytest.raises(MalformedPolicyError):
        parse(text)
    assert read(text) is None


def test_policies_are_read_as_services_keep_them():
    document = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    text = json.dumps(document)
    assert read(document) == read(text) == read(text.encode()) == parse(text)
    assert read(None) is None


@given(st.text(alphabet="ab*?.[]|(){}^$\\", max_size=8), st.text(alphabet="ab*?.[]|", max_size=8))
def test_patterns_are_text_and_two_wildcards(pattern, value):
    assert ask(identity=[allow(resource=pattern)], resource=value).allowed is _fits(pattern, value)


def _fits(pattern, value):
    if "${" in pattern:
        return False
    if not pattern:
        return not value
    if pattern[0] == "*":
        return any(_fits(pattern[1:], value[start:]) for start in range(len(value) + 1))
    return bool(value) and pattern[0] in ("?", value[0]) and _fits(pattern[1:], value[1:])
