"""Open one sealed chunk and prove it: unseal, decompress, hash again. Writers, readers and checks do it alike."""

from dataclasses import dataclass

from holdfast.domain.errors import IntegrityError
from holdfast.repository.crypto.keyed_hash import KeyedHash
from holdfast.repository.format.pack import ChunkCipher, ChunkEntry
from holdfast.repository.format.places import Place
from holdfast.repository.object_store import Buffer
from holdfast.repository.packs.compression import decompress
from holdfast.repository.packs.scratch_buffers import scratch


@dataclass(frozen=True, slots=True)
class OpenedChunk:
    """A proven chunk as it was sealed (`stored`, of that `compression`) and plain; both valid until this thread opens
    the next one.
    """

    compression: int
    stored: Buffer
    plain: Buffer


def open_chunk(
    cipher: ChunkCipher, number: int, entry: ChunkEntry, sealed: Buffer, type_key: KeyedHash
) -> Buffer | None:
    """The plain bytes of chunk `number`, valid until this thread's next call; None when `sealed` is not that chunk, or
    what comes out does not have its id.
    """
    opened = open_whole(cipher, number, entry, sealed, type_key)
    return None if opened is None else opened.plain


def does_not_open(place: Place) -> str:
    """What is said of such a chunk."""
    return f"chunk {place.number} at byte {place.offset} does not open"


def damaged_pack(key: str, why: str) -> IntegrityError:
    """The pack of such a chunk, where nothing else is read in its stead."""
    return IntegrityError(
        f"{key} is damaged",
        why=why,
        cure="run `holdfast repository repair`; `holdfast repository check --read-data` says whom it hurts",
        objects=(key,),
    )


def open_stored(
    cipher: ChunkCipher, number: int, entry: ChunkEntry, sealed: Buffer, type_key: KeyedHash
) -> bytes | None:
    """What was sealed as it was sealed, compressed or not, after the same proof; None as above."""
    opened = open_whole(cipher, number, entry, sealed, type_key)
    return None if opened is None else bytes(opened.stored)


def open_whole(
    cipher: ChunkCipher, number: int, entry: ChunkEntry, sealed: Buffer, type_key: KeyedHash
) -> OpenedChunk | None:
    """Both, after the same proof; None as above."""
    if len(sealed) != entry.length:
        return None
    stored = cipher.open_into(number, entry, sealed, scratch(entry.length))
    plain = None if stored is None else decompress(entry.compression, stored, entry.plain_length)
    if stored is None or plain is None or type_key.of(plain) != entry.id:
        return None
    return OpenedChunk(entry.compression, stored, plain)
