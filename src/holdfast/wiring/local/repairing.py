"""A repair of a repository that is open, and where else the bytes of its volumes may be."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from holdfast.domain.errors import UsageError
from holdfast.repository.health.checking.check import Damage
from holdfast.repository.health.repair.quarries import Quarries, none, of_another_repository, of_the_source, together
from holdfast.repository.health.repair.recording import record_points
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.health.repair.report import RepairReport
from holdfast.repository.progress import Progress
from holdfast.repository.reading.restore import choose_volume
from holdfast.repository.sessions.points import find_point, load_manifest
from holdfast.wiring.local.opening import LocalRepository, Warn, opened
from holdfast.wiring.password_words import FROM_PASSWORD
from holdfast.wiring.sources import STREAM, open_source


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """As a person names it: another repository with its password, a source with the point and volume made from it."""

    repository: str | None = None
    password: bytes | None = None
    source: str | None = None
    point: str | None = None
    volume: str | None = None


def mend(
    local: LocalRepository, elsewhere: Elsewhere, warn: Warn, progress: Progress, *, rehearsal: bool
) -> RepairReport:
    """Heal what can be healed. Raises UsageError for words that do not fit."""
    with _quarries(local, elsewhere, warn, progress) as quarries:
        return repair(local.repository, quarries, progress, rehearsal=rehearsal)


def tell_ledger(local: LocalRepository, progress: Progress, *, rehearsal: bool) -> RepairReport:
    """The ledger is told of points that it does not know; no pack is read, and nothing else is looked at."""
    told = record_points(local.repository, progress, rehearsal=rehearsal)
    damage = tuple(Damage(key, error.why, (), harmless=False) for key, error in sorted(told.unreadable.items()))
    return RepairReport(others=damage, rehearsal=rehearsal, points=told.points)


@contextmanager
def _quarries(local: LocalRepository, elsewhere: Elsewhere, warn: Warn, progress: Progress) -> Iterator[Quarries]:
    found: Quarries = none
    with ExitStack() as stack:
        if elsewhere.source is not None:
            if elsewhere.point is None:
                raise UsageError(
                    "which restore point was made of the source?",
                    why="a source has no name there",
                    cure="add --restore-point POINT",
                )
            if elsewhere.source == STREAM:
                raise UsageError(
                    "a stream cannot be read where it is hurt",
                    why="it comes once, from its beginning",
                    cure="name a file, a block device or an EBS snapshot",
                )
            manifest = load_manifest(local.repository, find_point(local.repository, elsewhere.point, None))
            volume = choose_volume(manifest, elsewhere.volume)
            source = stack.enter_context(closing(open_source(elsewhere.source)))
            found = together(found, of_the_source(source, manifest.session, volume.name))
        elif elsewhere.point is not None or elsewhere.volume is not None:
            raise UsageError(
                "a restore point and no source",
                why="--restore-point and --volume say what --source is",
                cure="add --source SOURCE",
            )
        if elsewhere.repository is not None:
            there = opened(elsewhere.repository, elsewhere.password, warn, remembering=False, words=FROM_PASSWORD)
            other = stack.enter_context(there)
            if other.repository.config.archive_class is not None:
                progress.note(f"{elsewhere.repository} is an archive: of it only what was retrieved can be read")
            found = together(found, of_another_repository(other.repository, local.repository.config.repository))
        yield found
