"""Which quarries there are for a volume: the same one in another repository, or the source that it was made from."""

from collections.abc import Callable, Sequence
from itertools import islice

from holdfast.domain.errors import IntegrityError, NotFoundError
from holdfast.domain.time import parse_time
from holdfast.repository.block_source import BlockSource
from holdfast.repository.copying.backups_here import backup_of
from holdfast.repository.format.manifest import Manifest, VolumeMap
from holdfast.repository.format.origin import Backup
from holdfast.repository.health.repair.quarry import Quarry, of_source, of_volume
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.opening.repository import Repository
from holdfast.repository.sessions.points import PointSummary, list_points, load_manifest

# A volume's best quarries; most blocks of a volume are the same in the points next to it.
Quarries = Callable[[Manifest, VolumeMap], Sequence[Quarry]]

_NEIGHBOURS = 4


def none(manifest: Manifest, volume: VolumeMap) -> Sequence[Quarry]:
    """Nothing but the repository itself."""
    return ()


def together(*several: Quarries) -> Quarries:
    """Those of one, then those of the next."""
    return lambda manifest, volume: [quarry for quarries in several for quarry in quarries(manifest, volume)]


def of_another_repository(other: Repository, here: bytes) -> Quarries:
    """Points of the same workload there: copies of the same backup first, then those of the same tenant, the nearest in
    time first; one that does not open is passed over. `here`: the id of the repository that is repaired.
    """
    points = list_points(other)

    def quarries(manifest: Manifest, volume: VolumeMap) -> Sequence[Quarry]:
        backup = Backup(here, manifest.session) if manifest.origin is None else manifest.origin.backup
        near = sorted(
            (point for point in points if point.workload == manifest.workload),
            key=lambda point: (
                backup_of(other, point) != backup,
                point.tenant != manifest.tenant,
                _apart(point, manifest),
            ),
        )
        opened = (found for found in (_opened(other, point) for point in near) if found is not None)
        return [
            of_volume(access, one)
            for there, access in islice(opened, _NEIGHBOURS)
            for one in there.volumes
            if one.name == volume.name
        ]

    return quarries


def _opened(other: Repository, point: PointSummary) -> tuple[Manifest, TenantAccess] | None:
    """The point with the keys to it; None where it is hurt itself, or has gone."""
    try:
        manifest = load_manifest(other, point)
        return manifest, other.access(manifest.tenant)
    except (IntegrityError, NotFoundError):
        return None


def _apart(point: PointSummary, manifest: Manifest) -> float:
    """Seconds between the two."""
    return abs((parse_time(point.created) - parse_time(manifest.created)).total_seconds())


def of_the_source(source: BlockSource, point: bytes, volume_name: str) -> Quarries:
    """The source, for that volume of that point."""
    quarry = of_source(source)

    def quarries(manifest: Manifest, volume: VolumeMap) -> Sequence[Quarry]:
        return [quarry] if manifest.session == point and volume.name == volume_name else []

    return quarries
