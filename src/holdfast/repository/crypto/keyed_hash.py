"""KH of section 1: the keyed hash that names chunks, tenants and workloads. Suite 2 is BLAKE3 in keyed mode."""

from blake3 import blake3

from holdfast.repository.object_store import Buffer

SUITE = 2
HASH_BYTES = 32


def keyed_hash(key: bytes, data: Buffer) -> bytes:
    """BLAKE3 keyed hash of `data`, 32 bytes; `key` has 32 bytes. Releases the interpreter lock on large input."""
    return blake3(data, key=key).digest()
