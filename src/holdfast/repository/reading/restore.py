"""Bring a volume of a restore point back to a target, under a pin (ordering rule 7)."""

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.domain.errors import NotFoundError, UsageError
from holdfast.repository.block_source import BlockTarget
from holdfast.repository.format.manifest import Manifest, VolumeMap
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Progress
from holdfast.repository.reading.losses import Lose, Losses, Lost, refuse
from holdfast.repository.reading.passed_over import warnings_in
from holdfast.repository.reading.volume_reader import VolumeReader
from holdfast.repository.sessions.pins import pinned
from holdfast.repository.sessions.points import PointSummary, load_manifest


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was restored; `facts` is what the target said at the end, `warnings` are lines for a person, `lost` is what
    a salvage could not restore, ascending.
    """

    manifest: Manifest
    volume: VolumeMap
    facts: Mapping[str, str]
    warnings: tuple[str, ...]
    lost: tuple[Lost, ...]


def restore_volume(
    repository: Repository,
    point: PointSummary,
    target: BlockTarget,
    progress: Progress,
    volume: str | None = None,
    *,
    salvage: bool = False,
    retrieves: bool = False,
) -> RestoreReport:
    """Restore the volume of that name (or the only one). Whatever fails, the target is aborted and the error raised;
    with `salvage` what opens nowhere is zeros in the target, and lost; what has but a cold copy in an archive, too,
    unless the caller `retrieves` what a NeedsRetrievalError names.
    """
    losses = Losses(cold_too=not retrieves)
    with pinned(repository, [point.session], progress) as living:
        manifest = load_manifest(repository, point)
        chosen = choose_volume(manifest, volume)
        access, lose = repository.access(manifest.tenant), losses.add if salvage else refuse
        facts, passed_over = restore_to(access, chosen, target, living, lose)
    return RestoreReport(manifest, chosen, facts, warnings_in(repository, passed_over), losses.found())


def restore_to(
    access: TenantAccess, volume: VolumeMap, target: BlockTarget, progress: Progress, lose: Lose = refuse
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """One volume into a target: its word at the end, and damaged objects, with why, for which another copy was read;
    aborted where anything fails. What opens nowhere is told to `lose`, as of VolumeReader. The caller pins.
    """
    reader = VolumeReader(access, volume)
    finished = False
    try:
        target.begin(volume.size_bytes)
        reader.restore(target, progress, lose)
        facts = target.finish()
        finished = True
    finally:
        if not finished:
            target.abort()
    return facts, reader.passed_over()


def choose_volume(manifest: Manifest, name: str | None) -> VolumeMap:
    """The volume of that name, or the only one there is."""
    names = [volume.name for volume in manifest.volumes]
    if name is None and len(names) == 1:
        return manifest.volumes[0]
    if name is None:
        raise UsageError("which volume?", why=f"the point has {', '.join(names)}", cure="add --volume NAME")
    for volume in manifest.volumes:
        if volume.name == name:
            return volume
    raise NotFoundError(f"the point has no volume {name}", why=f"it has {', '.join(names)}", cure="name one of them")
