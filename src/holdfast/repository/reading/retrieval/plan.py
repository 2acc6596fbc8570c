"""What has to be retrieved before points can be read: the cold packs that their maps lead to, those to which a repair
has copied what is damaged in these, and what somebody who read has met besides.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import ObjectNotFoundError
from holdfast.domain.retrieval import ColdData
from holdfast.repository.format import names
from holdfast.repository.format.places import PackRow
from holdfast.repository.object_store import Coldness
from holdfast.repository.opening.plans import plan_to_read_by
from holdfast.repository.opening.repository import Repository
from holdfast.repository.reading.losses import salvageable
from holdfast.repository.reading.reachability import Reachability
from holdfast.repository.reading.restore import choose_volume
from holdfast.repository.reading.retrieval.versions import versions_to_retrieve
from holdfast.repository.sessions.points import PointSummary, load_manifest
from holdfast.repository.trust.standing_packs import StandingPacks


@dataclass(frozen=True, slots=True)
class ColdPack:
    """A pack that is needed and lies in an archive class. `version`: which one, where something was put over it."""

    key: str
    size_bytes: int
    coldness: Coldness
    version: str | None = None

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
    def data(self) -> ColdData:
        """How much is where, for a person."""
        ends = [pack.coldness.readable_until for pack in self.packs if pack.coldness.readable_until is not None]
        return ColdData(
            storage_class=self.archive_class,
            cold_packs=len(self.packs),
            cold_bytes=_bytes(self.packs),
            readable_packs=len(self.readable),
            readable_bytes=_bytes(self.readable),
            under_way_packs=len(self.under_way),
            under_way_bytes=_bytes(self.under_way),
            archived_packs=len(self.archived),
            archived_bytes=_bytes(self.archived),
            readable_until=min(ends, default=None),
        )


def _bytes(packs: Iterable[ColdPack]) -> int:
    return sum(pack.size_bytes for pack in packs)


def plan_retrieval(
    repository: Repository,
    point: PointSummary,
    volumes: Sequence[str | None] | None,
    *,
    salvage: bool = False,
    met: frozenset[str] = frozenset(),
) -> RetrievalPlan:
    """For the volumes of these names (None: the only one), or for all of the point. Asks for nothing. `met`: what a
    NeedsRetrievalError named when this was read before.

    Raises as `packs_of_volumes`, and ObjectNotFoundError for a pack that is gone; with `salvage` these are left out.
    """
    packs = packs_of_volumes(repository, point, volumes, salvage=salvage)
    try:
        return plan_for_packs(repository, (point.session,), packs, met)
    except ObjectNotFoundError as error:
        raise salvageable(error) from None


def packs_of_volumes(
    repository: Repository, point: PointSummary, volumes: Sequence[str | None] | None, *, salvage: bool = False
) -> Mapping[bytes, PackRow | None]:
    """The packs that their maps lead to, with their rows, and the survivors of these (section 13); none in a standard
    repository, where nothing is walked.

    Raises IntegrityError for a map that cannot be walked to its end, UsageError and NotFoundError where a volume cannot
    be told. With `salvage` as far as the maps can be walked, and only packs that are there.
    """
    manifest = load_manifest(repository, point)
    chosen = manifest.volumes if volumes is None else [choose_volume(manifest, name) for name in volumes]
    if repository.config.archive_class is None:
        return {}
    standing = StandingPacks(repository.store)
    walk = Reachability(repository, standing)
    met: set[bytes] = set()
    for volume in chosen:
        found = walk.of_volume(manifest, volume)
        if found.damage and not salvage:
            raise salvageable(found.damage[0])
        met |= found.packs
    packs = with_survivors(repository, [walk.row_of(pack) for pack in met], standing)
    return {pack: row for pack, row in packs.items() if standing.stands(pack)} if salvage else packs


def with_survivors(
    repository: Repository, rows: Collection[PackRow], standing: StandingPacks
) -> Mapping[bytes, PackRow | None]:
    """The packs of these rows, and what a repair has made because some chunks in them do not open: that bears no row,
    for no manifest records it.
    """
    survivors = plan_to_read_by(repository.sealed).survivors
    others = {other for row in rows for other in survivors.get(row.pack, ()) if standing.stands(other)}
    return dict.fromkeys(others) | {row.pack: row for row in rows}


def plan_for_packs(
    repository: Repository,
    points: tuple[bytes, ...],
    packs: Mapping[bytes, PackRow | None],
    met: frozenset[str] = frozenset(),
) -> RetrievalPlan:
    """The same for whoever knows which packs of these points will be read; a pack's row is what leads to who wrote it.
    Raises ObjectNotFoundError.
    """
    archive_class = repository.config.archive_class
    if archive_class is None:
        return RetrievalPlan(points, None)
    keys = sorted({*map(names.pack, packs), *met})
    # Where nobody can lock anything a look at all versions is worth it only for what turned out not to open.
    rows = [row for row in packs.values() if row is not None]
    versions = versions_to_retrieve(repository, keys if repository.config.immutable else met, rows)

    def look(key: str) -> ColdPack | None:
        info = repository.store.head(key, versions.get(key))
        return None if info.coldness is None else ColdPack(key, info.size_bytes, info.coldness, versions.get(key))

    found = repository.surroundings.transfer.map(look, keys)
    return RetrievalPlan(points, archive_class, tuple(pack for pack in found if pack is not None))
