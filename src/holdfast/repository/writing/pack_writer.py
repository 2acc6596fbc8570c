"""Packs on their way into the store: filled in order, sealed, opened again to be sure, uploaded, found again (section
8).

The order of a chunk's life: id → compress → seal → open, decompress and re-hash → PUT with its checksum → HEAD.
"""

from collections import deque
from concurrent.futures import Future

from holdfast.domain.errors import IntegrityError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format import names
from holdfast.repository.format import pack as form
from holdfast.repository.format.manifest import StoredPack
from holdfast.repository.format.pack import ChunkCipher, ChunkEntry, PackHeader
from holdfast.repository.format.places import PackRow, Place
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.object_store import Buffer, StorageTerms
from holdfast.repository.packs.chunk_opening import open_chunk
from holdfast.repository.packs.prepared_chunk import PreparedChunk

_UPLOADS_AT_ONCE = 3
# Room for a pack is taken in such steps, so that it fits most of the packs after it too.
_ROOM_STEP_BYTES = 1 << 20


class PackWriter:
    """Fills packs of one sort (data or maps) for one session; used from one thread. At most a few packs are in
    memory.
    """

    def __init__(self, access: TenantAccess, session: bytes, *, holds_maps: bool) -> None:
        self._access = access
        self._session = session
        self._keys = access.keys.session(access.keys.kid, session)
        self._holds_maps = holds_maps
        self._type = CHUNK_TYPE_MAP if holds_maps else CHUNK_TYPE_DATA
        self._type_key = access.keys.chunk_key(self._type)
        self._uploads: deque[Future[StoredPack]] = deque()
        self._rooms: list[bytearray] = []
        self._stored: list[StoredPack] = []
        self._share_bytes: int | None = None
        self._begin()

    def _begin(self) -> None:
        self._pack = PackRow(self._access.keys.kid, self._session, self._access.surroundings.random_bytes(16))
        self._entries: list[ChunkEntry] = []
        self._contents: deque[Buffer] = deque()
        self._end = form.HEADER_BYTES
        self._plain_bytes = 0

    def hold_at_most(self, plain_bytes: int | None) -> None:
        """From here on a pack is full that holds so much of a source; None: only one of the repository's pack size."""
        self._share_bytes = plain_bytes

    def add(self, chunk: PreparedChunk) -> Place:
        """Take a chunk into the open pack and say where it will lie; may wait for an upload, and raise what befell
        one.
        """
        length = len(chunk.stored) + form.TAG_BYTES
        if self._entries and self._is_full(length, chunk.plain_length):
            self._close_pack()
        entry = ChunkEntry(
            id=chunk.id,
            offset=self._end,
            length=length,
            plain_length=chunk.plain_length,
            type=self._type,
            compression=chunk.compression,
            kid=self._pack.kid,
        )
        place = Place(self._pack, len(self._entries), self._end, length, chunk.plain_length, chunk.compression)
        self._entries.append(entry)
        self._contents.append(chunk.stored)
        self._end += length
        self._plain_bytes += chunk.plain_length
        return place

    def _is_full(self, length: int, plain_length: int) -> bool:
        """Whether a chunk of that length, sealed and plain, is for another pack."""
        if self._end + length > self._access.pack_size_bytes:
            return True
        return self._share_bytes is not None and self._plain_bytes + plain_length > self._share_bytes

    def acknowledged(self) -> list[StoredPack]:
        """Packs that were found again so far, in the order in which they were filled; may raise what befell one."""
        while self._uploads and self._uploads[0].done():
            self._stored.append(self._uploads.popleft().result())
        return self._stored

    def close(self) -> None:
        """Upload what the open pack holds; another one is begun."""
        if self._entries:
            self._close_pack()

    def finish(self) -> list[StoredPack]:
        """Upload what is left and wait until every pack is acknowledged and found again (rule 2)."""
        self.close()
        while self._uploads:
            self._stored.append(self._uploads.popleft().result())
        return self._stored

    def abandon(self) -> None:
        """Give up: wait for uploads under way, whatever comes of them; nothing refers to them."""
        while self._uploads:
            upload = self._uploads.popleft()
            if not upload.cancel():
                upload.exception()

    def _close_pack(self) -> None:
        while len(self._uploads) >= _UPLOADS_AT_ONCE:
            self._stored.append(self._uploads.popleft().result())
        transfer = self._access.surroundings.transfer
        work = (self._pack, self._entries, self._contents, self._end)
        self._uploads.append(transfer.submit(self._seal_and_store, *work))
        self._begin()

    def _room(self, size_bytes: int) -> bytearray:
        """Where a pack is built: one that an earlier pack has left, or a new one, whose pages cost time to make."""
        try:
            room = self._rooms.pop()
        except IndexError:
            room = bytearray()
        if len(room) < size_bytes:
            room = bytearray(-(-size_bytes // _ROOM_STEP_BYTES) * _ROOM_STEP_BYTES)
        return room

    def _seal_and_store(
        self, pack: PackRow, entries: list[ChunkEntry], contents: deque[Buffer], end: int
    ) -> StoredPack:
        """Build the pack and store it; `contents` shrinks as it is sealed, so a pack is never held twice."""
        key = self._keys.of_pack(pack.pack, holds_maps=self._holds_maps)
        ring = self._access.keys
        cipher = ChunkCipher(key, ring.repository, pack.pack)
        header = PackHeader(
            self._holds_maps, pack.kid, ring.repository, self._session, pack.pack, key.commitment, ring.suite
        ).encode()
        size = end + form.TAG_BYTES + form.DIRECTORY_ENTRY.size * len(entries) + form.FOOTER.size
        room = self._room(size)
        view = memoryview(room)[:size]
        view[: form.HEADER_BYTES] = header
        for number, entry in enumerate(entries):
            sealed = view[entry.offset : entry.offset + entry.length]
            cipher.seal_into(number, entry, contents.popleft(), sealed)
            self._prove(cipher, number, entry, sealed)
        directory = cipher.seal_directory(header, end, entries)
        view[end : end + len(directory)] = directory
        view[-form.FOOTER.size : -32] = form.footer(end, len(directory))
        trailer, sha256 = form.digest(view[:-32])
        view[-32:] = trailer
        object_key = names.pack(pack.pack)
        store = self._access.store
        # Maps are read to browse, to plan and to build upon; data before a restore alone.
        terms = StorageTerms(archive_class=None if self._holds_maps else self._access.archive_class)
        store.create(object_key, view, sha256, terms)
        self._rooms.append(room)
        found = store.head(object_key)
        if found.size_bytes != size or found.sha256 not in (None, sha256):
            raise IntegrityError(
                f"{object_key} did not arrive as it was sent",
                why=f"the store reports {found.size_bytes} bytes of {size}, or another checksum",
                cure="run the backup again; if it happens again, the store is not to be trusted",
                objects=(object_key,),
            )
        return StoredPack(pack.pack, self._holds_maps, size, sha256)

    def _prove(self, cipher: ChunkCipher, number: int, entry: ChunkEntry, sealed: memoryview) -> None:
        """Open what was sealed before it leaves: a faulty memory or processor is found now, not at the restore."""
        if open_chunk(cipher, number, entry, sealed, self._type_key) is None:
            raise IntegrityError(
                "a chunk did not survive being sealed",
                why="opened again before its upload it was not what went in: memory or processor may be faulty",
                cure="test this machine's memory; nothing was committed, run the backup on another machine",
            )
