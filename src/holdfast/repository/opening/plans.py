"""Plans: what a collection has promised, and what every writer must know (rules 3, 4 and 10)."""

import dataclasses
from contextlib import suppress
from datetime import datetime

from holdfast.domain.errors import (
    FormatError,
    IntegrityError,
    ObjectExistsError,
    ObjectNotFoundError,
    UnreadableError,
)
from holdfast.domain.time import parse_time
from holdfast.repository.format import names
from holdfast.repository.format import plan as plan_form
from holdfast.repository.format.envelope import Kind, read_header
from holdfast.repository.format.epoch import FIRST_EPOCH
from holdfast.repository.format.plan import NO_PLAN, Plan
from holdfast.repository.keys.sealed_store import SealedStore
from holdfast.repository.object_store import Buffer
from holdfast.repository.trust.few_at_once import few_at_once
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.older_versions import open_newest_good
from holdfast.repository.trust.presence import not_shown
from holdfast.repository.trust.vouching import digest_of, unvouched


def publish(sealed: SealedStore, plan: Plan) -> bool:
    """Whether this plan is the one of its epoch now: of two that are published one is. One that was made before a
    newer key epoch was met is none: what that plan is to follow must be handed over first (section 21).
    """
    if plan.kid != sealed.epochs.newest.kid:
        return False
    body = plan_form.encode(plan, sealed.surroundings.timestamp())
    try:
        sealed.write(Kind.PLAN, names.plan(plan.epoch), body)
    except ObjectExistsError:
        return False
    return True


def newest_plan(sealed: SealedStore, at_least: int = 0) -> Plan:
    """The plan with the highest epoch; a LIST hints where it is, GET until 404 says which is the last (rule 5).

    `at_least`: what the ledger's `plan_epoch` says, for who writes or deletes under the plan. Raises IntegrityError
    where the newest is older: one is lost, and who went on would build upon what that one condemns (rule 10); and for
    one under an older key epoch than a plan before it.
    """
    listed = [int(info.key.removeprefix(names.PLANS)) for info in objects_under(sealed.store, names.PLANS)]
    epoch = listed[-1] if listed else 0
    newest = NO_PLAN
    while True:
        try:
            newest = _read(sealed, max(epoch, 1))[0]
        except ObjectNotFoundError as error:
            if newest.epoch < at_least:
                raise IntegrityError(
                    f"{names.plan(at_least)} is missing",
                    why="the ledger tells of that plan, and plans are never deleted",
                    cure="bring it back from the bucket's older versions or a copy; until then only restores go on. "
                    "Where the store shows late what was written elsewhere (NFS), run it again",
                    objects=(names.plan(at_least),),
                ) from error
            break
        epoch = newest.epoch + 1
    if newest.kid < sealed.epochs.newest.kid:
        _require_first_of_its_kind(sealed, newest, listed)
    return newest


def plan_to_read_by(sealed: SealedStore) -> Plan:
    """The newest plan that opens, for who changes nothing: what somebody has put under the next name stops no restore.
    Where a plan is passed over, what it says of moved chunks is found in the index runs that a LIST shows.
    """
    try:
        return newest_plan(sealed)
    except IntegrityError:
        pass
    for info in reversed(list(objects_under(sealed.store, names.PLANS))):
        try:
            return _read(sealed, int(info.key.removeprefix(names.PLANS)))[0]
        except (IntegrityError, ObjectNotFoundError):
            continue
    return NO_PLAN


def plan_to_write_under(sealed: SealedStore, at_least: int = 0) -> Plan:
    """The newest plan, for who builds upon what it says or publishes the next: handed over to the newest key epoch
    where that was not done yet (section 21). Raises IntegrityError as `newest_plan` does, UnavailableError where the
    store does not show a plan that it has.
    """
    refused: tuple[int, int] | None = None
    while True:
        plan = newest_plan(sealed, at_least)
        newest = sealed.epochs.newest.kid
        if newest == FIRST_EPOCH or (plan.kid == newest and plan.vouched is not None):
            return plan
        following = plan.epoch + 1, newest
        if following == refused:
            raise not_shown(names.plan(plan.epoch + 1))
        vouched = _still_counted(sealed, plan, newest)
        said_anew = dataclasses.replace(
            plan, epoch=plan.epoch + 1, kid=newest, vouched=vouched, said_since=plan.since, unnamed=frozenset()
        )
        refused = None if publish(sealed, said_anew) else following


def condemned_before(sealed: SealedStore, plan: Plan, moment: datetime) -> frozenset[bytes]:
    """What this plan condemns and one condemned that was published no later than `moment`, by its own word and by the
    store's clock, where it has one: plans are cumulative, so the plans between them do, too. What a plan under an older
    key epoch says of its time does not count. Raises IntegrityError.
    """
    for epoch in range(plan.epoch, 0, -1):
        older, time = _read(sealed, epoch)
        if older.kid < plan.kid:
            break
        if parse_time(time) <= moment and (sealed.store.head(names.plan(epoch)).modified or moment) <= moment:
            return plan.condemned & older.condemned
    return frozenset()


def _read(sealed: SealedStore, epoch: int) -> tuple[Plan, str]:
    """The plan of that epoch, and its time. Of several versions one under the newest key epoch, where there is such a
    one. Raises ObjectNotFoundError, IntegrityError.
    """
    key, older = names.plan(epoch), list[tuple[Plan, str]]()

    def opened(data: Buffer) -> tuple[Plan, str]:
        body = sealed.open(key, data, Kind.PLAN)[1]
        kid, plan = read_header(data, key).kid, plan_form.decode(body)
        if plan.epoch != epoch:
            raise FormatError(f"{key} is another plan", why=f"it says epoch {plan.epoch}", key=key)
        read, newest = (dataclasses.replace(plan, kid=kid), plan_form.time_of(body)), sealed.epochs.newest.kid
        if kid < newest:
            older.append(read)
            raise unvouched(key, kid, newest)
        return read

    try:
        return sealed.counting(Kind.PLAN, key, opened)
    except UnreadableError:
        raise  # it may be under the newest key epoch
    except (IntegrityError, ObjectNotFoundError):
        if older:
            return older[0]
        raise


def _require_first_of_its_kind(sealed: SealedStore, newest: Plan, listed: list[int]) -> None:
    """A plan under an older key epoch counts while none under the newest stands before it."""
    for epoch in reversed([one for one in listed if one < newest.epoch]):
        try:
            before = _read(sealed, epoch)[0]
        except (IntegrityError, ObjectNotFoundError):
            continue
        if before.kid > newest.kid:
            key = names.plan(newest.epoch)
            raise FormatError(
                f"{key} is of key epoch {newest.kid}",
                why=f"{names.plan(epoch)} before it is of epoch {before.kid}: who has only an older key cannot have "
                "read that",
                cure="find out who has the older master key and may write here; then remove that one object",
                key=key,
            )


def _still_counted(sealed: SealedStore, plan: Plan, newest: int) -> dict[str, bytes]:
    """The index runs under key epochs before the newest that count under the plan: those that stand, of which that plan
    has vouched for those that were older than itself.
    """
    vouched = plan.vouched or {}

    def counted(key: str) -> bytes | None:
        def opened(data: Buffer) -> tuple[int, bytes]:
            sealed.open(key, data, Kind.INDEX_RUN)
            return read_header(data, key).kid, digest_of(data)

        # What the plan names and is left out now is out for good: one answer that came torn must not be the reason.
        for _try in range(2 if key in plan.index_runs else 1):
            with suppress(IntegrityError, ObjectNotFoundError):
                kid, digest = open_newest_good(sealed.store, key, opened)
                break
        else:
            return None  # `check` names it
        is_older = plan.vouched is not None and kid < plan.kid
        return None if is_older or kid >= newest else digest

    standing = {info.key for info in objects_under(sealed.store, names.INDEX)}
    unknown = sorted((standing | plan.index_runs) - vouched.keys())
    found = few_at_once(sealed.surroundings, counted, unknown)
    return {**vouched, **{key: digest for key, digest in found if digest is not None}}
