"""Chunks out of packs: neighbours fetched with one range read, opened and verified (sections 8 and 9).

A place is a hint: when its pack is gone, or the chunk in it does not open, the index says where else the chunk lies.
In an archive that may be a cold pack, of which no plan of a retrieval knew.
"""

import functools
from collections import defaultdict
from collections.abc import Container, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from holdfast.domain.errors import (
    ChunksMovedError,
    FormatError,
    HoldfastError,
    IntegrityError,
    NeedsRetrievalError,
    ObjectNotFoundError,
    PermissionDeniedError,
    UnsupportedFormatError,
)
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format import names
from holdfast.repository.format.pack import PACK_LIMIT_BYTES, PLAIN_LIMIT_BYTES, TAG_BYTES, ChunkCipher, ChunkEntry
from holdfast.repository.format.places import Located, PackRow, Place
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.object_store import Buffer
from holdfast.repository.packs.chunk_opening import OpenedChunk, damaged_pack, does_not_open, open_whole
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.trust.older_versions import UNSEEN, as_damage, older_versions, unreadable

GAP_LIMIT_BYTES = 64 * 1024
RANGE_LIMIT_BYTES = 4 * 1024 * 1024

# What says of a chunk that it opens nowhere; all others say that nobody could look.
FAILURES = (IntegrityError, ObjectNotFoundError, UnsupportedFormatError)


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
    """Opens chunks of one tenant and type. Any thread may use it.

    `passed_over`: damaged objects (key to why) for which another copy was read.
    """

    def __init__(self, access: TenantAccess, chunk_type: int, search: IndexSearch) -> None:
        self._store = access.store
        # Maps are never cold: what is, under a map pack's name, is somebody else's.
        self._may_be_cold = access.archive_class is not None and chunk_type == CHUNK_TYPE_DATA
        self._keys = access.keys
        self._type = chunk_type
        self._type_key = access.keys.chunk_key(chunk_type)
        self._search = search
        self._cipher = functools.lru_cache(maxsize=256)(self._derive)
        self._versions = functools.lru_cache(maxsize=256)(self._older_versions)
        # Packs of which a version could not be read: what does not open in the others may open in it.
        self._refused: dict[str, HoldfastError] = {}
        self.passed_over: dict[str, str] = {}

    def read(self, wanted: PackRange) -> Iterator[tuple[Located, Buffer]]:
        """Every chunk of the range with its plain bytes, valid until the next is asked for; errors as of `open`."""
        return ((chunk, opened.plain) for chunk, opened in self.open(wanted))

    def open(self, wanted: PackRange) -> Iterator[tuple[Located, OpenedChunk]]:
        """Every chunk of the range, proven, with what was sealed beside its plain bytes.

        Raises IntegrityError naming the pack when a chunk is damaged, ObjectNotFoundError when its pack is gone, and no
        other copy opens either; ChunksMovedError where the only other one is under a key that this party lacks,
        NeedsRetrievalError naming what is cold where the only one is, here or elsewhere.
        """
        for chunk, found in self.each(wanted):
            if isinstance(found, HoldfastError):
                raise found
            yield chunk, found

    def each(self, wanted: PackRange) -> Iterator[tuple[Located, OpenedChunk | HoldfastError]]:
        """The same, with the error of `FAILURES` in the stead of a chunk that opens nowhere, and NeedsRetrievalError in
        that of one that has but a cold copy elsewhere. Raises all others.
        """
        data: memoryview | HoldfastError
        chunks = wanted.chunks
        try:
            data = self._get(wanted)
        except (ObjectNotFoundError, *UNSEEN) as error:
            data = error
        # What is covered by something is read in an older version instead.
        if isinstance(data, ObjectNotFoundError) and not self._versions(names.pack(wanted.pack.pack)):
            chunks = yield from self._moved(wanted)
        for chunk in chunks:
            found: OpenedChunk | HoldfastError
            try:
                if isinstance(data, ObjectNotFoundError):
                    found = self._copy_of_missing(chunk)
                elif isinstance(data, HoldfastError):
                    found = self._copy_of_unseen(chunk, data)
                else:
                    opened = self._open_in(wanted, data, chunk)
                    found = self._copy_of_damaged(chunk) if opened is None else opened
            except FAILURES as error:
                found = error
            except NeedsRetrievalError as error:
                if isinstance(data, NeedsRetrievalError):
                    raise  # nobody has retrieved the pack itself: most of the others will be as cold
                found = error
            yield chunk, found

    def _get(self, wanted: PackRange) -> memoryview:
        key = names.pack(wanted.pack.pack)
        return memoryview(self._store.get(key, wanted.offset, wanted.end - wanted.offset))

    def _moved(self, wanted: PackRange) -> Generator[tuple[Located, OpenedChunk], None, tuple[Located, ...]]:
        """Of a pack that is gone, because a collection has moved its chunks: all that opens elsewhere, neighbours
        together there as well. Returned is the rest, each to be looked for by itself.
        """
        left, passed = dict.fromkeys(wanted.chunks), {wanted.pack.pack}
        while origins := self._elsewhere(left, passed):
            for one in plan_ranges(origins):
                passed.add(one.pack.pack)
                for moved, opened in self._opened_of(one):
                    for chunk in origins[moved]:
                        del left[chunk]
                        yield chunk, opened
        return tuple(left)

    def _elsewhere(self, chunks: Iterable[Located], passed: Container[bytes]) -> dict[Located, list[Located]]:
        """The first other places that index runs know, but for these packs; each with the chunks as they are asked."""
        origins: dict[Located, list[Located]] = defaultdict(list)
        for chunk in chunks:
            places = self._search.places(chunk.id, self._type)
            place = next((one for one in places if one.pack.pack not in passed), None)
            if place is not None:
                origins[Located(chunk.id, place)].append(chunk)
        return origins

    def _opened_of(self, wanted: PackRange) -> Iterator[tuple[Located, OpenedChunk]]:
        """What of the range opens; what does not, though its pack is there, is noted."""
        key = names.pack(wanted.pack.pack)
        try:
            self._cipher(wanted.pack)
            data = self._get(wanted)
        except (ObjectNotFoundError, ChunksMovedError, PermissionDeniedError):
            return
        except NeedsRetrievalError as error:
            if not self._may_be_cold:
                self.passed_over.setdefault(key, error.why)
            return
        for chunk in wanted.chunks:
            opened = None
            with suppress(FormatError):
                opened = self._open_in(wanted, data, chunk)
            if opened is None:
                self.passed_over.setdefault(key, does_not_open(chunk.place))
            else:
                yield chunk, opened

    def _open_in(self, wanted: PackRange, data: memoryview, chunk: Located) -> OpenedChunk | None:
        at = chunk.place.offset - wanted.offset
        return self._open(chunk.id, chunk.place, data[at : at + chunk.place.length])

    def read_one(self, chunk: Located) -> bytes:
        """One chunk's plain bytes, to keep."""
        return bytes(self.open_one(chunk).plain)

    def open_one(self, chunk: Located) -> OpenedChunk:
        """One chunk, from wherever it opens; errors as of `open`."""
        [(_chunk, opened)] = self.open(_range([chunk]))
        return opened

    def open_at(self, chunk: bytes, place: Place) -> OpenedChunk | None:
        """The chunk from that very place; None where it does not open there, or the pack is gone."""
        try:
            return self._open_in_pack(chunk, place)
        except ObjectNotFoundError:
            return None

    def _open_in_pack(self, chunk: bytes, place: Place) -> OpenedChunk | None:
        """From what is found, or what something was put over. Raises ObjectNotFoundError."""
        try:
            opened = self._open(chunk, place, self._store.get(names.pack(place.pack.pack), place.offset, place.length))
        except UNSEEN:
            hidden = self._older_version(chunk, place)
            if hidden is None:
                raise
            return hidden
        return self._older_version(chunk, place) if opened is None else opened

    def _copy_of_missing(self, chunk: Located) -> OpenedChunk:
        hidden = self._older_version(chunk.id, chunk.place)  # who may not see the newest may see one below it
        if hidden is not None:
            return hidden
        copy, denied = self._copy(chunk)
        if copy is not None:
            return copy
        raise denied or ObjectNotFoundError(
            names.pack(chunk.place.pack.pack), why="the pack is gone and no index run knows its chunks elsewhere"
        )

    def _copy_of_unseen(self, chunk: Located, refusal: HoldfastError) -> OpenedChunk:
        """Where nobody may read what is found: it may be there to hide the pack (rule 9.5), or in its place."""
        copy = self._passing_over(chunk, refusal.why, "an older version is read")
        if copy is None:
            key = names.pack(chunk.place.pack.pack)
            below = self._refused.get(key)
            raise self._of_unseen(key, below if below is not None and self._may_be_cold else refusal)
        return copy

    def _of_unseen(self, key: str, refusal: HoldfastError) -> HoldfastError:
        """In an archive packs are cold, and are retrieved; else one that nobody may read is damaged."""
        if isinstance(refusal, NeedsRetrievalError):
            return _cold(refusal.what, refusal.why, key) if self._may_be_cold else unreadable(key, refusal)
        return as_damage(self._store, key, refusal)

    def _copy_of_damaged(self, chunk: Located) -> OpenedChunk:
        key, why = names.pack(chunk.place.pack.pack), does_not_open(chunk.place)
        copy = self._passing_over(chunk, why, "an older version of the object does")
        if copy is not None:
            return copy
        if key in self._refused:
            raise self._of_unseen(key, self._refused[key])
        raise damaged_pack(key, f"{why}, and no other copy does")

    def _passing_over(self, chunk: Located, why: str, older: str) -> OpenedChunk | None:
        """From an older version of its pack, which is told in the words of `older`, else from another place; None where
        it opens nowhere. What was passed over, and why, is noted.
        """
        hidden = self._older_version(chunk.id, chunk.place)
        copy = self._copy(chunk)[0] if hidden is None else hidden
        if copy is not None:
            key = names.pack(chunk.place.pack.pack)
            self.passed_over.setdefault(key, why if hidden is None else f"{why}; {older}")
        return copy

    def _older_versions(self, key: str) -> tuple[str, ...]:
        return tuple(older_versions(self._store, key))

    def _older_version(self, chunk: bytes, place: Place) -> OpenedChunk | None:
        """From a version that something else was put over (rule 9.5)."""
        key = names.pack(place.pack.pack)
        for version in self._versions(key):
            try:
                opened = self._open(chunk, place, self._store.get(key, place.offset, place.length, version))
            except ObjectNotFoundError:
                continue
            except UNSEEN as error:
                if key not in self._refused or (self._may_be_cold and isinstance(error, NeedsRetrievalError)):
                    self._refused[key] = error
                continue
            if opened is not None:
                return opened
        return None

    def _copy(self, chunk: Located) -> tuple[OpenedChunk | None, HoldfastError | None]:
        """From the first other place that any index run knows and that opens, each asked once; and why one could not be
        asked. Raises NeedsRetrievalError where none opens and one has to be retrieved.
        """
        denied: HoldfastError | None = None
        cold = ""
        for place in self._search.places(chunk.id, self._type):
            if place == chunk.place:
                continue
            key = names.pack(place.pack.pack)
            try:
                opened = self._open_in_pack(chunk.id, place)
            except ObjectNotFoundError:
                continue
            except (ChunksMovedError, PermissionDeniedError) as error:
                denied = error
                continue
            except NeedsRetrievalError as error:
                if self._may_be_cold and self._has_key_of(place):
                    cold = cold or key
                else:
                    self.passed_over.setdefault(key, error.why)
                continue
            if opened is not None:
                return opened, None
            self.passed_over.setdefault(key, does_not_open(place))
        if cold:
            lacking = names.pack(chunk.place.pack.pack)
            why = f"{does_not_open(chunk.place)} or is gone, and its copy in {cold} lies in an archive class"
            raise _cold(f"{lacking} is damaged", why, cold)
        return None, denied

    def _has_key_of(self, place: Place) -> bool:
        """Whether it is worth retrieving; a worker has the keys of what it was told of alone."""
        try:
            self._cipher(place.pack)
        except ChunksMovedError:
            return False
        return True

    def _open(self, chunk: bytes, place: Place, sealed: Buffer) -> OpenedChunk | None:
        """None where these bytes are not that chunk."""
        key = names.pack(place.pack.pack)
        if not TAG_BYTES <= place.length <= PACK_LIMIT_BYTES or place.plain_length > PLAIN_LIMIT_BYTES:
            raise FormatError(f"a place in {key} has impossible sizes", why=f"{place.length} bytes", key=key)
        entry = ChunkEntry(
            chunk, place.offset, place.length, place.plain_length, self._type, place.compression, place.pack.kid
        )
        return open_whole(self._cipher(place.pack), place.number, entry, sealed, self._type_key)

    def _derive(self, pack: PackRow) -> ChunkCipher:
        session = self._keys.session(pack.kid, pack.session)
        key = session.of_pack(pack.pack, holds_maps=self._type == CHUNK_TYPE_MAP)
        return ChunkCipher(key, self._keys.repository, pack.pack)


def _cold(what: str, why: str, key: str) -> NeedsRetrievalError:
    cure = "run it again with a retrieval tier (`--retrieval-tier`): that is retrieved then, too"
    return NeedsRetrievalError(what, why=why, cure=cure, packs=(key,))


def passed_over_by(*readers: ChunkReader) -> dict[str, str]:
    """Damaged objects, and why, for which any of these readers read another copy."""
    return {key: why for reader in readers for key, why in reader.passed_over.items()}
