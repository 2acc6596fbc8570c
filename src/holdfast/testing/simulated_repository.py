"""A repository as the appliance sees it, simulated: sessions, sealed tasks, results, points and pins, without bytes."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from holdfast.appliance.ports.repositories import (
    BackedUp,
    PointVolume,
    PreparedWork,
    SourceVolume,
    Verified,
    VolumeTarget,
)
from holdfast.domain.archive import ArchiveClass
from holdfast.domain.collection import Collected, CollectionWish
from holdfast.domain.errors import (
    HoldfastError,
    NotFoundError,
    SourceGoneError,
    damaged_objects,
)
from holdfast.domain.retrieval import ColdData, RetrievalOrder, needs_retrieval, offered
from holdfast.domain.time import format_time
from holdfast.domain.verification import ALL_VOLUMES, DamagedObject, pack_id
from holdfast.repository.reading.retrieval.retrieving import asked_for
from holdfast.repository.trust.lock_terms import GENERATION
from holdfast.testing.simulated_archive import SimulatedArchive
from holdfast.testing.virtual_time import BEGINNING

GIB = 1024**3


@dataclass
class _Session:
    tenant: str
    workload: str = ""
    volumes: list[SourceVolume] = field(default_factory=list)
    point: str = ""
    targets: list[VolumeTarget] = field(default_factory=list)
    attempts: set[int] = field(default_factory=set)
    results: dict[int, Any] = field(default_factory=dict)
    state: str = "open"
    # Of a copy: the point that is copied, and what was promised.
    copies: "SimulatedPoint | None" = None
    keep_until: datetime | None = None
    # When it was opened, and which plan it knows.
    opened_at: datetime = BEGINNING
    plan: int = 0


@dataclass
class SimulatedPoint:
    """A committed point."""

    id: str
    tenant: str
    workload: str
    created_at: datetime
    parent: str | None
    volumes: list[SourceVolume]
    configuration: bytes
    compared: bool
    copy_of: str = ""
    keep_until: datetime | None = None


class SimulatedRepository:
    """Implements BackupRepository; `snapshot_exists` is asked for base snapshots, as a worker would see them."""

    def __init__(
        self,
        now: Callable[[], datetime],
        snapshot_exists: Callable[[str], bool],
        location: str = "s3://bucket/prefix",
    ) -> None:
        self.location = location
        self.archive_class: ArchiveClass | None = None
        self.immutable = False
        self._now = now
        self._snapshot_exists = snapshot_exists
        self._number = 0
        self.sessions: dict[str, _Session] = {}
        self.points_by_id: dict[str, SimulatedPoint] = {}
        self.retired: list[str] = []
        # Retired points whose packs were condemned by a plan, and those whose packs are gone: one pack each.
        self.condemned: set[str] = set()
        self.freed: set[str] = set()
        self.plan = 0
        self.collections: list[CollectionWish] = []
        self.pins: dict[str, str] = {}
        self.fail_next: list[Exception] = []
        # What is to be said to a person when a session is opened, and what somebody has to see to.
        self.warnings: tuple[str, ...] = ()
        self.alarms: tuple[str, ...] = ()
        # What a verification finds of a point; points whose packs serve everybody; what the last backup was to avoid.
        self.damage: dict[str, tuple[DamagedObject, ...]] = {}
        self.opened: set[str] = set()
        self.avoided_packs: frozenset[str] = frozenset()
        # What a worker that restores a point or builds upon it fails with; points that somebody had a look at.
        self.broken: dict[str, HoldfastError] = {}
        self.looked_at: list[str] = []
        # Where its points lie, if it is an archive.
        self.cold = SimulatedArchive(now)

    @property
    def repository_id(self) -> str:
        return "ab" * 16

    def new_session(self) -> str:
        self._fail()
        self._number += 1
        return hashlib.sha256(f"session {self._number} in {self.location}".encode()).hexdigest()[:32]

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
        self._fail()
        self.avoided_packs = avoided_packs
        meant = _Session(tenant, workload, list(volumes), opened_at=self._now(), plan=self.plan, keep_until=keep_until)
        return self._prepare(session, attempt, meant)

    def write_copy(
        self,
        session: str,
        attempt: int,
        copies: SimulatedPoint,
        keep_until: datetime | None,
        avoided_packs: frozenset[str],
    ) -> PreparedWork:
        """The half of a copy that is written."""
        self._fail()
        self.avoided_packs = avoided_packs
        meant = _Session(copies.tenant, copies.workload, copies.volumes, opened_at=self._now(), plan=self.plan)
        return self._prepare(session, attempt, replace(meant, copies=copies, keep_until=keep_until))

    def _prepare(self, session: str, attempt: int, meant: _Session) -> PreparedWork:
        known = self.sessions.setdefault(session, meant)
        if known.state != "open":
            return self._prepare(self.new_session(), attempt, meant)
        known.attempts.add(attempt)
        ends = max(known.keep_until or self._now(), self._now()) + GENERATION if self.immutable else None
        return replace(self._work(session), locks_until=ends)

    def accept_backup(self, session: str, attempt: int, configuration: bytes) -> BackedUp | None:
        self._fail()
        known = self.sessions[session]
        if session in self.points_by_id:
            return self._backed_up(self.points_by_id[session])
        if attempt not in known.results or known.state != "open":
            return None
        mine = [
            one for one in self.points_by_id.values() if (one.tenant, one.workload) == (known.tenant, known.workload)
        ]
        parent = max(mine, key=lambda one: one.created_at, default=None)
        point = SimulatedPoint(
            session,
            known.tenant,
            known.workload,
            self._now() if known.copies is None else known.copies.created_at,
            None if parent is None else parent.id,
            known.volumes,
            configuration,
            compared=known.results[attempt]["compared"],
            copy_of="" if known.copies is None else known.copies.copy_of or known.copies.id,
            keep_until=known.keep_until,
        )
        self.points_by_id[session] = point
        known.state = "committed"
        return self._backed_up(point)

    def abandon(self, session: str) -> str | None:
        self._fail()
        known = self.sessions.get(session)
        if known is None:
            return None
        known.attempts.clear()
        if known.state == "committed":
            return session
        known.state = "abandoned"
        return None

    def point_volumes(self, point: str, tenant: str) -> tuple[list[PointVolume], bytes]:
        found = self.find(point, tenant)
        volumes = [PointVolume(volume.name, GIB, volume.source) for volume in found.volumes]
        return volumes, found.configuration

    def prepare_restore(
        self, session: str, attempt: int, point: str, tenant: str, volumes: Sequence[VolumeTarget]
    ) -> PreparedWork:
        self.pin(session, point, tenant)
        known = self.sessions[session]
        known.targets = list(volumes)
        known.attempts.add(attempt)
        return self._work(session)

    def pin(self, reader: str, point: str, tenant: str) -> SimulatedPoint:
        """The point, which stays while the reader reads."""
        self._fail()
        found = self.find(point, tenant)
        self.pins[reader] = point
        self.sessions.setdefault(reader, _Session(tenant, point=point))
        return found

    def restored(self, session: str, attempt: int) -> Mapping[str, Mapping[str, str]] | None:
        self._fail()
        result: Mapping[str, Mapping[str, str]] | None = self.sessions[session].results.get(attempt)
        return result

    def cold_data(self, point: str, tenant: str, volumes: Sequence[str]) -> ColdData:
        self._fail()
        self.find(point, tenant)
        if self.archive_class is None:
            return ColdData(storage_class=None)
        return self.cold.data(self.archive_class, _packs(point, volumes))

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
        self._fail()
        self.find(point, tenant)
        self.pins[session] = point
        offered(order, self.archive_class, f"restore point {point}")
        if self.archive_class is not None:
            asked = self.cold.go_on(self.archive_class, _packs(point, volumes), order, ordered)
            if asked:
                tell(asked_for(asked, order.tier.alone, order))
        return self.cold_data(point, tenant, volumes)

    def prepare_verification(self, session: str, attempt: int, point: str, tenant: str) -> PreparedWork:
        return self.prepare_restore(session, attempt, point, tenant, ())

    def verified(self, session: str, attempt: int, point: str, tenant: str) -> Verified | None:
        self._fail()
        self.find(point, tenant)
        if attempt not in self.sessions[session].results:
            return None
        opened = 0 if point in self.opened else 1
        self.opened.add(point)
        damage = self.damage.get(point, ())
        return Verified(1, 10, GIB // 2, damage, opened)

    def promises(self, point: str, tenant: str, until: datetime) -> bool:
        self._fail()
        promised = self.find(point, tenant).keep_until
        return not self.immutable or (promised is not None and promised >= until)

    def damage_of(self, point: str, tenant: str, suspected: Mapping[str, str]) -> tuple[DamagedObject, ...]:
        self._fail()
        self.looked_at.append(point)
        if point not in self.points_by_id:
            return (DamagedObject(f"restore point {point}", "there is none", ALL_VOLUMES),)
        volumes = tuple(volume.name for volume in self.points_by_id[point].volumes)
        true = damaged_objects(self.broken[point]) if point in self.broken else ()
        met = [DamagedObject(key, why, volumes) for key, why in suspected.items() if key in true]
        return tuple({one.object: one for one in (*met, *self.damage.get(point, ()))}.values())

    def has_result(self, session: str, attempt: int) -> bool:
        self._fail()
        return attempt in self.sessions[session].results

    def end_reading(self, session: str) -> None:
        self.pins.pop(session, None)
        if session in self.sessions:
            self.sessions[session].state = "ended"
            self.sessions[session].attempts.clear()

    def retire(self, point: str, tenant: str) -> None:
        self._fail()
        if self.points_by_id.pop(point, None) is not None:
            self.retired.append(point)

    def collect(self, wish: CollectionWish) -> Collected:
        """As the real one: what a plan condemns goes when no session is open that may build upon it."""
        self._fail()
        self.collections.append(wish)
        dead = set(self.retired) - self.freed
        if wish.dry_run:
            return self._collected(len(dead), condemned=len(dead))
        if self._waiting():
            return self._collected(len(dead), waiting=self._waiting())
        new = dead - self.condemned
        self.plan += bool(new)
        self.condemned |= new
        gone = set() if self._waiting() else self.condemned - self.freed
        self.freed |= gone
        return self._collected(len(dead), condemned=len(new), deleted=len(gone), waiting=self._waiting())

    def _waiting(self) -> dict[str, str]:
        """Open backups that do not know the newest plan."""
        return {
            name: format_time(one.opened_at)
            for name, one in self.sessions.items()
            if one.state == "open" and not one.point and one.plan < self.plan
        }

    def _collected(
        self, dead: int, condemned: int = 0, deleted: int = 0, waiting: Mapping[str, str] | None = None
    ) -> Collected:
        packs, pack_bytes = len(self.points_by_id) + dead, GIB // 2
        return Collected(
            plan=self.plan,
            restore_points=len(self.points_by_id),
            packs=packs,
            stored_bytes=packs * pack_bytes,
            condemned_packs=condemned,
            condemned_bytes=condemned * pack_bytes,
            repacked_packs=0,
            written_bytes=0,
            deleted_packs=deleted,
            freed_bytes=deleted * pack_bytes,
            kept_packs=0,
            waiting=waiting or {},
        )

    def points(self, tenant: str) -> list[Mapping[str, str | int]]:
        mine = sorted(
            (one for one in self.points_by_id.values() if one.tenant == tenant), key=lambda one: one.created_at
        )
        return [
            {
                "id": one.id,
                "workload": one.workload,
                "created": format_time(one.created_at),
                "size_bytes": GIB,
                "parent": one.parent or "",
                "copy_of": one.copy_of,
            }
            for one in mine
        ]

    def remove_stale_scratch(self, sessions: Sequence[str]) -> None:
        for session in sessions:
            if session in self.sessions:
                self.sessions[session].attempts.clear()

    def has_task(self, session: str, attempt: int) -> bool:
        """Whether a worker finds the task of that attempt."""
        known = self.sessions.get(session)
        return known is not None and known.state == "open" and attempt in known.attempts

    def do_task(self, session: str, attempt: int, make_snapshot: Callable[[Mapping[str, Any]], str]) -> None:
        """What a worker does: read the sources, or make a snapshot for each target, and leave the result."""
        known = self.sessions[session]
        if known.point:
            self._read(known)
            known.results[attempt] = {
                target.name: {"snapshot_id": make_snapshot(target.target)} for target in known.targets
            }
            return
        self._build_upon(self._parent(known))
        for volume in known.volumes if known.copies is None else ():
            if not self._snapshot_exists(volume.source["snapshot"]):
                raise SourceGoneError(
                    f"snapshot {volume.source['snapshot']} is gone", why="EBS has none", cure="run it again"
                )
        known.results[attempt] = {"compared": not all(map(self._snapshot_exists, self._bases(known)))}

    def _build_upon(self, parent: SimulatedPoint | None) -> None:
        broken = None if parent is None else self.broken.get(parent.id)
        if broken is not None and not {pack_id(key) for key in damaged_objects(broken)} & self.avoided_packs:
            raise broken

    def _read(self, known: "_Session") -> None:
        if known.targets and known.point in self.broken:
            raise self.broken[known.point]
        data = self.cold_data(known.point, known.tenant, [target.name for target in known.targets])
        if not data.is_readable:
            raise needs_retrieval(f"restore point {known.point}", data)

    def open_scratch(self) -> list[str]:
        """Sessions whose scratch is still there."""
        return sorted(name for name, session in self.sessions.items() if session.attempts)

    def _work(self, session: str) -> PreparedWork:
        key, bases = hashlib.sha256(session.encode()).digest(), self._bases(self.sessions[session])
        work = PreparedWork(session, self.repository_id, self.location, 1, key, bases)
        return replace(work, warnings=self.warnings, alarms=self.alarms)

    def _bases(self, known: "_Session") -> tuple[str, ...]:
        parent = self._parent(known)
        return () if parent is None else tuple(volume.source["snapshot"] for volume in parent.volumes)

    def _parent(self, known: "_Session") -> SimulatedPoint | None:
        """The newest point of the same workload; a restore has none, nor has a copy."""
        if known.point or known.copies is not None:
            return None
        parents = [one for one in self.points_by_id.values() if one.workload == known.workload]
        return max(parents, key=lambda one: one.created_at, default=None)

    def _backed_up(self, point: SimulatedPoint) -> BackedUp:
        size_bytes = len(point.volumes) * GIB
        created = format_time(point.created_at)
        return BackedUp(point.id, created, point.parent, size_bytes, size_bytes, GIB, GIB // 2, point.compared, ())

    def find(self, point: str, tenant: str) -> SimulatedPoint:
        """A point that is there."""
        found = self.points_by_id.get(point)
        if found is None or found.tenant != tenant:
            raise NotFoundError(f"no restore point begins with {point}", why="there is none", cure="look at the list")
        return found

    def _fail(self) -> None:
        if self.fail_next:
            raise self.fail_next.pop(0)


def _packs(point: str, volumes: Sequence[str]) -> list[str]:
    """One for each volume."""
    return [f"{point}/{volume}" for volume in volumes]
