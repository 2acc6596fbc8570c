"""Objects of which another version should be on top than is: what a check names, and a repair puts right (rule 9.5)."""

import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from holdfast.domain.errors import FormatError, ObjectNotFoundError
from holdfast.repository.format import config, names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.manifest import StoredPack
from holdfast.repository.health.checking.object_check import check_small_data, runs_that_count
from holdfast.repository.health.checking.pack_check import examine_pack, tenants_of
from holdfast.repository.object_store import Buffer, ObjectInfo
from holdfast.repository.opening.repository import Repository
from holdfast.repository.trust.coverings import Covered, covered
from holdfast.repository.trust.few_at_once import few_at_once
from holdfast.repository.trust.older_versions import NOT_IT, UNSEEN
from holdfast.repository.trust.vouching import Vouching

# Names that several parties may write: of two versions that open the first counts (rule 9.7).
_CONTESTED = (names.TENANTS, names.POINTS, names.LEDGER, names.PLANS, names.EPOCHS)


@dataclass(frozen=True, slots=True)
class Misplaced:
    """The `version` of the object that counts, and why a reader who cannot look at versions does not find it. `cold`: a
    copy on top of the other versions is needed, and cannot be made before it is retrieved.
    """

    object: str
    version: str
    why: str
    cold: bool = False


def misplaced(repository: Repository, written: Mapping[str, StoredPack]) -> Iterator[Misplaced]:
    """Of all objects; `written`: what manifests recorded of packs. Of what no version opens nothing is said: that is
    damage, or junk that somebody was right to hide.
    """
    is_good = _proof(repository, written)

    def look(one: Covered) -> Misplaced | None:
        with suppress(ObjectNotFoundError):  # a collection has deleted what was listed
            return _misplaced(repository, one, is_good)
        return None

    found = few_at_once(repository.surroundings, look, covered(repository.store))
    return (one for _covered, one in found if one is not None)


def _misplaced(repository: Repository, one: Covered, is_good: Callable[[str, str], bool]) -> Misplaced | None:
    order: Iterable[ObjectInfo] = one.versions
    if one.key.startswith(_CONTESTED):
        order = reversed(one.versions)
    for info in order:
        if info.version is not None and is_good(one.key, info.version):
            if not one.hidden and _is_on_top(repository, one, info):
                return None
            why = "a delete marker stands over it" if one.hidden else "another version was put over it"
            return Misplaced(one.key, info.version, why, _is_below_and_cold(repository, one, info.version))
    return None


def _is_below_and_cold(repository: Repository, one: Covered, version: str) -> bool:
    """A marker alone goes without a copy."""
    in_archive = repository.config.archive_class is not None and one.key.startswith(names.PACKS)
    if not in_archive or version == one.versions[0].version:
        return False
    coldness = repository.store.head(one.key, version).coldness
    return coldness is not None and coldness.readable_until is None


def _is_on_top(repository: Repository, one: Covered, good: ObjectInfo) -> bool:
    """Whether that version, or a copy of it that a repair has put there, is the newest."""
    newest = one.versions[0]
    if good is newest:
        return True
    if newest.size_bytes != good.size_bytes:
        return False
    get, head = repository.store.get, repository.store.head
    try:
        stored = [head(one.key, info.version).sha256 for info in (newest, good)]
        if None not in stored:
            return stored[0] == stored[1]
        return get(one.key, version=newest.version) == get(one.key, version=good.version)
    except UNSEEN:
        return False


def _proof(repository: Repository, written: Mapping[str, StoredPack]) -> Callable[[str, str], bool]:
    """Whether that version of an object is one of the repository's own, and as it was written."""
    runs = runs_that_count(repository)
    tenants = functools.cache(lambda: tenants_of(repository))  # by the first pack of which nothing was recorded

    def of_pack(key: str, version: str) -> bool:
        pack = written.get(key)
        stored = repository.store.head(key, version)
        if pack is not None and stored.sha256 is not None:
            return (stored.size_bytes, stored.sha256) == (pack.size_bytes, pack.sha256)
        data = repository.store.get(key, version=version)
        return not examine_pack(repository, key, data, pack, tenants()).why

    def of_small(key: str, version: str) -> bool:
        _open(repository, key, repository.store.get(key, version=version), runs)
        return True

    def proof(key: str, version: str) -> bool:
        try:
            return of_pack(key, version) if key.startswith(names.PACKS) else of_small(key, version)
        except (*NOT_IT, *UNSEEN, ObjectNotFoundError):
            return False

    return proof


def _open(repository: Repository, key: str, data: Buffer, runs: Vouching) -> None:
    """Raises IntegrityError, UnsupportedFormatError for what is not that object."""
    if key == names.CONFIG:
        config.decode(repository.sealed.open(key, data, Kind.CONFIG)[1])
        repository.epochs.vouching.require(key, data)
    elif key.startswith(names.POINTS):
        repository.sealed.open(key, data, Kind.MANIFEST, Kind.TOMBSTONE)
        record = repository.ledger.state.live.get(names.session_of_point(key), {})
        if record.get("manifest") not in (None, hashlib.sha256(data).digest()):
            raise FormatError(f"{key} is another one", why="the ledger says so", key=key)
    else:
        check_small_data(repository, key, data, runs)
