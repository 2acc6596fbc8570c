"""What a worker's packs say they hold: found in the store, and their directories opened, without reading their data."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.access import TenantAccess
from holdfast.repository.chunk_index import ChunkIndex
from holdfast.repository.format import names
from holdfast.repository.format.manifest import StoredPack
from holdfast.repository.pack_directory import PackDirectory, read_directory


def index_new_packs(
    access: TenantAccess, session: bytes, kid: int, packs: Sequence[StoredPack], index: ChunkIndex
) -> None:
    """Add every chunk of the session's packs, which are of its task's key epoch, to `index`, by their sealed
    directories.

    Raises IntegrityError naming the pack for one that is not there as it was reported, or not of this session.
    """
    if len({pack.pack for pack in packs}) != len(packs):
        raise IntegrityError("a pack is reported twice", why="each has one place", cure="run the backup again")
    for directory in _directories(access, session, kid, packs):
        for entry, located in zip(directory.entries, directory.located(), strict=True):
            index.add(entry.id, entry.type, located.place)


def _directories(
    access: TenantAccess, session: bytes, kid: int, packs: Sequence[StoredPack]
) -> Iterator[PackDirectory]:
    """A few at once, in order."""
    surroundings = access.surroundings
    under_way: deque[Future[PackDirectory]] = deque()
    try:
        for pack in packs:
            if len(under_way) >= 2 * surroundings.transfer_width:
                yield under_way.popleft().result()
            under_way.append(surroundings.transfer.submit(_directory, access, session, kid, pack))
        while under_way:
            yield under_way.popleft().result()
    finally:
        for future in under_way:
            future.cancel()


def _directory(access: TenantAccess, session: bytes, kid: int, pack: StoredPack) -> PackDirectory:
    key = names.pack(pack.pack)
    try:
        read = read_directory(access, pack.pack, session)
    except ObjectNotFoundError as error:
        raise _refused(key, "it is not there") from error
    if read.info.size_bytes != pack.size_bytes or read.info.sha256 not in (None, pack.sha256):
        raise _refused(key, "the store has another size or checksum of it")
    if read.header.kid != kid or read.header.holds_maps != pack.holds_maps:
        raise _refused(key, "its header names another key epoch or sort")
    return read


def _refused(key: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"{key} is not the pack that was reported", why=why, cure="run the backup again", objects=(key,)
    )
