"""Which earlier point a session may build upon (ordering rule 3), and what of a source is to be read then."""

from collections.abc import Iterator, Mapping
from enum import Enum

from holdfast.domain.errors import IntegrityError, NotFoundError, ObjectNotFoundError
from holdfast.repository.block_source import BlockReference, BlockSource
from holdfast.repository.crypto.keys import CHUNK_TYPE_MAP
from holdfast.repository.format.manifest import IMAGE, Manifest, VolumeMap
from holdfast.repository.format.map_node import CUT_FIXED
from holdfast.repository.format.plan import Plan
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.opening.repository import Repository
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.map_reader import leaves
from holdfast.repository.sessions.points import PointSummary, list_points, load_manifest
from holdfast.repository.sessions.session import WriterSession, may_be_inherited

# Of a point that the newest plan does not list as live: it needs a condemned pack, or the plan's maker did not know it.
OUTDATED = "the newest plan of collections and repairs lets nobody build upon it"


class Method(Enum):
    """How a backup knew what to read."""

    FULL = "full"
    CHANGED_BLOCKS = "changed-blocks"
    COMPARED = "compared"
    STREAM = "stream"

    @classmethod
    def of(cls, parent: VolumeMap | None, changed: Iterator[BlockReference] | None) -> "Method":
        """Of a volume that was read with this parent and these changes."""
        return cls.FULL if parent is None else cls.COMPARED if changed is None else cls.CHANGED_BLOCKS


def newest_parent(session: WriterSession, *, only_volume: bool) -> tuple[Manifest | None, tuple[str, ...]]:
    """The workload's newest point that this session may inherit from; a warning for each newer one passed over goes
    with it. `only_volume`: it must have one volume and no more.
    """
    passed_over: list[str] = []
    points = list_points(session.repository, session.tenant.name, session.workload)
    for point in reversed(points):
        if point.kind != IMAGE:
            continue
        manifest, why = if_fit(session.repository, session.plan, point)
        if manifest is not None and only_volume and len(fixed_volumes(manifest)) != 1:
            manifest, why = None, "it has several volumes"
        if manifest is not None:
            return manifest, tuple(passed_over)
        passed_over.append(f"point {point.id} was passed over as the parent: {why}")
    return None, tuple(passed_over)


def if_fit(repository: Repository, plan: Plan, point: PointSummary) -> tuple[Manifest | None, str]:
    """The point's manifest, or why it cannot be the parent of who writes under that plan (rule 3)."""
    try:
        manifest = load_manifest(repository, point)
    except NotFoundError as error:
        return None, error.why
    except IntegrityError:
        return None, "it is damaged; run `holdfast repository check`"
    if not may_be_inherited(manifest, plan):
        return None, OUTDATED
    return manifest, ""


def fixed_volumes(manifest: Manifest) -> dict[str, VolumeMap]:
    """The point's volumes of fixed blocks, by name."""
    return {volume.name: volume for volume in manifest.volumes if volume.cut == CUT_FIXED}


def clear_of(avoided: frozenset[bytes], access: TenantAccess, volumes: Mapping[str, VolumeMap]) -> dict[str, VolumeMap]:
    """Those of which no block lies in one of these packs, as far as their maps open at all."""
    maps = ChunkReader(access, CHUNK_TYPE_MAP, IndexSearch(access))

    def is_clear(volume: VolumeMap) -> bool:
        try:
            return not any(row.pack in avoided for _number, leaf in leaves(volume, maps) for row in leaf.packs)
        except (IntegrityError, ObjectNotFoundError):
            return False

    return {name: volume for name, volume in volumes.items() if is_clear(volume)}


def changes_since(
    source: BlockSource, parent: VolumeMap | None
) -> tuple[Iterator[BlockReference] | None, tuple[str, ...]]:
    """What differs from the parent where the source can tell, and a warning where it should have known but no longer
    does.
    """
    if parent is None:
        return None, ()
    changed = source.changed_since(parent.source)
    base = parent.source.get("snapshot")
    if changed is None and base is not None and source.facts.get("snapshot") is not None:
        return None, (f"what changed since {base} is not known any more: everything was read and compared",)
    return changed, ()
