"""What has to be retrieved before points can be read: exactly the cold packs that their maps lead to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from holdfast.domain.archive import ArchiveClass
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest, VolumeMap
from holdfast.repository.object_store import Coldness
from holdfast.repository.opening.repository import Repository
from holdfast.repository.reading.reachability import Reachability
from holdfast.repository.reading.restore import choose_volume
from holdfast.repository.sessions.points import PointSummary, load_manifest
from holdfast.repository.trust.standing_packs import StandingPacks


@dataclass(frozen=True, slots=True)
class ColdPack:
    """A pack that is needed and lies in an archive class."""

    key: str
    size_bytes: int
    coldness: Coldness

    @property
    def is_readable(self) -> bool:
        """Whether a copy is there."""
        return self.coldness.readable_until is not None

    @property
    def is_archived(self) -> bool:
        """Whether it is neither there nor under way."""
        return not self.is_readable and not self.coldness.under_way


@dataclass(frozen=True, slots=True)
class RetrievalPlan:
    """The cold packs that somebody needs of these points (sessions), as they were when the store was asked; none in a
    standard repository, which has no archive class.
    """

    points: tuple[bytes, ...]
    archive_class: ArchiveClass | None
    packs: tuple[ColdPack, ...] = ()

    @property
    def archived(self) -> tuple[ColdPack, ...]:
        """Those that somebody has to ask for."""
        return tuple(pack for pack in self.packs if pack.is_archived)

    @property
    def under_way(self) -> tuple[ColdPack, ...]:
        """Those that were asked for."""
        return tuple(pack for pack in self.packs if pack.coldness.under_way and not pack.is_readable)

    @property
    def readable(self) -> tuple[ColdPack, ...]:
        """Those that can be read for now."""
        return tuple(pack for pack in self.packs if pack.is_readable)

    @property
    def is_readable(self) -> bool:
        """Whether a restore would find everything."""
        return all(pack.is_readable for pack in self.packs)

    @property
    def readable_until(self) -> datetime | None:
        """When the first of the copies that are there goes."""
        return min((pack.coldness.readable_until for pack in self.packs if pack.coldness.readable_until), default=None)


def plan_retrieval(repository: Repository, point: PointSummary, volume: str | None, *, whole: bool) -> RetrievalPlan:
    """For the volume of that name (or the only one), or with `whole` for all of the point. Asks for nothing.

    Raises IntegrityError for a map that cannot be walked to its end, ObjectNotFoundError for a pack that is gone,
    UsageError and NotFoundError where the volume cannot be told.
    """
    manifest = load_manifest(repository, point)
    volumes = manifest.volumes if whole else (choose_volume(manifest, volume),)
    if repository.config.archive_class is None:
        return RetrievalPlan((point.session,), None)
    return plan_for_packs(repository, (point.session,), _packs_of(repository, manifest, volumes))


def plan_for_packs(repository: Repository, points: tuple[bytes, ...], packs: Iterable[bytes]) -> RetrievalPlan:
    """The same for whoever knows which packs of these points will be read. Raises ObjectNotFoundError."""
    archive_class = repository.config.archive_class
    if archive_class is None:
        return RetrievalPlan(points, None)
    infos = repository.surroundings.transfer.map(repository.store.head, sorted(map(names.pack, packs)))
    cold = tuple(ColdPack(info.key, info.size_bytes, info.coldness) for info in infos if info.coldness is not None)
    return RetrievalPlan(points, archive_class, cold)


def _packs_of(repository: Repository, manifest: Manifest, volumes: Iterable[VolumeMap]) -> frozenset[bytes]:
    walk = Reachability(repository, StandingPacks(repository.store))
    packs: set[bytes] = set()
    for volume in volumes:
        found = walk.of_volume(manifest, volume)
        if found.damage:
            raise found.damage[0]
        packs |= found.packs
    return frozenset(packs)
