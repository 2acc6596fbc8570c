"""Plans: what a collection has promised, and what every writer must know (rules 3, 4 and 10)."""

from datetime import datetime

from holdfast.domain.errors import IntegrityError, ObjectExistsError, ObjectNotFoundError
from holdfast.domain.time import parse_time
from holdfast.repository.format import names
from holdfast.repository.format import plan as plan_form
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.plan import NO_PLAN, Plan
from holdfast.repository.keys.sealed_store import SealedStore
from holdfast.repository.trust.listing import objects_under


def publish(sealed: SealedStore, plan: Plan) -> bool:
    """Whether this plan is the one of its epoch now: of two that are published one is."""
    body = plan_form.encode(plan, sealed.surroundings.timestamp())
    try:
        sealed.write(Kind.PLAN, names.plan(plan.epoch), body)
    except ObjectExistsError:
        return False
    return True


def newest_plan(sealed: SealedStore, at_least: int = 0) -> Plan:
    """The plan with the highest epoch; a LIST hints where it is, GET until 404 says which is the last (rule 5).

    `at_least`: what the ledger's `plan_epoch` says, for who writes or deletes under the plan. Raises IntegrityError
    where the newest is older: one is lost, and who went on would build upon what that one condemns (rule 10).
    """
    listed = [info.key for info in objects_under(sealed.store, names.PLANS)]
    epoch = int(listed[-1].removeprefix(names.PLANS)) if listed else 0
    newest = NO_PLAN
    while True:
        try:
            body = sealed.read(names.plan(max(epoch, 1)), Kind.PLAN)[1]
        except ObjectNotFoundError as error:
            if newest.epoch < at_least:
                raise IntegrityError(
                    f"{names.plan(at_least)} is missing",
                    why="a point was made under that plan, and plans are never deleted",
                    cure="bring it back from the bucket's older versions or a copy; until then only restores go on",
                    objects=(names.plan(at_least),),
                ) from error
            return newest
        newest = plan_form.decode(body)
        epoch = newest.epoch + 1


def condemned_before(sealed: SealedStore, plan: Plan, moment: datetime) -> frozenset[bytes]:
    """What this plan condemns and one condemned that was published no later than `moment`: plans are cumulative, so
    the plans between them do, too. Raises IntegrityError.
    """
    for epoch in range(plan.epoch, 0, -1):
        body = sealed.read(names.plan(epoch), Kind.PLAN)[1]
        if parse_time(plan_form.time_of(body)) <= moment:
            return plan.condemned & plan_form.decode(body).condemned
    return frozenset()
