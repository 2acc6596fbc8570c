"""What a worker's packs say they hold: found in the store, and their directories opened, without reading their data.
Of a cold pack nothing can be read: it is found, and that is all.
"""

from collections.abc import Mapping, Sequence

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.format import names
from holdfast.repository.format.manifest import StoredPack
from holdfast.repository.format.places import PackRow
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.object_store import ObjectInfo
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.packs.pack_directory import PackDirectory, read_directory
from holdfast.repository.trust.few_at_once import few_at_once


def index_new_packs(
    access: TenantAccess, session: bytes, kid: int, packs: Sequence[StoredPack], index: ChunkIndex
) -> Mapping[PackRow, int]:
    """Add every chunk of the session's packs, which are of its task's key epoch, to `index`, by their sealed
    directories. Of an archive's data packs, which nobody reads, the sizes.

    Raises IntegrityError naming the pack for one that is not there as it was reported, or not of this session.
    """
    if len({pack.pack for pack in packs}) != len(packs):
        raise IntegrityError("a pack is reported twice", why="each has one place", cure="run the backup again")
    in_archive = access.archive_class is not None
    cold = [pack for pack in packs if in_archive and not pack.holds_maps]
    warm = [pack for pack in packs if pack.holds_maps or not in_archive]
    for _pack, _found in few_at_once(access.surroundings, lambda pack: _find(access, pack), cold):
        pass
    read = few_at_once(access.surroundings, lambda pack: _directory(access, session, kid, pack), warm)
    for _pack, directory in read:
        for entry, located in zip(directory.entries, directory.located(), strict=True):
            index.add(entry.id, entry.type, located.place)
    return {PackRow(kid, session, pack.pack): pack.size_bytes for pack in cold}


def _find(access: TenantAccess, pack: StoredPack) -> None:
    key = names.pack(pack.pack)
    try:
        _compare(key, access.store.head(key), pack)
    except ObjectNotFoundError as error:
        raise _refused(key, "it is not there") from error


def _directory(access: TenantAccess, session: bytes, kid: int, pack: StoredPack) -> PackDirectory:
    key = names.pack(pack.pack)
    try:
        read = read_directory(access, pack.pack, session)
    except ObjectNotFoundError as error:
        raise _refused(key, "it is not there") from error
    _compare(key, read.info, pack)
    if read.header.kid != kid or read.header.holds_maps != pack.holds_maps:
        raise _refused(key, "its header names another key epoch or sort")
    return read


def _compare(key: str, found: ObjectInfo, pack: StoredPack) -> None:
    if found.size_bytes != pack.size_bytes or found.sha256 not in (None, pack.sha256):
        raise _refused(key, "the store has another size or checksum of it")


def _refused(key: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"{key} is not the pack that was reported", why=why, cure="run the backup again", objects=(key,)
    )
