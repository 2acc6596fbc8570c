"""Where moto's IAM and STS are taught what enforcement needs to know.

Managed policies of AWS are there when they are named (moto would load all 1,400 into every account, or none); keys that
were deleted are remembered, so that they do not count as unknown ones; sessions know their policies and their end.
"""

import json
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar

from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.exceptions import NotFoundException
from moto.iam.models import AWSManagedPolicy, IAMBackend, ManagedPolicy, iam_backends
from moto.iam.policy_validation import SERVICE_TYPE_REGION_INFORMATION_ERROR_ASSOCIATIONS
from moto.sts.exceptions import STSValidationError
from moto.sts.models import AssumedRole, STSBackend, sts_backends

MIN_SESSION_SECONDS = 900
DEFAULT_MAX_SESSION_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What moto drops of an AssumeRole: managed session policies, the session's tags, and whether a session asks."""

    policy_arns: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    chained: bool = False


# None outside of a request: the lab itself issues credentials to instances, for as long as it likes.
SESSION_REQUEST: ContextVar[SessionRequest | None] = ContextVar("SESSION_REQUEST", default=None)


class LabIAMBackend(IAMBackend):
    """moto's IAM in one account."""

    retired_keys: ClassVar[set[str]] = set()

    def delete_access_key_by_name(self, name: str) -> None:
        """Delete an access key, and remember that it was one."""
        super().delete_access_key_by_name(name)
        self.retired_keys.add(name)

    def attach_role_policy(self, policy_arn: str, role_name: str) -> None:
        """Attach a managed policy to a role."""
        self.find_managed(policy_arn)
        super().attach_role_policy(policy_arn, role_name)

    def attach_user_policy(self, policy_arn: str, user_name: str) -> None:
        """Attach a managed policy to a user."""
        self.find_managed(policy_arn)
        super().attach_user_policy(policy_arn, user_name)

    def attach_group_policy(self, policy_arn: str, group_name: str) -> None:
        """Attach a managed policy to a group."""
        self.find_managed(policy_arn)
        super().attach_group_policy(policy_arn, group_name)

    def remove_role_from_instance_profile(self, profile_name: str, role_name: str) -> None:
        """Take a role out of an instance profile. Of one that is not in it AWS says that it does not exist."""
        profile = self.get_instance_profile(profile_name)
        if self.get_role(role_name) not in profile.roles:
            raise NotFoundException(f"Instance profile {profile_name} has no role {role_name}.")
        super().remove_role_from_instance_profile(profile_name, role_name)

    def get_policy(self, policy_arn: str) -> ManagedPolicy:
        """A managed policy."""
        self.find_managed(policy_arn)
        return super().get_policy(policy_arn)

    def find_managed(self, policy_arn: str) -> ManagedPolicy | None:
        """The account's or AWS's managed policy of this ARN."""
        if policy_arn not in self.managed_policies and ":iam::aws:policy/" in policy_arn:
            path, _, name = policy_arn.partition(":policy")[2].rpartition("/")
            data = _managed_by_aws().get(name)
            if data is not None and data.get("Path", "/") == f"{path}/":
                made = AWSManagedPolicy.from_data(name, self.account_id, self.region_name, data)
                self.managed_policies[policy_arn] = made
        found: ManagedPolicy | None = self.managed_policies.get(policy_arn)
        return found


@lru_cache(1)
def _managed_by_aws() -> dict[str, dict[str, Any]]:
    data: dict[str, dict[str, Any]] = json.loads(aws_managed_policies_data)
    return data


class LabSTSBackend(STSBackend):
    """moto's STS in one account, with sessions that end by the lab's clock."""

    now: ClassVar[Callable[[], float]]
    sessions: ClassVar[dict[str, AssumedRole]] = {}

    def assume_role(self, *arguments: Any, **options: Any) -> AssumedRole:
        """Issue credentials of a role."""
        asked = SESSION_REQUEST.get()
        if asked is not None:
            _check_session(options["role_arn"], options["duration"], asked.chained)
        role: Any = super().assume_role(*arguments, **options)
        lasts = role.expiration - _utc_now()
        role.expiration = _datetime(type(self).now()) + timedelta(seconds=round(lasts.total_seconds()))
        role.policy_arns = asked.policy_arns if asked else ()
        role.session_tags = asked.tags if asked else ()
        self.sessions[role.access_key_id] = role
        return role  # type: ignore[no-any-return]

    def get_caller_identity(self, access_key_id: str, region: str) -> tuple[str, str, str]:
        """Who asks; the account's root where the key is not one that the lab has issued."""
        user_id, arn, account_id = super().get_caller_identity(access_key_id, region)
        if arn.endswith(":user/moto"):
            return account_id, f"arn:{self.partition}:iam::{account_id}:root", account_id
        return user_id, arn, account_id


def _check_session(role_arn: str, seconds: int, chained: bool) -> None:
    """STSValidationError where a session would last longer than the role allows, or than a chained one may."""
    _, partition, _, _, account, _ = role_arn.split(":", 5)
    role = iam_backends[account][partition].get_role_by_arn(role_arn)
    if seconds < MIN_SESSION_SECONDS:
        raise STSValidationError(f"Value '{seconds}' at 'durationSeconds' must be at least {MIN_SESSION_SECONDS}")
    if chained and seconds > DEFAULT_MAX_SESSION_SECONDS:
        raise STSValidationError(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    if seconds > int(role.max_session_duration or DEFAULT_MAX_SESSION_SECONDS):
        raise STSValidationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")


# moto finds the URLs of a backend next to the module that its class says it is from.
LabIAMBackend.__module__ = "moto.iam.models"
LabSTSBackend.__module__ = "moto.sts.models"


def install(now: Callable[[], float]) -> None:
    """From now on, moto builds its IAM and STS from these. To be called before either is first used."""
    LabSTSBackend.now = staticmethod(now)
    LabSTSBackend.sessions.clear()
    LabIAMBackend.retired_keys.clear()
    for backends, kind in ((iam_backends, LabIAMBackend), (sts_backends, LabSTSBackend)):
        backends.clear()
        backends.backend = kind
    # Of what S3 has, jobs have a region in their ARN, too (Service Authorization Reference, "Resource types").
    SERVICE_TYPE_REGION_INFORMATION_ERROR_ASSOCIATIONS["s3"]["valid_starting_values"] = ["accesspoint/", "job/"]


def _utc_now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _datetime(seconds: float) -> datetime:
    """moto's times have no zone and mean UTC."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
