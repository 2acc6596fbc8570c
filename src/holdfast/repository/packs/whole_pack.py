"""Which chunks of a pack that was fetched whole do not open: checks and verify workers find out alike."""

from holdfast.repository.crypto.keyed_hash import KeyedHash
from holdfast.repository.format.pack import ChunkEntry, OpenedPack
from holdfast.repository.object_store import Buffer
from holdfast.repository.packs.chunk_opening import open_chunk


def bad_chunks(opened: OpenedPack, data: Buffer, type_key: KeyedHash) -> frozenset[bytes]:
    """The ids of those that do not open to them; `type_key` names chunks of the pack's type."""
    kind, view = opened.header.chunk_type, memoryview(data)
    return frozenset(
        entry.id
        for number, entry in enumerate(opened.entries)
        if entry.type != kind or not _opens(opened, number, entry, view, type_key)
    )


def _opens(opened: OpenedPack, number: int, entry: ChunkEntry, view: memoryview, type_key: KeyedHash) -> bool:
    sealed = view[entry.offset : entry.offset + entry.length]
    return open_chunk(opened.cipher, number, entry, sealed, type_key) is not None
