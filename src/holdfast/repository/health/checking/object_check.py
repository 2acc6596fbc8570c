"""Open one small object by its key and decode it: what `check` does to everything that is neither pack nor point."""

from collections.abc import Callable

from holdfast.domain.errors import FormatError, IntegrityError
from holdfast.repository.delegation.results import decode_result
from holdfast.repository.delegation.task_form import decode_task
from holdfast.repository.format import (
    acknowledgement,
    alive,
    epoch,
    index_run,
    key_slot,
    lease,
    ledger,
    names,
    plan,
    retirement,
    session_checkpoint,
    tenant,
)
from holdfast.repository.format.envelope import Kind
from holdfast.repository.object_store import Buffer
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.opening.repository import Repository
from holdfast.repository.trust.vouching import ALL_COUNT, Vouching, vouching_of


def runs_that_count(repository: Repository) -> Vouching:
    """Of index runs under past keys those for which the newest plan vouches; all where it does not open itself."""
    try:
        return vouching_of(newest_plan(repository.sealed))
    except IntegrityError:
        return ALL_COUNT


def check_small_object(repository: Repository, key: str, runs: Vouching) -> None:
    """The same as `check_small_data`, of what is found under the key. Raises ObjectNotFoundError."""
    check_small_data(repository, key, repository.store.get(key), runs)


def check_small_data(repository: Repository, key: str, data: Buffer, runs: Vouching) -> None:
    """Raises IntegrityError or UnsupportedFormatError naming the object unless it is whole, of this repository,
    well-formed, and nobody's who has a past key alone; `runs` says which index runs count.

    Names that the format does not know are left alone: another program's, or an unfinished probe.
    """
    prefix = next((prefix for prefix in (names.CHECKPOINTS, *_DECODERS, names.KEYS) if key.startswith(prefix)), None)
    if key.startswith(names.SESSIONS):
        prefix = next((part for part in _SCRATCH if f"/{part}" in key), None)
    if prefix is None:
        return
    if prefix == names.KEYS:
        slot = key_slot.decode(data, key)
        if slot.repository != repository.master.repository or names.slot(slot.slot) != key:
            raise FormatError(f"{key} is a foreign key slot", why="it names another repository or slot", key=key)
        return
    kind, decode = _DECODERS.get(prefix) or _SCRATCH[prefix]
    body = repository.sealed.open(key, data, kind)[1]
    try:
        decode(body)
    except FormatError as error:
        error.objects = (key,)
        raise
    _require_counted(repository, key, data, runs)


def _require_counted(repository: Repository, key: str, data: Buffer, runs: Vouching) -> None:
    """Where such a one is believed of nothing (section 21)."""
    if key in runs.digests:  # others under past keys are left-overs, as packs are that nothing needs
        runs.require(key, data)
    elif key.startswith(names.TENANTS):
        repository.require_counted(key, data)
    elif key.startswith(names.RETIRED) and names.session_of_point(key) in repository.ledger.state.live:
        Vouching(repository.master.kid).require(key, data)


_Decoders = dict[str, tuple[Kind, Callable[[bytes], object]]]

_DECODERS: _Decoders = {
    names.CHECKPOINTS: (Kind.LEDGER_CHECKPOINT, ledger.decode_checkpoint),
    names.TENANTS: (Kind.TENANT, tenant.decode),
    names.EPOCHS: (Kind.EPOCH, epoch.decode),
    names.INDEX: (Kind.INDEX_RUN, index_run.decode),
    names.LEDGER: (Kind.LEDGER_BATCH, ledger.decode_batch),
    names.PLANS: (Kind.PLAN, plan.decode),
    names.RETIRED: (Kind.RETIREMENT, retirement.decode),
    names.LEASES: (Kind.LEASE, lease.decode),
}
# By what the name begins with below the session's.
_SCRATCH: _Decoders = {
    names.ACKNOWLEDGEMENT: (Kind.ACKNOWLEDGEMENT, acknowledgement.decode),
    names.ALIVE: (Kind.ALIVE, alive.decode),
    names.TASK: (Kind.TASK, decode_task),
    names.RESULT: (Kind.RESULT, decode_result),
    names.SESSION_CHECKPOINT: (Kind.SESSION_CHECKPOINT, session_checkpoint.decode),
}
