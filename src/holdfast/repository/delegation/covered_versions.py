"""What a worker is told of what others have hidden, or have put something over: it may list nothing (rule 9.5)."""

from holdfast.repository.opening.repository import Repository
from holdfast.repository.trust.coverings import covered


def covered_versions(repository: Repository, *prefixes: str) -> dict[str, tuple[str, ...]]:
    """By key under these prefixes the versions of what is covered so, the newest first; nothing where nobody can lock
    anything: there a repair is quicker than a second look.
    """
    if not repository.config.immutable:
        return {}
    return {
        one.key: tuple(info.version for info in one.versions if info.version is not None)
        for prefix in prefixes
        for one in covered(repository.store, prefix)
    }
