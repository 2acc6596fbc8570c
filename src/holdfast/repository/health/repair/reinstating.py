"""First of all what others have hidden comes to light (rule 9.5), so that all else is looked for in vain no more."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from holdfast.domain.errors import NeedsRetrievalError
from holdfast.repository.format.manifest import StoredPack
from holdfast.repository.health.checking.misplaced import Misplaced, misplaced
from holdfast.repository.object_store import ORDINARY, StorageTerms
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Progress


@dataclass(frozen=True, slots=True)
class Reinstated:
    """What was brought back on top, or would be, and what stays below something else: it is cold, and no copy is made
    of what nobody can read. Restores find it there.
    """

    done: tuple[Misplaced, ...]
    covered: tuple[Misplaced, ...]


def reinstate(
    repository: Repository, written: Mapping[str, StoredPack], progress: Progress, *, rehearsal: bool
) -> Reinstated:
    """Bring everything back that another version should be on top of; `written`: what manifests recorded of packs."""
    progress.note("looking behind delete markers and other versions")
    found = tuple(misplaced(repository, written))
    if rehearsal:
        return Reinstated(found, ())

    def bring_back(one: Misplaced) -> str:
        """Why that could not be, "" where it could."""
        try:
            repository.store.reinstate(one.object, one.version, _terms(repository, one))
        except NeedsRetrievalError as error:
            return f"{one.why}, and the one that counts is to be retrieved first: {error.why}"
        return ""

    whys = tuple(repository.surroundings.transfer.map(bring_back, found))
    return Reinstated(
        tuple(one for one, why in zip(found, whys, strict=True) if not why),
        tuple(replace(one, why=why) for one, why in zip(found, whys, strict=True) if why),
    )


def _terms(repository: Repository, one: Misplaced) -> StorageTerms:
    """A copy of what is cold, retrieved or not, is as cold."""
    archive_class = repository.config.archive_class
    if archive_class is None or repository.store.head(one.object, one.version).coldness is None:
        return ORDINARY
    return StorageTerms(archive_class)
