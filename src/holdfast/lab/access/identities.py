"""Whose key a request is signed with, and which policies that principal has: looked up in moto's IAM and STS.

A key that the lab has not issued is the root user's: of the account whose number it is, or of the default account.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from functools import lru_cache
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends
from moto.utilities.utils import PARTITION_NAMES

from holdfast.lab.access.evaluator import Permissions, Principal
from holdfast.lab.access.iam_hooks import LabIAMBackend, LabSTSBackend
from holdfast.lab.access.policy import MalformedPolicyError, Policy, parse
from holdfast.lab.access.settling import Settling

_ACCOUNT = re.compile(r"[0-9]{12}")
# Temporary keys are only ever issued; one that nobody knows is none.
_TEMPORARY = "ASIA"


@dataclass(frozen=True, slots=True)
class RoleState:
    """What of a role decides: its trust, its policies, and its boundary."""

    id: str
    trust: str
    policies: tuple[str, ...]
    boundary: str | None


@dataclass(frozen=True, slots=True)
class Caller:
    """The principal behind a request. `secret` is None for the root user, whose signature nobody can check."""

    principal: Principal
    permissions: Permissions = field(default_factory=Permissions)
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    secret: str | None = None
    token: str | None = None
    expires_at: float | None = None


class NoSuchKeyError(Exception):
    """The access key was deleted or disabled, or is a temporary one that was never issued."""


class Identities:
    """Principals by access key, and roles and instance profiles as far as their changes are effective."""

    def __init__(self, settling: Settling) -> None:
        self._settling = settling

    def caller(self, access_key: str) -> Caller:
        """Who holds the key. NoSuchKeyError where nobody may."""
        backend, key = _issued(access_key)
        if key is None:
            if access_key.startswith(_TEMPORARY) or access_key in LabIAMBackend.retired_keys:
                raise NoSuchKeyError(access_key)
            account = access_key if _ACCOUNT.fullmatch(access_key) else DEFAULT_ACCOUNT_ID
            return root(account)
        if key.status != "Active":
            raise NoSuchKeyError(access_key)
        if key.user_name is not None:
            user = backend.users.get(key.user_name)
            if user is None:
                raise NoSuchKeyError(access_key)
            return self._user(backend, user, key.secret_access_key)
        session = LabSTSBackend.sessions.get(access_key)
        if session is None:
            raise NoSuchKeyError(access_key)
        return self._session(backend, session)

    def of_arn(self, arn: str) -> Caller | None:
        """A user or a role, as whoever simulates it sees it; None where there is none."""
        backend = _backend_of(arn)
        if backend is None:
            return None
        user = next((one for one in list(backend.users.values()) if one.arn == arn), None)
        if user is not None:
            return self._user(backend, user, None)
        role, state = _role_by_arn(backend, arn), self.role(arn)
        if role is None or state is None:
            return None
        principal = Principal("session", backend.account_id, arn, role.id, role.name, arn)
        boundary = _parsed((state.boundary,)) if state.boundary is not None else None
        return Caller(principal, Permissions(_parsed(state.policies), boundary), _principal_context(principal, {}))

    def _user(self, backend: Any, user: Any, secret: str | None) -> Caller:
        texts = self._settling.effective((user.arn, user.id), _user_policies(backend, user))
        tags = {tag["Key"]: tag["Value"] for tag in user.tags or ()}
        principal = Principal("user", backend.account_id, user.arn, user.id, user.name)
        context = _principal_context(principal, tags) | {"aws:username": (user.name,)}
        permissions = Permissions(_parsed(texts if isinstance(texts, tuple) else ()))
        return Caller(principal, permissions, context, secret)

    def _session(self, backend: Any, session: Any) -> Caller:
        role = _role_by_arn(backend, session.role_arn)
        state = self.role_state(backend, role) if role is not None else None
        name = session.role_arn.rpartition("/")[2]
        role_id = role.id if role is not None else "AROA"
        principal = Principal(
            "session", backend.account_id, session.arn, f"{role_id}:{session.session_name}", name, session.role_arn
        )
        tags = {tag["Key"]: tag["Value"] for tag in (role.tags if role else None) or ()} | dict(session.session_tags)
        context = _principal_context(principal, tags)
        if session.session_name.startswith("i-"):
            where = f"{backend.partition}:ec2:{session.region_name}:{backend.account_id}"
            instance_arn = f"arn:{where}:instance/{session.session_name}"
            context |= {"ec2:sourceinstancearn": (instance_arn,), "ec2:roledelivery": ("2.0",)}
        limits = [session.policy] if session.policy else []
        for arn in session.policy_arns:
            managed = backend.find_managed(arn)
            limits += [_document(managed)] if managed else []
        limited = bool(session.policy or session.policy_arns)
        permissions = Permissions(
            _parsed(state.policies if state else ()),
            _parsed((state.boundary,)) if state and state.boundary is not None else None,
            _parsed(tuple(limits)) if limited else None,
        )
        expires_at = session.expiration.replace(tzinfo=UTC).timestamp()
        return Caller(principal, permissions, context, session.secret_access_key, session.session_token, expires_at)

    # --------------------------------------------------------------------------------------------- what is effective

    def role_state(self, backend: Any, role: Any) -> RoleState | None:
        """The role as requests are judged by it now; None while it is too new."""
        found = self._settling.effective((role.arn, role.id), _role_now(backend, role))
        return found if isinstance(found, RoleState) else None

    def role(self, arn: str) -> RoleState | None:
        """The role of an ARN, likewise."""
        backend = _backend_of(arn)
        role = _role_by_arn(backend, arn) if backend is not None else None
        return self.role_state(backend, role) if role is not None else None

    def profile_role(self, account: str, partition: str, name_or_arn: str) -> str | None:
        """The ARN of the role in an instance profile ("" where it has none); None while the profile is too new."""
        backend = iam_backends[account][partition]
        for profile in list(backend.instance_profiles.values()):
            if name_or_arn in (profile.name, profile.arn):
                found = self._settling.effective((profile.arn, profile.id), _profile_now(profile))
                if not isinstance(found, tuple):
                    return None
                role = _role_by_arn(backend, found[0]) if found else None
                if role is not None and self.role_state(backend, role) is None:
                    return None
                return found[0] if found else ""
        return None

    def note_changes(self) -> None:
        """Take in every change of IAM up to now: from here on the clock of its delay runs."""
        for backend in _backends():
            for role in list(backend.roles.values()):
                self._settling.note((role.arn, role.id), _role_now(backend, role))
            for user in list(backend.users.values()):
                self._settling.note((user.arn, user.id), _user_policies(backend, user))
            for profile in list(backend.instance_profiles.values()):
                self._settling.note((profile.arn, profile.id), _profile_now(profile))


def root(account: str) -> Caller:
    """The root user of an account."""
    arn = f"arn:aws:iam::{account}:root"
    principal = Principal("root", account, arn, account, "root")
    return Caller(principal, context=_principal_context(principal, {}))


def _backends() -> Iterator[Any]:
    # A list: accounts come into being while others ask.
    for account in list(iam_backends.values()):
        for partition in PARTITION_NAMES:
            yield account[partition]


def _issued(access_key: str) -> tuple[Any, Any]:
    for backend in _backends():
        if access_key in backend.access_keys:
            return backend, backend.access_keys[access_key]
    return None, None


def _backend_of(arn: str) -> Any:
    parts = arn.split(":")
    known = len(parts) >= 6 and _ACCOUNT.fullmatch(parts[4]) and parts[1] in PARTITION_NAMES
    return iam_backends[parts[4]][parts[1]] if known else None


def _role_by_arn(backend: Any, arn: str) -> Any:
    return next((role for role in list(backend.roles.values()) if role.arn == arn), None)


def _role_now(backend: Any, role: Any) -> RoleState:
    boundary = None
    if role.permissions_boundary_arn:
        managed = backend.find_managed(role.permissions_boundary_arn)
        boundary = _document(managed) if managed else '{"Statement": []}'
    trust = role.assume_role_policy_document
    return RoleState(role.id, trust if isinstance(trust, str) else _dumped(trust), _policies_of(role), boundary)


def _profile_now(profile: Any) -> tuple[str, ...]:
    return tuple(role.arn for role in profile.roles)


def _user_policies(backend: Any, user: Any) -> tuple[str, ...]:
    texts = _policies_of(user)
    for group in list(backend.groups.values()):
        if user in group.users:
            texts += _policies_of(group)
    return texts


def _policies_of(holder: Any) -> tuple[str, ...]:
    inline = (text if isinstance(text, str) else _dumped(text) for text in list(holder.policies.values()))
    return (*inline, *(_document(policy) for policy in list(holder.managed_policies.values())))


def _document(managed: Any) -> str:
    text = next(version.document for version in managed.versions if version.version_id == managed.default_version_id)
    return text if isinstance(text, str) else _dumped(text)


def _dumped(document: object) -> str:
    return json.dumps(document)


@lru_cache(4096)
def _parsed(texts: tuple[str, ...]) -> tuple[Policy, ...]:
    found = []
    for text in texts:
        try:
            found.append(parse(text))
        except MalformedPolicyError:
            # A policy that cannot be read gives nothing; AWS would have refused it when it was put.
            continue
    return tuple(found)


def _principal_context(principal: Principal, tags: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    kinds = {"root": "Account", "user": "User", "session": "AssumedRole"}
    context: dict[str, tuple[str, ...]] = {
        "aws:principalarn": (principal.role_arn or principal.arn,),
        "aws:principalaccount": (principal.account,),
        "aws:principaltype": (kinds[principal.kind],),
        "aws:userid": (principal.user_id,),
        "aws:principalisawsservice": ("false",),
    }
    return context | {f"aws:principaltag/{key.lower()}": (value,) for key, value in tags.items()}
