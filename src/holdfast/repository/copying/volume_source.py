"""A volume of another repository's point as what a volume is written from."""

from collections.abc import Iterable, Iterator, Mapping

from holdfast.domain.errors import FormatError, UnsupportedFormatError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES, BlockContent, BlockReference
from holdfast.repository.copying.translation import Translation
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.map_node import FANOUT
from holdfast.repository.format.origin import Backup
from holdfast.repository.format.places import Located
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.map_difference import MapDifference
from holdfast.repository.reading.map_reader import MapReader, leaves


class CopiedVolume:
    """Implements ContentSource. A reference's token is where the block lies: the map is read once."""

    def __init__(self, backup: Backup, volume: VolumeMap, maps: ChunkReader, translation: Translation) -> None:
        if volume.block_size_bytes != BLOCK_SIZE_BYTES:
            raise UnsupportedFormatError(
                f"volume {volume.name} has blocks of {volume.block_size_bytes} bytes",
                why=f"repositories are written in blocks of {BLOCK_SIZE_BYTES}",
                cure="restore it, and back up what was restored",
            )
        self._backup = backup
        self._volume = volume
        self._maps = maps
        self._translation = translation

    @property
    def size_bytes(self) -> int:
        """The volume's."""
        return self._volume.size_bytes

    @property
    def facts(self) -> Mapping[str, str]:
        """Those that its backup recorded of its own source."""
        return self._volume.source

    @property
    def identity(self) -> Mapping[str, str]:
        """Its backup's: what was read of a copy of that in another repository is the same."""
        return identity_of(self._backup, self._volume)

    def allocated(self) -> Iterator[BlockReference]:
        """Blocks that the map names."""
        for number, leaf in leaves(self._volume, self._maps):
            for at in range(FANOUT):
                chunk = leaf.located(at)
                if chunk is not None:
                    yield _reference(number * FANOUT + at, chunk)

    def changed_from(self, earlier: VolumeMap, earlier_maps: ChunkReader) -> Iterator[BlockReference]:
        """Blocks that differ from an earlier volume of the same repository and tenant, from the two maps."""
        difference = MapDifference(earlier, earlier_maps, self._volume, self._maps)
        return (_reference(number, chunk) for number, chunk in difference.blocks())

    def read(self, blocks: Iterable[BlockReference]) -> Iterator[tuple[BlockReference, BlockContent]]:
        """Prepared for the target, or where it has them."""
        entries = MapReader(self._volume, self._maps)
        wanted = ((block, None if block.zero else _chunk(block, entries)) for block in blocks)
        for block, content in self._translation.translated(wanted):
            length = self._length(block.number)
            if content is None:
                yield block, b"" if block.zero else bytes(length)
                continue
            plain_length = content.place.plain_length if isinstance(content, Located) else content.plain_length
            if plain_length != length:
                raise FormatError(
                    "a block map does not fit its volume", why=f"{plain_length} bytes in block {block.number}"
                )
            yield block, content

    def _length(self, number: int) -> int:
        return max(0, min(BLOCK_SIZE_BYTES, self._volume.size_bytes - number * BLOCK_SIZE_BYTES))


def identity_of(backup: Backup, volume: VolumeMap) -> Mapping[str, str]:
    """What tells a volume of fixed blocks from all others (section 18)."""
    return {
        "kind": "copy",
        "repository": backup.repository.hex(),
        "point": backup.point.hex(),
        "volume": volume.name,
    }


def _reference(number: int, chunk: Located | None) -> BlockReference:
    if chunk is None:
        return BlockReference(number, zero=True)
    return BlockReference(number, token=chunk.encode_root().hex())


def _chunk(block: BlockReference, entries: MapReader) -> Located | None:
    """What a reference names; of one that somebody else made, what the map says."""
    return Located.decode_root(bytes.fromhex(block.token)) if block.token else entries.entry(0, block.number)
