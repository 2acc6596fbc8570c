"""Implements the appliance's port to repositories: `holdfast.repository` around the work of a worker.

One open repository serves every task of the appliance; what it does is short (orders, checks of directories and maps,
commits), so its callers take turns.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from holdfast.appliance.ports.repositories import (
    BackedUp,
    PointVolume,
    PreparedWork,
    SourceVolume,
    Verified,
    VolumeTarget,
)
from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import IntegrityError, NotFoundError, ObjectNotFoundError, damaged_objects
from holdfast.domain.retrieval import ColdData, RetrievalOrder
from holdfast.domain.time import parse_time
from holdfast.domain.verification import ALL_VOLUMES, DamagedObject
from holdfast.patience import in_turn
from holdfast.repository.delegation import backup_side, orders, restore_side
from holdfast.repository.delegation.acceptance import accept_backup
from holdfast.repository.delegation.prepared import Prepared
from holdfast.repository.delegation.results import BackupResult, RestoreResult, VerifyResult
from holdfast.repository.delegation.tasks import BackupTask, Task
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.health.verification.acceptance import accept_verification
from holdfast.repository.health.verification.look import PointLook
from holdfast.repository.health.verification.preparing import prepare_verification, write_verify_task
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.compression import CompressionLevel
from holdfast.repository.progress import Silence
from holdfast.repository.retrieval_jobs import OpenJobs, no_jobs
from holdfast.repository.sessions.points import PointSummary, find_point, list_points, load_manifest
from holdfast.repository.sessions.session import recorded_point, retire
from holdfast.repository.trust.lock_terms import lock_end
from holdfast.repository.trust.presence import is_there
from holdfast.repository.upkeep.renewal.notice import ending
from holdfast.repository.writing.parents import Method
from holdfast.wiring.delegated_retrieval import DelegatedRetrievals


class DelegatedRepository:
    """Implements BackupRepository. `location` is where a worker finds it, and `jobs` what its place has of these; so
    many packs are asked back in one call.
    """

    def __init__(
        self, repository: Repository, location: str, jobs: OpenJobs = no_jobs, *, retrieved_at_once: int = 1000
    ) -> None:
        self._repository = repository
        self._location = location
        self._turn = threading.RLock()
        self._retrievals = DelegatedRetrievals(self.turn, retrieved_at_once, jobs)

    @contextmanager
    def turn(self) -> Iterator[Repository]:
        """The repository with its ledger read to the end, while nobody else here uses it: others write there, too.
        Raises RollbackError where it was set back since.
        """
        with in_turn(self._turn, f"another task is at work in {self._location}, which is waited for"):
            self._repository.ledger.require_standing()
            self._repository.ledger.refresh()
            yield self._repository

    @property
    def location(self) -> str:
        """Where a worker finds it."""
        return self._location

    @property
    def repository_id(self) -> str:
        """Its id, hex."""
        return self._repository.master.repository.hex()

    @property
    def is_damaged(self) -> bool:
        """Whether something of its ledger did not open."""
        return bool(self._repository.ledger.damage)

    @property
    def archive_class(self) -> ArchiveClass | None:
        """Where its data lies, if it is an archive."""
        return self._repository.config.archive_class

    def new_session(self) -> str:
        """The id of a session that is not open yet."""
        return self._repository.surroundings.random_bytes(16).hex()

    def prepare_backup(
        self,
        session: str,
        attempt: int,
        tenant: str,
        workload: str,
        volumes: Sequence[SourceVolume],
        compression: str,
        keep_until: datetime | None = None,
        avoided_packs: frozenset[str] = frozenset(),
    ) -> PreparedWork:
        """Open the session with its first attempt, and leave the task of this one."""
        sources = [backup_side.VolumeSource(volume.name, dict(volume.source)) for volume in volumes]
        level = CompressionLevel[compression.upper()]
        with self.turn() as repository:
            alarms = alarms_of(repository)
            prepared = backup_side.prepare_backup(
                repository,
                tenant,
                workload,
                sources,
                level,
                session=bytes.fromhex(session),
                keep_until=keep_until if repository.config.immutable else None,
                avoided_packs=frozenset(map(bytes.fromhex, avoided_packs)),
            )
            prepared = replace(prepared, task=backup_side.write_task(prepared, attempt))
            parents = [one.parent.source for one in prepared.task.volumes if one.parent is not None]
            bases = tuple(str(source["snapshot"]) for source in parents if "snapshot" in source)
            work = work_of(prepared, self._location)
            return replace(work, base_snapshots=bases, warnings=prepared.warnings, alarms=alarms)

    def accept_backup(self, session: str, attempt: int, configuration: bytes) -> BackedUp | None:
        """Check the worker's result and commit; None while there is none."""
        identifier = bytes.fromhex(session)
        with self.turn() as repository:
            try:
                result = orders.read_result(repository, identifier, attempt)
            except ObjectNotFoundError:
                # The scratch of a session that has its point may be gone already.
                stored = recorded_point(repository, backup_side.open_point_key(repository, identifier))
                return None if stored is None else backed_up(stored, None)
            if not isinstance(result, BackupResult):
                return None
            return backed_up(accept_backup(repository, identifier, result, configuration), result)

    def abandon(self, session: str) -> str | None:
        """End the session without a point, where it has none yet, and remove its scratch."""
        identifier = bytes.fromhex(session)
        with self.turn() as repository:
            try:
                stored = backup_side.abandon(repository, identifier)
            except NotFoundError:
                stored = None  # never opened
            orders.delete_scratch(repository, identifier)
            return None if stored is None else stored.session.hex()

    def point_volumes(self, point: str, tenant: str) -> tuple[list[PointVolume], bytes]:
        """The volumes of a point and the configuration that stands in it."""
        with self.turn() as repository:
            manifest = load_manifest(repository, find_point(repository, point, tenant))
        volumes = [PointVolume(one.name, one.size_bytes, dict(one.source)) for one in manifest.volumes]
        return volumes, manifest.configuration or b""

    def prepare_restore(
        self, session: str, attempt: int, point: str, tenant: str, volumes: Sequence[VolumeTarget]
    ) -> PreparedWork:
        """Pin the point and leave the task of that attempt."""
        targets = [restore_side.VolumeTarget(one.name, dict(one.target)) for one in volumes]
        with self.turn() as repository:
            found = find_point(repository, point, tenant)
            prepared = restore_side.prepare_restore(
                repository, found, targets, Silence(), session=bytes.fromhex(session)
            )
            return work_of(replace(prepared, task=restore_side.write_restore_task(prepared, attempt)), self._location)

    def restored(self, session: str, attempt: int) -> Mapping[str, Mapping[str, str]] | None:
        """What the targets said, by volume; None while there is no result."""
        with self.turn() as repository:
            try:
                result = orders.read_result(repository, bytes.fromhex(session), attempt)
            except ObjectNotFoundError:
                return None
        if not isinstance(result, RestoreResult):
            return None
        return {volume.name: {key: str(value) for key, value in volume.facts.items()} for volume in result.volumes}

    def cold_data(self, point: str, tenant: str, volumes: Sequence[str]) -> ColdData:
        """What a restore of these volumes reads that lies in an archive class."""
        return self._retrievals.look(point, tenant, volumes)

    def retrieve(
        self,
        session: str,
        point: str,
        tenant: str,
        volumes: Sequence[str],
        order: RetrievalOrder,
        ordered: datetime,
        tell: Callable[[str], None],
    ) -> ColdData:
        """Pin the point, and ask for what is cold, look for it, keep it; how far it is."""
        return self._retrievals.go_on(session, point, tenant, volumes, order, ordered, tell)

    def prepare_verification(self, session: str, attempt: int, point: str, tenant: str) -> PreparedWork:
        """Pin the point and leave the task of that attempt."""
        with self.turn() as repository:
            found = find_point(repository, point, tenant)
            prepared = prepare_verification(repository, found, Silence(), session=bytes.fromhex(session))
            return work_of(replace(prepared, task=write_verify_task(prepared, attempt)), self._location)

    def verified(self, session: str, attempt: int, point: str, tenant: str) -> Verified | None:
        """What the worker's result comes to; None while there is none."""
        with self.turn() as repository:
            try:
                result = orders.read_result(repository, bytes.fromhex(session), attempt)
            except ObjectNotFoundError:
                return None
            if not isinstance(result, VerifyResult):
                return None
            found = accept_verification(repository, find_point(repository, point, tenant), result)
        damage = tuple(DamagedObject(one.object, one.why, one.volumes) for one in found.damage)
        return Verified(found.packs, found.chunks, found.read_bytes, damage, found.opened_packs)

    def promises(self, point: str, tenant: str, until: datetime) -> bool:
        """By the point's manifest."""
        with self.turn() as repository:
            if not repository.config.immutable:
                return True
            promised = load_manifest(repository, find_point(repository, point, tenant)).keep_until
            return promised is not None and parse_time(promised) >= until

    def damage_of(self, point: str, tenant: str, suspected: Mapping[str, str]) -> tuple[DamagedObject, ...]:
        """What a look at a point finds. Maps are walked and packs asked for outside of the turn: that takes long."""
        with self.turn() as repository:
            try:
                look = PointLook(repository, find_point(repository, point, tenant))
            except (IntegrityError, NotFoundError) as error:
                named = damaged_objects(error) or (f"restore point {point}",)
                return tuple(DamagedObject(key, error.why, ALL_VOLUMES) for key in named)
        return tuple(DamagedObject(one.object, one.why, one.volumes) for one in look.damage(suspected))

    def has_result(self, session: str, attempt: int) -> bool:
        """Whether the worker of that attempt has left one."""
        with self.turn() as repository:
            return is_there(repository.store, names.result(bytes.fromhex(session), attempt))

    def end_reading(self, session: str) -> None:
        """Unpin, and remove the scratch."""
        self._retrievals.forget(session)
        with self.turn() as repository:
            restore_side.finish_reading(repository, bytes.fromhex(session), Silence())

    def retire(self, point: str, tenant: str) -> None:
        """The point is no more; gone already is no error."""
        with self.turn() as repository:
            try:
                found = find_point(repository, point, tenant)
            except NotFoundError:
                return
            retire(repository, found.session, found.key)

    def points(self, tenant: str) -> list[Mapping[str, str | int]]:
        """Every live point of the tenant, oldest first."""
        with self.turn() as repository:
            return [_summary(point) for point in list_points(repository, tenant)]

    def remove_stale_scratch(self, sessions: Sequence[str]) -> None:
        """Remove what these sessions left."""
        with self.turn() as repository:
            for session in sessions:
                orders.delete_scratch(repository, bytes.fromhex(session))


def alarms_of(repository: Repository) -> tuple[str, ...]:
    """Where locks begin to end and nobody renews them (ordering rule 9.3). To be asked before a session is opened:
    where there is nothing yet, nothing ends.
    """
    told = ending(repository)
    cure = (
        "see in `holdfast session list` why its collections of garbage, which renew them each day, do not run or fail"
    )
    return () if told is None else (f"{told} and nobody renews them: {cure}",)


def work_of(prepared: Prepared[Task], location: str) -> PreparedWork:
    """What a worker is told of it, which finds the repository at `location`."""
    task, ends = prepared.task, None
    if isinstance(task, BackupTask) and task.locked:
        ends = lock_end(task.keep_until, prepared.repository.surroundings.now())
    owner = task.owner
    return PreparedWork(
        prepared.session.hex(),
        owner.repository.hex(),
        location,
        owner.kid,
        prepared.scratch_key,
        locks_until=ends,
        reads_versions=task.reads_versions,
    )


def backed_up(manifest: Manifest, result: BackupResult | None) -> BackedUp:
    """What a manifest says of its point, and of how it was made the result, where that is still there."""
    statistics = manifest.statistics
    return BackedUp(
        point=manifest.session.hex(),
        created=manifest.created,
        parent=None if manifest.parent is None else manifest.parent.hex(),
        size_bytes=manifest.size_bytes,
        read_bytes=statistics.get("read_bytes", 0),
        changed_bytes=statistics.get("changed_bytes", 0),
        stored_bytes=sum(pack.size_bytes for pack in manifest.packs),
        compared_everything=result is not None and Method.COMPARED in result.methods,
        warnings=() if result is None else result.warnings,
    )


def _summary(point: PointSummary) -> Mapping[str, str | int]:
    return {
        "id": point.id,
        "workload": point.workload,
        "created": point.created,
        "size_bytes": point.size_bytes,
        "parent": "" if point.parent is None else point.parent.hex(),
        "copy_of": "" if point.origin is None else point.origin.point.hex(),
    }
