"""What one run remembers of the chunks that it met, so that none is read twice: bounded, whatever the run's length."""

from collections import OrderedDict
from collections.abc import Iterator

from holdfast.repository.format.places import Located

# Of 300 bytes each. Of blocks of 512 KiB these are the last 32 GiB.
_NAMES_LIMIT = 1 << 16
# How far two streams may have moved against each other, in chunks of about a MiB.
_NEARBY_CHUNKS = 1 << 14


class KnownChunks:
    """The ids that chunks of the source have in the target. What was met least recently is forgotten."""

    def __init__(self, limit: int = _NAMES_LIMIT) -> None:
        self._limit = limit
        self._names: OrderedDict[bytes, bytes] = OrderedDict()

    def learn(self, source_id: bytes, target_id: bytes) -> None:
        """These two are one chunk."""
        self._names[source_id] = target_id
        self._names.move_to_end(source_id)
        if len(self._names) > self._limit:
            self._names.popitem(last=False)

    def target_id(self, source_id: bytes) -> bytes | None:
        """Its id in the target, None where it was not met or is forgotten."""
        return self._names.get(source_id)


class NearbyChunks:
    """Chunks of an earlier stream, found again in a later one that is walked beside it: a window of both goes along.

    `earlier` gives ids in the source, in order, and where the chunk lies in the target.
    """

    def __init__(self, earlier: Iterator[tuple[bytes, Located]], width: int = _NEARBY_CHUNKS) -> None:
        self._earlier = earlier
        self._width = width
        self._ahead = 0
        self._window: OrderedDict[bytes, Located] = OrderedDict()

    def find(self, source_id: bytes) -> Located | None:
        """Asked for every chunk of the later stream, in order."""
        while self._ahead < self._width:
            pair = next(self._earlier, None)
            if pair is None:
                break
            self._window[pair[0]] = pair[1]
            self._window.move_to_end(pair[0])
            if len(self._window) > 2 * self._width:
                self._window.popitem(last=False)
            self._ahead += 1
        self._ahead = max(0, self._ahead - 1)
        return self._window.get(source_id)
