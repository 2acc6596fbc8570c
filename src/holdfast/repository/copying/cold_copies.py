"""What else of a point has but a cold copy, once one chunk turned out to: each retrieval takes hours."""

from collections.abc import Iterable, Iterator
from itertools import islice

from holdfast.domain.errors import HoldfastError, NeedsRetrievalError
from holdfast.repository.format.places import Located
from holdfast.repository.progress import Progress
from holdfast.repository.reading.chunk_reader import ChunkReader, PackRange, plan_ranges
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.trust.few_at_once import few_at_once

_WINDOW_CHUNKS = 1024


def cold_copies(
    chunks: Iterable[Located], reader: ChunkReader, surroundings: Surroundings, progress: Progress
) -> frozenset[str]:
    """The packs in which the only other copies of these chunks lie, cold. Reads all of them, and stores nothing; the
    pins hear of it. Where a pack itself is cold that nobody has retrieved it ends: most of the others will be as cold.

    Raises the error of a chunk that opens nowhere: nothing is to be paid for what cannot be copied.
    """

    def look(one: PackRange) -> set[str]:
        cold: set[str] = set()
        for _chunk, found in reader.each(one):
            if isinstance(found, NeedsRetrievalError):
                cold.update(found.packs)
            elif isinstance(found, HoldfastError):
                raise found
        return cold

    packs: set[str] = set()
    try:
        for _range, cold in few_at_once(surroundings, look, _ranges(chunks)):
            packs |= cold
            progress.advance(0)
    except NeedsRetrievalError as error:
        packs.update(error.packs)
    return frozenset(packs)


def _ranges(chunks: Iterable[Located]) -> Iterator[PackRange]:
    source = iter(chunks)
    while window := list(islice(source, _WINDOW_CHUNKS)):
        yield from plan_ranges(window)
