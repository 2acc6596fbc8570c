"""A lost node of a block map out of the volume's bytes: the same entries in the same places give the same id.

Only of fixed volumes: where a stream's chunks begin, nobody knows without its map.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, product

from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP, KeyRing
from holdfast.repository.format import map_node
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.map_node import CUT_FIXED, FANOUT
from holdfast.repository.format.places import Located, Place
from holdfast.repository.health.repair.quarry import Quarry
from holdfast.repository.writing.volume_writer import is_zero

# Where chunks lie in several packs, so many ways to refer to them are tried.
_TRIES = 256

Places = Callable[[bytes, int], Sequence[Place]]
Choice = list[Located | None]


class MapRebuilder:
    """For one volume: `places` says where a chunk may lie, `quarry` has the volume's bytes."""

    def __init__(self, keys: KeyRing, places: Places, volume: VolumeMap, quarry: Quarry) -> None:
        self._keys = keys
        self._places = places
        self._volume = volume
        self._quarry = quarry

    def node(self, level: int, number: int, wanted: bytes) -> bytes | None:
        """The plain bytes of that node if they come out with that id."""
        encodings = self._encodings(level, self._choices(level, number))
        return next((plain for identifier, plain in encodings if identifier == wanted), None)

    def _choices(self, level: int, number: int) -> list[Choice]:
        """What may stand in each entry of that node: an empty choice where nobody knows, None for a hole."""
        return [self._choice(level, number * FANOUT + at) for at in range(FANOUT)]

    def _choice(self, level: int, number: int) -> Choice:
        """Of block `number` (level 0), or of node `number` of the level below."""
        size, step = self._volume.size_bytes, self._volume.block_size_bytes * FANOUT**level
        offset = number * step
        if offset >= size:
            return [None]
        if level:
            return self._below(level - 1, number)
        plain = self._quarry.read(offset, min(step, size - offset))
        if plain is None:
            return []
        if is_zero(plain):
            return [None]
        return self._located(self._keys.chunk_key(CHUNK_TYPE_DATA).of(plain), CHUNK_TYPE_DATA)

    def _below(self, level: int, number: int) -> Choice:
        choices = self._choices(level, number)
        if all(choice == [None] for choice in choices):
            return [None]
        for identifier, _plain in self._encodings(level, choices):
            found = self._located(identifier, CHUNK_TYPE_MAP)
            if found:
                return found
        return []

    def _encodings(self, level: int, choices: list[Choice]) -> Iterator[tuple[bytes, bytes]]:
        """Ids and bytes that a node of these entries may have had."""
        for entries in islice(product(*choices), _TRIES):
            plain = map_node.encode(level, CUT_FIXED, list(entries), [])
            yield self._keys.chunk_key(CHUNK_TYPE_MAP).of(plain), plain

    def _located(self, identifier: bytes, chunk_type: int) -> Choice:
        return [Located(identifier, place) for place in self._places(identifier, chunk_type)]
