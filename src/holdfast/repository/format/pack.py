"""Packs (section 8): sealed chunks, a sealed directory, a footer. Pure: the caller brings keys and buffers."""

import hashlib
import hmac
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdfast.domain.errors import FormatError
from holdfast.repository.crypto.keyed_hash import DEFAULT_SUITE
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP, AeadKey
from holdfast.repository.format.envelope import check_magic, damaged
from holdfast.repository.object_store import Buffer

MAGIC = b"HFPACK\x00\x01"
END_MAGIC = b"HFPKEND\x01"
HEADER = struct.Struct(">8sHHI16s16s16s32s")
HEADER_BYTES = HEADER.size
FOOTER = struct.Struct(">II8s32s")
DIRECTORY_ENTRY = struct.Struct(">32sIIIBBI")
CHUNK_AAD = struct.Struct(">4s16s16sQI32sIBBI")
TAG_BYTES = 16
PLAIN_LIMIT_BYTES = 8 * 1024 * 1024
PACK_LIMIT_BYTES = 256 * 1024 * 1024
# So many chunks have room in the directory of the largest pack, with nothing beside it.
CHUNKS_LIMIT = PACK_LIMIT_BYTES // DIRECTORY_ENTRY.size
MAP_FLAG = 1
DIRECTORY_NONCE = bytes(4) + b"\xff" * 8
RAW, ZSTD = 0, 1


@dataclass(frozen=True, slots=True)
class PackHeader:
    """The clear 96 bytes at the front of a pack."""

    holds_maps: bool
    kid: int
    repository: bytes
    session: bytes
    pack: bytes
    commitment: bytes
    suite: int = DEFAULT_SUITE

    @property
    def chunk_type(self) -> int:
        """What its chunks are: data and maps share no pack."""
        return CHUNK_TYPE_MAP if self.holds_maps else CHUNK_TYPE_DATA

    def encode(self) -> bytes:
        """96 bytes."""
        flags = MAP_FLAG if self.holds_maps else 0
        return HEADER.pack(
            MAGIC, self.suite, flags, self.kid, self.repository, self.session, self.pack, self.commitment
        )


@dataclass(frozen=True, slots=True)
class ChunkEntry:
    """One chunk as its pack's directory knows it."""

    id: bytes
    offset: int
    length: int
    plain_length: int
    type: int
    compression: int
    kid: int

    def encode(self) -> bytes:
        """50 bytes."""
        return DIRECTORY_ENTRY.pack(
            self.id, self.offset, self.length, self.plain_length, self.type, self.compression, self.kid
        )


class ChunkCipher:
    """Seals and opens the chunks of one pack; nonces are chunk numbers, so none is ever used twice."""

    def __init__(self, key: AeadKey, repository: bytes, pack: bytes) -> None:
        self._aead = AESGCM(key.key)
        self._repository = repository
        self._pack = pack

    def _bound(self, number: int, entry: ChunkEntry) -> tuple[bytes, bytes]:
        aad = CHUNK_AAD.pack(
            b"chnk",
            self._repository,
            self._pack,
            number,
            entry.offset,
            entry.id,
            entry.kid,
            entry.type,
            entry.compression,
            entry.plain_length,
        )
        return struct.pack(">IQ", 0, number), aad

    def seal_into(self, number: int, entry: ChunkEntry, stored: Buffer, room: memoryview) -> None:
        """Put the sealed bytes of chunk `number` into `room`, which is 16 bytes longer than `stored`."""
        nonce, aad = self._bound(number, entry)
        self._aead.encrypt_into(nonce, stored, aad, room)

    def open_into(self, number: int, entry: ChunkEntry, sealed: Buffer, scratch: memoryview) -> memoryview | None:
        """What was sealed, a view of `scratch` (at least as long as `sealed`); None when these are not that chunk's
        bytes.
        """
        nonce, aad = self._bound(number, entry)
        room = scratch[: len(sealed) - TAG_BYTES]
        try:
            self._aead.decrypt_into(nonce, sealed, aad, room)
        except InvalidTag:
            return None
        return room

    def seal_directory(self, header: bytes, offset: int, entries: list[ChunkEntry]) -> bytes:
        """The sealed directory, which begins at `offset`."""
        aad = self._directory_aad(header, offset, len(entries))
        return self._aead.encrypt(DIRECTORY_NONCE, b"".join(entry.encode() for entry in entries), aad)

    def open_directory(self, header: bytes, offset: int, sealed: Buffer) -> list[ChunkEntry] | None:
        """The entries, or None when the seal is broken."""
        count = (len(sealed) - TAG_BYTES) // DIRECTORY_ENTRY.size
        try:
            plain = self._aead.decrypt(DIRECTORY_NONCE, sealed, self._directory_aad(header, offset, count))
        except InvalidTag:
            return None
        return [ChunkEntry(*row) for row in DIRECTORY_ENTRY.iter_unpack(plain)]

    def _directory_aad(self, header: bytes, offset: int, count: int) -> bytes:
        return b"pdir" + self._repository + self._pack + header + struct.pack(">II", offset, count)


def footer(offset: int, length: int) -> bytes:
    """The clear footer without its SHA-256."""
    return FOOTER.pack(offset, length, END_MAGIC, bytes(32))[:-32]


def read_header(data: Buffer, object_key: str) -> PackHeader:
    """The clear header; FormatError when these bytes begin no pack."""
    if len(data) < HEADER_BYTES:
        raise FormatError(f"{object_key} is too short", why=f"{len(data)} bytes hold no pack header", key=object_key)
    magic, suite, flags, kid, repository, session, pack, commitment = HEADER.unpack(memoryview(data)[:HEADER_BYTES])
    check_magic(magic, MAGIC, suite, object_key)
    if flags not in (0, MAP_FLAG):
        raise FormatError(f"{object_key} has unknown flags {flags}", why="a pack holds data or maps", key=object_key)
    return PackHeader(bool(flags & MAP_FLAG), kid, repository, session, pack, commitment, suite)


@dataclass(frozen=True, slots=True)
class OpenedPack:
    """A whole pack whose header and directory are in order."""

    header: PackHeader
    entries: list[ChunkEntry]
    cipher: ChunkCipher


def least_bytes(number: int, end: int) -> int:
    """So long is a pack at least of which chunk `number` ends at byte `end`: directory and footer come behind."""
    return end + (number + 1) * DIRECTORY_ENTRY.size + TAG_BYTES + FOOTER.size


@dataclass(frozen=True, slots=True)
class DirectorySpan:
    """Where a pack's sealed directory lies, as its footer says: it ends at the footer."""

    offset: int
    length: int


def directory_span(footer_bytes: Buffer, size_bytes: int, object_key: str) -> DirectorySpan:
    """From the last 48 bytes of a pack of `size_bytes`; FormatError for what no pack has."""
    if not HEADER_BYTES + TAG_BYTES + FOOTER.size <= size_bytes <= PACK_LIMIT_BYTES or len(footer_bytes) != FOOTER.size:
        raise FormatError(f"{object_key} has {size_bytes} bytes", why="no pack has that size", key=object_key)
    offset, length, magic, _digest = FOOTER.unpack(footer_bytes)
    if magic != END_MAGIC or offset < HEADER_BYTES or offset + length + FOOTER.size != size_bytes:
        raise FormatError(
            f"{object_key} has a bad footer", why="its directory does not end at the footer", key=object_key
        )
    if length < TAG_BYTES or (length - TAG_BYTES) % DIRECTORY_ENTRY.size:
        raise FormatError(f"{object_key} has a bad directory", why=f"it has {length} bytes", key=object_key)
    return DirectorySpan(offset, length)


def open_body(data: Buffer, key: AeadKey, object_key: str) -> OpenedPack:
    """Check a whole pack's header, footer and directory; digest and chunks are the caller's to check.

    Raises IntegrityError naming the object for anything that is not as it was sealed.
    """
    view = memoryview(data)
    read_header(view[:HEADER_BYTES], object_key)
    span = directory_span(view[-FOOTER.size :], len(view), object_key)
    return open_parts(view[:HEADER_BYTES], span, view[span.offset : span.offset + span.length], key, object_key)


def open_parts(
    header_bytes: Buffer, span: DirectorySpan, directory: Buffer, key: AeadKey, object_key: str
) -> OpenedPack:
    """The same of header and sealed directory alone, which say everything of a pack but its data."""
    header = read_header(header_bytes, object_key)
    if not hmac.compare_digest(header.commitment, key.commitment):
        raise damaged(object_key, "it was not sealed under the key of its session")
    cipher = ChunkCipher(key, header.repository, header.pack)
    entries = cipher.open_directory(bytes(header_bytes), span.offset, directory)
    if entries is None:
        raise damaged(object_key, "the seal of its directory is broken")
    end = HEADER_BYTES
    for entry in entries:
        if (
            entry.offset != end
            or entry.length < TAG_BYTES
            or entry.plain_length > PLAIN_LIMIT_BYTES
            or entry.kid != header.kid
        ):
            raise FormatError(
                f"{object_key} has a bad directory", why="its chunks do not follow one another", key=object_key
            )
        end += entry.length
    if end != span.offset:
        raise FormatError(f"{object_key} has a bad directory", why="its chunks do not fill the pack", key=object_key)
    return OpenedPack(header, entries, cipher)


def digest(before: Buffer) -> tuple[bytes, bytes]:
    """(SHA-256 of all bytes before the trailer, SHA-256 of the whole object with it), in one pass."""
    running = hashlib.sha256(before)
    trailer = running.digest()
    running.update(trailer)
    return trailer, running.digest()
