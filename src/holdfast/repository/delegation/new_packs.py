"""What a worker's packs say they hold: found in the store, and their directories opened, without reading their data."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

from holdfast.domain.errors import FormatError, IntegrityError, ObjectNotFoundError
from holdfast.repository.access import TenantAccess
from holdfast.repository.chunk_index import ChunkIndex
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format import names
from holdfast.repository.format import pack as form
from holdfast.repository.format.manifest import StoredPack
from holdfast.repository.format.pack import FOOTER, HEADER_BYTES, ChunkEntry
from holdfast.repository.format.places import PackRow, Place

# One read from a pack's end holds its directory, unless it has more than some hundred chunks.
_TAIL_BYTES = 16 * 1024


def index_new_packs(access: TenantAccess, session: bytes, packs: Sequence[StoredPack], index: ChunkIndex) -> None:
    """Add every chunk of the session's packs to `index`, by their sealed directories.

    Raises IntegrityError naming the pack for one that is not there as it was reported, or not of this session.
    """
    if len({pack.pack for pack in packs}) != len(packs):
        raise IntegrityError("a pack is reported twice", why="each has one place", cure="run the backup again")
    for pack, entries in _directories(access, session, packs):
        row = PackRow(access.keys.kid, session, pack.pack)
        for number, entry in enumerate(entries):
            place = Place(row, number, entry.offset, entry.length, entry.plain_length, entry.compression)
            index.add(entry.id, entry.type, place)


def _directories(
    access: TenantAccess, session: bytes, packs: Sequence[StoredPack]
) -> Iterator[tuple[StoredPack, list[ChunkEntry]]]:
    """A few at once, in order."""
    surroundings = access.surroundings
    under_way: deque[tuple[StoredPack, Future[list[ChunkEntry]]]] = deque()
    try:
        for pack in packs:
            if len(under_way) >= 2 * surroundings.transfer_width:
                oldest, future = under_way.popleft()
                yield oldest, future.result()
            under_way.append((pack, surroundings.transfer.submit(_directory, access, session, pack)))
        while under_way:
            oldest, future = under_way.popleft()
            yield oldest, future.result()
    finally:
        for _pack, future in under_way:
            future.cancel()


def _directory(access: TenantAccess, session: bytes, pack: StoredPack) -> list[ChunkEntry]:
    key, store, keys = names.pack(pack.pack), access.store, access.keys
    try:
        found = store.head(key)
        header_bytes = bytes(store.get(key, 0, HEADER_BYTES))
        start = max(0, found.size_bytes - _TAIL_BYTES)
        tail = memoryview(store.get(key, start, found.size_bytes - start))
    except ObjectNotFoundError as error:
        raise _refused(key, "it is not there") from error
    if found.size_bytes != pack.size_bytes or found.sha256 not in (None, pack.sha256):
        raise _refused(key, "the store has another size or checksum of it")
    header = form.read_header(header_bytes, key)
    if (header.repository, header.session, header.pack) != (keys.repository, session, pack.pack):
        raise _refused(key, "its header names another repository, session or pack")
    if header.kid != keys.kid or header.holds_maps != pack.holds_maps:
        raise _refused(key, "its header names another key epoch or sort")
    span = form.directory_span(tail[-FOOTER.size :], found.size_bytes, key)
    sealed = tail[span.offset - start : span.offset - start + span.length] if span.offset >= start else None
    if sealed is None:
        sealed = memoryview(store.get(key, span.offset, span.length))
    pack_key = keys.session(session).of_pack(pack.pack, holds_maps=pack.holds_maps)
    entries = form.open_parts(header_bytes, span, sealed, pack_key, key).entries
    expected = CHUNK_TYPE_MAP if pack.holds_maps else CHUNK_TYPE_DATA
    if any(entry.type != expected for entry in entries):
        raise FormatError(f"{key} has a bad directory", why="data and maps share no pack", key=key)
    return entries


def _refused(key: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"{key} is not the pack that was reported", why=why, cure="run the backup again", objects=(key,)
    )
