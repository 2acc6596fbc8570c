"""What the directories of packs say that were read, 8 bytes a chunk: enough to tell whether a map names what lies where
it says.
"""

import hashlib
from collections.abc import Iterable

from holdfast.repository.format.pack import ChunkEntry, PackHeader
from holdfast.repository.format.places import Located, PackRow, Place

_PRINT_BYTES = 8


class KnownDirectories:
    """`secret`: random bytes of whoever looks. Nobody who wrote a map knew them, so none can have chosen an entry that
    looks like another one's.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._prints: dict[bytes, bytes] = {}

    def take(self, header: PackHeader, entries: Iterable[ChunkEntry]) -> None:
        """Know that pack from now on."""
        chunk_type = header.chunk_type
        row = PackRow(header.kid, header.session, header.pack)
        self._prints[header.pack] = b"".join(
            self._print(
                Located(one.id, Place(row, number, one.offset, one.length, one.plain_length, one.compression)),
                chunk_type,
            )
            for number, one in enumerate(entries)
        )

    def know(self, pack: bytes) -> bool:
        """Whether that pack was taken."""
        return pack in self._prints

    def contradict(self, chunk: Located, chunk_type: int) -> bool:
        """Whether the pack is known, and that chunk does not lie at that place in it."""
        prints = self._prints.get(chunk.place.pack.pack)
        if prints is None:
            return False
        at = chunk.place.number * _PRINT_BYTES
        return prints[at : at + _PRINT_BYTES] != self._print(chunk, chunk_type)

    def _print(self, chunk: Located, chunk_type: int) -> bytes:
        said = bytes((chunk_type,)) + chunk.encode_root()
        return hashlib.blake2b(said, digest_size=_PRINT_BYTES, key=self._secret).digest()
