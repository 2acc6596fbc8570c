"""Open one sealed chunk and prove it: unseal, decompress, hash again. Writers, readers and checks do it alike."""

from holdfast.repository.compression import decompress
from holdfast.repository.crypto.keys import chunk_id
from holdfast.repository.format.pack import ChunkCipher, ChunkEntry
from holdfast.repository.object_store import Buffer
from holdfast.repository.scratch_buffers import scratch


def open_chunk(cipher: ChunkCipher, number: int, entry: ChunkEntry, sealed: Buffer, type_key: bytes) -> Buffer | None:
    """The plain bytes of chunk `number`, valid until this thread's next call; None when `sealed` is not that chunk, or
    what comes out does not have its id.
    """
    if len(sealed) != entry.length:
        return None
    stored = cipher.open_into(number, entry, sealed, scratch(entry.length))
    plain = None if stored is None else decompress(entry.compression, stored, entry.plain_length)
    return None if plain is None or chunk_id(type_key, plain) != entry.id else plain
