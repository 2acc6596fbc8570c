"""A chunk ready to be sealed, whoever made it so."""

from dataclasses import dataclass

from holdfast.repository.object_store import Buffer


@dataclass(frozen=True, slots=True)
class PreparedChunk:
    """`id` is that of the tenant it is stored for; `stored` is what is sealed, compressed or not."""

    id: bytes
    plain_length: int
    compression: int
    stored: Buffer
