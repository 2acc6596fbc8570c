"""What a copy builds upon: a point of the target, and the same backup's maps in the source to compare with."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from holdfast.domain.errors import IntegrityError
from holdfast.repository.copying.backups_here import BackupsHere, nearest
from holdfast.repository.format.manifest import Manifest, VolumeMap
from holdfast.repository.format.map_node import CUT_FIXED
from holdfast.repository.format.plan import Plan
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Progress
from holdfast.repository.sessions.points import PointSummary
from holdfast.repository.sessions.session import read_point
from holdfast.repository.writing.parents import clear_of, fixed_volumes, if_fit


@dataclass(frozen=True, slots=True)
class Base:
    """`manifest` is the target's, `volumes` are the same in the source, by name. `stands`: the source still has that
    point; where it has not, its maps may be going away.
    """

    manifest: Manifest
    volumes: Mapping[str, VolumeMap]
    stands: bool


class Heir:
    """Who writes to the target under that plan, or would."""

    def __init__(self, target: Repository, plan: Plan, avoided: frozenset[bytes] = frozenset()) -> None:
        self.target = target
        self.avoided = avoided
        self._plan = plan

    def if_fit(self, candidate: PointSummary) -> tuple[Manifest | None, str]:
        """The manifest of that point of the target, or why it is not built upon (rule 3)."""
        return if_fit(self.target, self._plan, candidate)


def choose_base(
    heir: Heir,
    source: Repository,
    there: BackupsHere,
    here: BackupsHere,
    point: PointSummary,
    progress: Progress,
) -> Base | None:
    """The nearest point of the workload that the heir may inherit from and whose maps the source has: of those that
    still stand `there`, else by the roots that a copy remembers. It leads to no pack of the target that the heir
    avoids; where all do, it is the nearest one with the volumes that do not.

    None: everything is read, which is noted where the workload has points here.
    """
    candidates = nearest(point, here.of_workload(point))
    passed_over, partly = "", None
    for backup, candidate in sorted(candidates, key=lambda one: there.find(one[0]) is None):
        manifest, why = heir.if_fit(candidate)
        if manifest is None:
            passed_over = passed_over or why
            continue
        standing = there.find(backup)
        volumes = _remembered(source, manifest) if standing is None else _read(source, standing)
        clear = _clear(heir, manifest, volumes)
        base = Base(manifest, clear, standing is not None) if clear else None
        if base is not None and len(clear) == len(volumes):
            return base
        partly = partly or base
    if partly is None and candidates:
        why = passed_over or "what they are copies of is no longer in the source"
        progress.note(f"all of {point.id} is read, for no point of {point.workload} can be built upon: {why}")
    return partly


def _clear(heir: Heir, manifest: Manifest, volumes: Mapping[str, VolumeMap]) -> Mapping[str, VolumeMap]:
    """Those of which the copy in the target leads to no pack that is avoided."""
    if not heir.avoided:
        return volumes
    clear = clear_of(heir.avoided, heir.target.access(manifest.tenant), fixed_volumes(manifest))
    return {name: volume for name, volume in volumes.items() if name in clear}


def _read(source: Repository, point: PointSummary) -> Mapping[str, VolumeMap]:
    """As its manifest says; nothing where that is gone or damaged, which spoils this base and nothing else."""
    try:
        manifest = read_point(source, point.key)
    except IntegrityError:
        manifest = None
    return {} if manifest is None else {volume.name: volume for volume in manifest.volumes}


def _remembered(source: Repository, manifest: Manifest) -> Mapping[str, VolumeMap]:
    """By the roots that the copy remembers of its volumes of fixed blocks, if it was copied from this source."""
    origin = manifest.origin
    if origin is None or origin.copied_from != source.config.repository:
        return {}
    pairs = zip(manifest.volumes, origin.roots, strict=False)
    return {volume.name: replace(volume, root=root) for volume, root in pairs if volume.cut == CUT_FIXED}


def base_volumes(base: Base | None, volume: VolumeMap) -> tuple[VolumeMap | None, VolumeMap | None]:
    """The base's volume of that name and cut, in the target and in the source."""
    if base is None:
        return None, None
    in_target = {one.name: one for one in base.manifest.volumes if one.cut == volume.cut}.get(volume.name)
    in_source = base.volumes.get(volume.name)
    if in_target is None or in_source is None or in_source.cut != volume.cut:
        return None, None
    return in_target, in_source
