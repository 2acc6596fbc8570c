"""Chunks out of packs: neighbours fetched with one range read, opened and verified (sections 8 and 9).

A place is a hint: when its pack is gone the index says where the chunk lies now.
"""

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from holdfast.domain.errors import FormatError, IntegrityError, ObjectNotFoundError, UnsupportedFormatError
from holdfast.repository.access import TenantAccess
from holdfast.repository.chunk_opening import OpenedChunk, open_whole
from holdfast.repository.crypto.keys import CHUNK_TYPE_MAP
from holdfast.repository.format import names
from holdfast.repository.format.pack import PACK_LIMIT_BYTES, PLAIN_LIMIT_BYTES, TAG_BYTES, ChunkCipher, ChunkEntry
from holdfast.repository.format.places import Located, PackRow, Place
from holdfast.repository.object_store import Buffer

GAP_LIMIT_BYTES = 64 * 1024
RANGE_LIMIT_BYTES = 4 * 1024 * 1024

Locate = Callable[[bytes, int], Place | None]


@dataclass(frozen=True, slots=True)
class PackRange:
    """Neighbouring chunks of one pack, read together: bytes [offset, end) of the pack."""

    pack: PackRow
    offset: int
    end: int
    chunks: tuple[Located, ...]


def plan_ranges(chunks: Iterable[Located]) -> Iterator[PackRange]:
    """Each chunk once, in pack order, neighbours together unless the gap or the range grows too large."""
    distinct = {(chunk.place.pack.pack, chunk.place.offset, chunk.id): chunk for chunk in chunks}
    run: list[Located] = []
    for _key, chunk in sorted(distinct.items()):
        if run:
            first, last = run[0].place, run[-1].place
            near = chunk.place.offset - (last.offset + last.length) <= GAP_LIMIT_BYTES
            if (
                first.pack != chunk.place.pack
                or not near
                or chunk.place.offset + chunk.place.length - first.offset > RANGE_LIMIT_BYTES
            ):
                yield _range(run)
                run = []
        run.append(chunk)
    if run:
        yield _range(run)


def _range(run: list[Located]) -> PackRange:
    return PackRange(
        run[0].place.pack, run[0].place.offset, max(c.place.offset + c.place.length for c in run), tuple(run)
    )


class ChunkReader:
    """Opens chunks of one tenant and type. Any thread may use it."""

    def __init__(self, access: TenantAccess, chunk_type: int, locate: Locate) -> None:
        self._store = access.store
        self._keys = access.keys
        self._type = chunk_type
        self._type_key = access.keys.chunk_key(chunk_type)
        self._locate = locate
        self._cipher = functools.lru_cache(maxsize=256)(self._derive)

    def read(self, wanted: PackRange) -> Iterator[tuple[Located, Buffer]]:
        """Every chunk of the range with its plain bytes, valid until the next is asked for; errors as of `open`."""
        return ((chunk, opened.plain) for chunk, opened in self.open(wanted))

    def open(self, wanted: PackRange) -> Iterator[tuple[Located, OpenedChunk]]:
        """Every chunk of the range, proven, with what was sealed beside its plain bytes.

        Raises IntegrityError naming the pack when a chunk is damaged, ObjectNotFoundError when it is nowhere.
        """
        key = names.pack(wanted.pack.pack)
        try:
            data = memoryview(self._store.get(key, wanted.offset, wanted.end - wanted.offset))
        except ObjectNotFoundError:
            yield from self._read_elsewhere(wanted, key)
            return
        for chunk in wanted.chunks:
            at = chunk.place.offset - wanted.offset
            yield chunk, self._open(chunk.id, chunk.place, data[at : at + chunk.place.length])

    def read_one(self, chunk: Located) -> bytes:
        """One chunk's plain bytes, to keep."""
        [(_chunk, plain)] = self.read(_range([chunk]))
        return bytes(plain)

    def _read_elsewhere(self, wanted: PackRange, key: str) -> Iterator[tuple[Located, OpenedChunk]]:
        for chunk in wanted.chunks:
            place = self._locate(chunk.id, self._type)
            if place is None or place.pack.pack == wanted.pack.pack:
                raise ObjectNotFoundError(key, why="the pack is gone and no index run knows its chunks elsewhere")
            data = self._store.get(names.pack(place.pack.pack), place.offset, place.length)
            yield chunk, self._open(chunk.id, place, data)

    def _open(self, chunk: bytes, place: Place, sealed: Buffer) -> OpenedChunk:
        key = names.pack(place.pack.pack)
        if not TAG_BYTES <= place.length <= PACK_LIMIT_BYTES or place.plain_length > PLAIN_LIMIT_BYTES:
            raise FormatError(f"a place in {key} has impossible sizes", why=f"{place.length} bytes", key=key)
        entry = ChunkEntry(
            chunk, place.offset, place.length, place.plain_length, self._type, place.compression, place.pack.kid
        )
        opened = open_whole(self._cipher(place.pack), place.number, entry, sealed, self._type_key)
        if opened is None:
            raise IntegrityError(
                f"{key} is damaged",
                why=f"chunk {place.number} at byte {place.offset} does not open",
                cure="run `holdfast repository check --read-data` to see which restore points it hurts",
                objects=(key,),
            )
        return opened

    def _derive(self, pack: PackRow) -> ChunkCipher:
        keys = self._keys
        if pack.kid != keys.kid:
            raise UnsupportedFormatError(
                f"a pack is sealed under key epoch {pack.kid}",
                why=f"this program holds epoch {keys.kid} only",
                cure="use a newer Holdfast",
            )
        key = keys.session(pack.session).of_pack(pack.pack, holds_maps=self._type == CHUNK_TYPE_MAP)
        return ChunkCipher(key, keys.repository, pack.pack)
