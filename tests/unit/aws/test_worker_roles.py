"""A worker's role and profile, where IAM does not know yet what it has just made."""

import pytest

from holdfast.aws.clients import NEW_THINGS_POLICY
from holdfast.aws.worker_roles import WorkerRoles
from holdfast.domain.errors import PermissionDeniedError, UnavailableError
from holdfast.signed_http.aws_answers import Refusal
from tests.unit.aws.recorded_ec2 import Answer, RecordedEc2
from tests.unit.sleeping_clock import SleepingClock

UNKNOWN = Refusal(404, "NoSuchEntity", "The role with name one cannot be found.")
EXISTS = Refusal(409, "EntityAlreadyExists", "Role with name one already exists.")
DENIED = Refusal(403, "AccessDenied", "you are not authorized to perform: it on resource: role one")
APPLIANCE = "a" * 32
PATH = f"/holdfast/worker/{APPLIANCE}/"
KNOWN = {
    "ListRoles": [{"Roles": [{"RoleName": "one", "Path": PATH}]}],
    "ListInstanceProfiles": [{"InstanceProfiles": [{"InstanceProfileName": "one", "Path": PATH}]}],
}
MADE: dict[str, list[Answer]] = {
    "CreateRole": [{"Role": {"RoleId": "AROA1"}}],
    "GetRole": [{"Role": {"RoleId": "AROA1"}}],
    "PutRolePolicy": [{}],
    "CreateInstanceProfile": [{"InstanceProfile": {}}],
    "GetInstanceProfile": [{"InstanceProfile": {}}],
    "AddRoleToInstanceProfile": [{}],
}


def created(clock, **answers):
    iam = RecordedEc2({operation: list(given) for operation, given in (MADE | answers).items()})
    iam._waiting = clock.waiting()
    return WorkerRoles(iam, APPLIANCE).create("one", "{}", "arn:b", {}), iam


@pytest.mark.parametrize(
    ("operation", "before"),
    [
        ("PutRolePolicy", {}),
        ("AddRoleToInstanceProfile", {}),
        ("GetRole", {"CreateRole": [EXISTS]}),
        ("GetInstanceProfile", {"CreateInstanceProfile": [EXISTS]}),
    ],
)
def test_what_iam_does_not_know_yet_is_asked_for_again(operation, before):
    clock = SleepingClock()
    role_id, iam = created(clock, **before, **{operation: [UNKNOWN, UNKNOWN, *MADE[operation]]})
    assert role_id == "AROA1"
    assert iam.operations(operation) == [operation] * 3
    assert clock.seconds > 0
    with pytest.raises(UnavailableError, match=operation):
        created(clock, **before, **{operation: [UNKNOWN]})
    assert 60 < clock.seconds < 2 * NEW_THINGS_POLICY.total_seconds


@pytest.mark.parametrize(
    ("operation", "unknown"),
    [
        ("PutRolePolicy", {"ListRoles": [{"Roles": []}]}),
        ("AddRoleToInstanceProfile", {"ListRoles": [{"Roles": []}]}),
        ("AddRoleToInstanceProfile", {"ListInstanceProfiles": [{"InstanceProfiles": []}]}),
    ],
)
def test_what_iam_denies_as_it_does_not_know_its_path_is_asked_for_again(operation, unknown):
    """The appliance's policy speaks of the path."""
    clock = SleepingClock()
    role_id, iam = created(clock, **KNOWN | unknown, **{operation: [DENIED, {}]})
    assert role_id == "AROA1"
    assert iam.operations(operation) == [operation] * 2
    assert clock.seconds > 0


@pytest.mark.parametrize("operation", ["PutRolePolicy", "AddRoleToInstanceProfile"])
def test_any_other_refusal_is_told_at_once(operation):
    clock = SleepingClock()
    with pytest.raises(PermissionDeniedError, match=operation):
        created(clock, **KNOWN, **{operation: [DENIED]})
    assert clock.seconds == 0
