"""Which version of a pack is retrieved where something was put over it (rule 9.5): nobody opens a cold one to see."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from holdfast.domain.errors import ObjectNotFoundError, PermissionDeniedError
from holdfast.repository.format import names
from holdfast.repository.format.manifest import StoredPack
from holdfast.repository.format.places import PackRow
from holdfast.repository.object_store import ObjectInfo, ObjectStore
from holdfast.repository.opening.repository import Repository
from holdfast.repository.sessions.recorded_packs import recorded_packs
from holdfast.repository.trust.coverings import covered


def versions_to_retrieve(repository: Repository, packs: Collection[str], rows: Iterable[PackRow]) -> Mapping[str, str]:
    """By key, of those of these packs that have several versions: the one with the size and checksum that the manifest
    of its session has of it, where one of `rows` says which that is; else the oldest in an archive class, for nobody
    knows a pack's name before it was written. Of all others the store finds the one that there is.
    """
    several = {
        one.key: one.versions
        for one in (covered(repository.store, names.PACKS) if packs else ())
        if one.key in packs and len(one.versions) > 1
    }
    doubted = [row for row in rows if names.pack(row.pack) in several]
    written = {names.pack(pack): one for pack, one in recorded_packs(repository, doubted).items()}
    chosen = {key: _choose(repository.store, key, versions, written.get(key)) for key, versions in several.items()}
    return {key: version for key, version in chosen.items() if version is not None}


def _choose(store: ObjectStore, key: str, versions: Sequence[ObjectInfo], written: StoredPack | None) -> str | None:
    oldest_cold = None
    for one in versions:
        try:
            info = store.head(key, one.version)
        except (ObjectNotFoundError, PermissionDeniedError):
            continue  # it went, or was put under a key of somebody else's
        if written is not None and (info.size_bytes, info.sha256) == (written.size_bytes, written.sha256):
            return one.version
        if info.coldness is not None:
            oldest_cold = one.version
    return oldest_cold
