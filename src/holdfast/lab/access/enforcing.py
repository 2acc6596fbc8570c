"""Enforcement put together: what a lab needs of this room, in one place."""

from collections.abc import Callable
from dataclasses import dataclass
from wsgiref.types import WSGIApplication, WSGIEnvironment

from moto.iam.access_control import PermissionResult
from moto.iam.models import get_account_id_from
from moto.s3.models import FakeBucket

from holdfast.lab.access import iam_hooks, simulation
from holdfast.lab.access.demands import BATCH_OPERATIONS
from holdfast.lab.access.demands_s3 import rule_of
from holdfast.lab.access.evaluator import Demand, authorize
from holdfast.lab.access.gate import ACCOUNT_HEADER, Gate
from holdfast.lab.access.identities import Identities
from holdfast.lab.access.settling import Settling
from holdfast.lab.access.witness import Witness
from holdfast.lab.request_scope import scope_of

_moto_permission = FakeBucket.get_permission


@dataclass(frozen=True, slots=True)
class Enforcement:
    """The gate's parts, shared by all services of a lab."""

    identities: Identities
    witness: Witness
    now: Callable[[], float]

    def may(self, role_arn: str, action: str, resource: str) -> bool:
        """Whether S3, at work as that role for a job of somebody's, may do that to an object."""
        acting, state = self.identities.of_arn(role_arn), self.identities.role(role_arn)
        if acting is None or state is None or BATCH_OPERATIONS not in (state.trust or ""):
            return False
        demand = Demand(action, resource, {}, rule_of(resource.split(":::")[1].partition("/")[0]))
        verdict = authorize(acting.principal, acting.permissions, demand)
        self.witness.add(acting.principal.label, action, resource, verdict.effect.value)
        return verdict.allowed

    def guard(self, services: WSGIApplication) -> WSGIApplication:
        """The services behind a gate."""
        return Gate(services, self.identities, self.witness, self.now)


def enforce(now: Callable[[], float], iam_delay_seconds: float) -> Enforcement:
    """Teach moto what enforcement needs. To be called before IAM or STS is first used."""
    iam_hooks.install(now)
    identities = Identities(Settling(now, iam_delay_seconds))
    simulation.teach(identities)
    FakeBucket.get_permission = _permission  # type: ignore[method-assign, assignment]
    return Enforcement(identities, Witness(), now)


def account_of(environ: WSGIEnvironment) -> str:
    """The account in which a request that has passed a gate is to be done."""
    account: str | None = environ.get(ACCOUNT_HEADER)
    return account or str(get_account_id_from(scope_of(environ).access_key))


def _permission(bucket: FakeBucket, action: str, resource: str) -> PermissionResult:
    """What a bucket's policy allows to everybody; its denials, with their conditions, are the gate's."""
    said: PermissionResult = _moto_permission(bucket, action, resource)
    return PermissionResult.NEUTRAL if said is PermissionResult.DENIED else said
