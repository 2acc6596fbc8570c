"""Damage of restore points in repositories: it stands with the point, and nothing new is built upon it."""

from collections.abc import Mapping
from dataclasses import replace

from holdfast.appliance.points.damaged_packs import further_packs, remember_further_packs
from holdfast.appliance.points.retention_work import RetentionWork
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface
from holdfast.domain.errors import (
    HoldfastError,
    IntegrityError,
    ObjectNotFoundError,
    WorkerLostError,
    damaged_objects,
)
from holdfast.domain.numerals import counted
from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.session import LogLevel
from holdfast.domain.verification import Verification

# What a restore, or a backup upon a point, fails with where data is damaged or missing. Workers give up one after the
# other where a pack is gone.
_TELLING = (IntegrityError, ObjectNotFoundError, WorkerLostError)
# Where a look failed, too.
NOT_LOOKED_AT = "what of the restore point is damaged is not known"


class PointDamage:
    """Looks at points, and writes down what is wrong with them."""

    def __init__(self, surface: Surface, book: SessionBook, retention: RetentionWork) -> None:
        self._surface = surface
        self._book = book
        self._retention = retention

    def look(self, point: RestorePoint, suspected: Mapping[str, str] | None = None) -> RestorePoint:
        """A point of a repository, as it is known after a look at it; `suspected`: objects, and why."""
        before = point.verification
        known = dict.fromkeys(further_packs(self._surface, point), "it was found damaged before")
        known |= {} if before is None else {one.object: one.why for one in before.damage}
        tenant = self._surface.tenant(point.workload.account)
        with self._surface.repositories.open(point.repository or "") as repository:
            damage = repository.damage_of(point.id, tenant, {**known, **(suspected or {})})
        if not damage:
            return point
        verification = Verification.of(damage, self._surface.surroundings.now())
        remember_further_packs(self._surface, point, damage)
        self._retention.change(point, lambda one: replace(one, verification=verification))
        return replace(point, verification=verification)

    def look_after_failure(self, session_id: str, task_id: str, point_id: str, error: HoldfastError) -> None:
        """A restore of the point failed, or a backup upon it: what it met, and what else a look finds, is written
        down. Nothing where it failed for another reason.
        """
        if not isinstance(error, _TELLING):
            return
        point = self.look(self._surface.records.points.get(point_id), dict.fromkeys(damaged_objects(error), error.why))
        if point.is_hurt:
            self._book.say(session_id, f"{lack_of(point)}: nothing new is built upon that", LogLevel.WARNING, task_id)


def lack_of(point: RestorePoint) -> str:
    """Which volumes of a point that is hurt lack something."""
    volumes = () if point.verification is None else point.verification.hurt_volumes
    return f"{point.kind} {point.id} lacks data of {', '.join(volumes)}"


def remark_on(damaged: frozenset[str]) -> tuple[str, ...]:
    """What a person should know of them before something is made beside them."""
    if not damaged:
        return ()
    return (f"{counted(len(damaged), 'damaged pack')} of earlier restore points: nothing is built upon them",)
