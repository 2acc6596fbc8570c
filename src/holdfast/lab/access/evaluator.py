"""Who may do what: AWS's evaluation logic over policies, as a pure function.

From the IAM user guide, "Policy evaluation logic": an explicit deny in any policy wins. Within an account, the
identity-based policies or the resource's own have to allow; a permissions boundary and a session policy limit what
identity-based policies give. Across accounts, both sides have to allow. Keys of KMS and the trust in a role are
resources whose policy decides alone, and may hand the decision to the account's identity-based policies.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from holdfast.lab.access.conditions import Context
from holdfast.lab.access.policy import Policy, Statement


class Effect(Enum):
    """The three outcomes, as SimulatePrincipalPolicy names them."""

    ALLOWED = "allowed"
    IMPLICIT_DENY = "implicitDeny"
    EXPLICIT_DENY = "explicitDeny"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: `kind` "root", "user" or "session"; `role_arn` is the role of a session."""

    kind: str
    account: str
    arn: str
    user_id: str
    name: str
    role_arn: str = ""

    @property
    def label(self) -> str:
        """`role/NAME`, `user/NAME` or `root`: what stays the same from session to session."""
        return "root" if self.kind == "root" else f"{'role' if self.role_arn else 'user'}/{self.name}"


@dataclass(frozen=True, slots=True)
class Permissions:
    """The policies of a principal; `boundary` and `session` are None where there is no such limit."""

    identity: tuple[Policy, ...] = ()
    boundary: tuple[Policy, ...] | None = None
    session: tuple[Policy, ...] | None = None


@dataclass(frozen=True, slots=True)
class ResourceRule:
    """What the resource says: the account it is in, its policy (None: none), and whether that policy alone decides."""

    account: str
    policy: Policy | None = None
    decides_alone: bool = False


@dataclass(frozen=True, slots=True)
class Demand:
    """One thing that a request needs: an action on a resource, in a context (its keys in lower case)."""

    action: str
    resource: str
    context: Context
    rule: ResourceRule | None = None
    granted: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome, and what follows "because" in AWS's message; `statement` is the one that decided."""

    effect: Effect
    reason: str = ""
    statement: Statement | None = None

    @property
    def allowed(self) -> bool:
        """Whether the request may pass."""
        return self.effect is Effect.ALLOWED


class _Match(Enum):
    """How a policy of a resource names a principal."""

    NOT = 0
    ACCOUNT = 1
    ROLE = 2
    ITSELF = 3


def permissions_allow(policies: Iterable[Policy], demand: Demand) -> Verdict:
    """What identity-based policies alone say."""
    allowed: Statement | None = None
    for policy in policies:
        for statement in policy.statements:
            if allowed is not None and statement.allows:
                continue
            if statement.covers(demand.action, demand.resource, demand.context):
                if not statement.allows:
                    return Verdict(Effect.EXPLICIT_DENY, statement=statement)
                allowed = statement
    return Verdict(Effect.ALLOWED if allowed else Effect.IMPLICIT_DENY, statement=allowed)


def authorize(principal: Principal, permissions: Permissions, demand: Demand) -> Verdict:
    """Whether the principal may have what it demands."""
    by_identity = permissions_allow(permissions.identity, demand)
    boundary, session = _limit(permissions.boundary, demand), _limit(permissions.session, demand)
    match, by_resource = _resource_says(principal, demand)
    for verdict, kind in (
        (by_identity, "an identity-based policy"),
        (boundary, "a permissions boundary"),
        (session, "a session policy"),
        (by_resource, "a resource-based policy"),
    ):
        if verdict.effect is Effect.EXPLICIT_DENY:
            return Verdict(Effect.EXPLICIT_DENY, f"with an explicit deny in {kind}", verdict.statement)
    if demand.granted:
        return Verdict(Effect.ALLOWED)
    identity = principal.kind == "root" or by_identity.allowed
    limits = boundary.allowed and session.allowed
    rule = demand.rule
    if rule is not None and (rule.account != principal.account):
        allowed = match is not _Match.NOT and identity and limits
    else:
        allowed = match is _Match.ITSELF or (match is _Match.ROLE and limits)
        if rule is None or not rule.decides_alone or match is _Match.ACCOUNT:
            allowed = allowed or (identity and limits)
    if allowed:
        return Verdict(Effect.ALLOWED, statement=by_identity.statement or by_resource.statement)
    return Verdict(Effect.IMPLICIT_DENY, _reason(demand, principal, match, identity, boundary, session))


def _limit(policies: tuple[Policy, ...] | None, demand: Demand) -> Verdict:
    return Verdict(Effect.ALLOWED) if policies is None else permissions_allow(policies, demand)


def _resource_says(principal: Principal, demand: Demand) -> tuple[_Match, Verdict]:
    """The closest way in which the resource's policy allows the principal, or a verdict with its explicit deny."""
    best, allowed = _Match.NOT, None
    if demand.rule is None or demand.rule.policy is None:
        return best, Verdict(Effect.IMPLICIT_DENY)
    for statement in demand.rule.policy.statements:
        match = _named(principal, statement)
        if match is _Match.NOT or not statement.covers(demand.action, demand.resource, demand.context):
            continue
        if not statement.allows:
            return match, Verdict(Effect.EXPLICIT_DENY, statement=statement)
        if match.value > best.value:
            best, allowed = match, statement
    return best, Verdict(Effect.ALLOWED if allowed else Effect.IMPLICIT_DENY, statement=allowed)


def _named(principal: Principal, statement: Statement) -> _Match:
    found = max((_named_by(principal, *pair) for pair in statement.principals or ()), key=lambda match: match.value,
                default=_Match.NOT)  # fmt: skip
    if statement.not_principals:
        return _Match.ITSELF if found is _Match.NOT else _Match.NOT
    return found


def _named_by(principal: Principal, kind: str, value: str) -> _Match:
    if kind != "AWS":
        return _Match.NOT
    if value in ("*", principal.arn):
        return _Match.ITSELF
    if principal.role_arn and value == principal.role_arn:
        return _Match.ROLE
    if value == principal.account or (value.startswith("arn:") and value.endswith(f"::{principal.account}:root")):
        return _Match.ACCOUNT
    return _Match.NOT


def _reason(
    demand: Demand, principal: Principal, match: _Match, identity: bool, boundary: Verdict, session: Verdict
) -> str:
    across = demand.rule is not None and demand.rule.account != principal.account
    alone = demand.rule is not None and demand.rule.decides_alone
    if match is _Match.NOT and (alone or (across and identity)):
        return f"because no resource-based policy allows the {demand.action} action"
    if identity and not boundary.allowed:
        return f"because no permissions boundary allows the {demand.action} action"
    if identity and not session.allowed:
        return f"because no session policy allows the {demand.action} action"
    return f"because no identity-based policy allows the {demand.action} action"
