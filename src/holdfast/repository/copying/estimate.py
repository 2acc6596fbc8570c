"""What a copy of a point would read, and so about how much it would store: from maps alone."""

from collections.abc import Iterator

from holdfast.repository.copying.base import Base, Heir, base_volumes
from holdfast.repository.copying.known_chunks import NearbyChunks
from holdfast.repository.copying.readers import Readers
from holdfast.repository.copying.stream_copy import chunks_of, chunks_to_damage
from holdfast.repository.format.manifest import Manifest, VolumeMap
from holdfast.repository.format.map_node import CUT_FIXED
from holdfast.repository.format.places import Located
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.opening.repository import Repository
from holdfast.repository.reading.map_difference import MapDifference
from holdfast.repository.sessions.points import PointSummary, load_manifest


class WouldBeHeir(Heir):
    """Who would copy from `source`: under the target's newest plan, and with what would have been copied by then, which
    stands in the source alone.
    """

    def __init__(self, source: Repository, target: Repository) -> None:
        super().__init__(target, newest_plan(target.sealed))
        self._source = source
        self._copied: set[bytes] = set()

    def add(self, point: PointSummary) -> None:
        """That point of the source would have been copied."""
        self._copied.add(point.session)

    def if_fit(self, candidate: PointSummary) -> tuple[Manifest | None, str]:
        """What was made a moment ago is always."""
        if candidate.session in self._copied:
            return load_manifest(self._source, candidate), ""
        return super().if_fit(candidate)


def new_chunks(source: Repository, readers: Readers, point: PointSummary, base: Base | None) -> Iterator[Located]:
    """The chunks that `base` does not have; one that is there twice comes twice."""
    for volume in load_manifest(source, point).volumes:
        _in_target, earlier = base_volumes(base, volume)
        yield from _new_chunks(volume, earlier, readers, stands=base is not None and base.stands)


def _new_chunks(volume: VolumeMap, earlier: VolumeMap | None, readers: Readers, *, stands: bool) -> Iterator[Located]:
    if earlier is None:
        return chunks_of(volume, readers.maps)
    if volume.cut == CUT_FIXED:
        difference = MapDifference(earlier, readers.of_earlier(stands=stands), volume, readers.maps)
        return (chunk for _number, chunk in difference.blocks() if chunk is not None)
    nearby = NearbyChunks((chunk.id, chunk) for chunk in chunks_to_damage(earlier, readers.maps))
    return (chunk for chunk in chunks_of(volume, readers.maps) if nearby.find(chunk.id) is None)
