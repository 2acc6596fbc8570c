"""Implements the appliance's port to two repositories at once: copies of points, around the work of a worker."""

from dataclasses import replace
from datetime import datetime

from holdfast.appliance.ports.repositories import BackedUp, PreparedWork
from holdfast.domain.errors import ObjectNotFoundError
from holdfast.repository.delegation import backup_side, copy_side, orders, restore_side
from holdfast.repository.delegation.results import BackupResult
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import find_point
from holdfast.repository.sessions.session import recorded_point
from holdfast.wiring.delegated_repository import DelegatedRepository, alarms_of, backed_up, work_of


class DelegatedCopying:
    """Implements Copying. Nobody holds the turns of both repositories at once, so nobody waits in one for the other."""

    def __init__(self, source: DelegatedRepository, target: DelegatedRepository) -> None:
        self._source = source
        self._target = target

    def prepare_copy(
        self,
        reader: str,
        session: str,
        attempt: int,
        point: str,
        tenant: str,
        keep_until: datetime | None = None,
        avoided_packs: frozenset[str] = frozenset(),
    ) -> PreparedWork:
        """Pin the point, open the session with its first attempt, and leave the task of this one. Maps are walked in
        nobody's turn: that reads what the pin holds, and touches nothing that others change.
        """
        with self._source.turn() as source:
            found = find_point(source, point, tenant)
            origin = copy_side.CopyFrom(source, self._source.location, found, bytes.fromhex(reader))
            pinned = copy_side.pin_original(origin, Silence())
        with self._target.turn() as target:
            alarms = alarms_of(target)
            opened = copy_side.open_copy(
                pinned,
                target,
                Silence(),
                keep_until=keep_until,
                session=bytes.fromhex(session),
                goes_on=attempt > 1,
                avoided_packs=frozenset(map(bytes.fromhex, avoided_packs)),
            )
        prepared = copy_side.with_places(pinned, opened)
        with self._target.turn():
            prepared = replace(prepared, task=backup_side.write_task(prepared, attempt))
            work = work_of(prepared, self._target.location)
            return replace(work, copied_from=self._source.location, alarms=alarms)

    def accept_copy(self, session: str, attempt: int) -> BackedUp | None:
        """Check the worker's result and commit; None while there is none."""
        identifier = bytes.fromhex(session)
        with self._target.turn() as target:
            try:
                result = orders.read_result(target, identifier, attempt)
            except ObjectNotFoundError:
                stored = recorded_point(target, backup_side.open_point_key(target, identifier))
                return None if stored is None else _copied(stored, None)
            if not isinstance(result, BackupResult):
                return None
            point = copy_side.point_to_copy(target, identifier, attempt)
        original = None
        if point is not None:
            with self._source.turn() as source:
                original = copy_side.original_of(source, point)
        with self._target.turn() as target:
            return _copied(copy_side.accept_copy(original, target, identifier, result), result)

    def end_copy(self, reader: str, session: str) -> None:
        """Unpin, and remove the scratch of both."""
        with self._source.turn() as source:
            restore_side.finish_reading(source, bytes.fromhex(reader), Silence())
        with self._target.turn() as target:
            orders.delete_scratch(target, bytes.fromhex(session))


def _copied(manifest: Manifest, result: BackupResult | None) -> BackedUp:
    """The manifest's own statistics are those of the backup that it is a copy of."""
    told = {} if result is None else result.statistics
    return replace(
        backed_up(manifest, result),
        read_bytes=told.get("read_bytes", 0),
        changed_bytes=told.get("changed_bytes", 0),
        compared_everything=False,
    )
