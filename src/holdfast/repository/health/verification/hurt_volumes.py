"""Whom damage hurts that a verify worker, or a look at a point, has found: read here, as far as it is not cold."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from holdfast.domain.errors import (
    HoldfastError,
    NeedsRetrievalError,
    ObjectNotFoundError,
)
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format import names
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.map_node import MapNode
from holdfast.repository.format.places import Located
from holdfast.repository.health.checking.pack_check import PackFinding
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.packs.known_directories import KnownDirectories
from holdfast.repository.reading.chunk_reader import FAILURES, ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.map_reader import leaves
from holdfast.repository.trust.presence import is_there


@dataclass(frozen=True, slots=True)
class HurtObject:
    """A damaged or missing object of the repository, why, how many of its chunks do not open (0: it does not as a
    whole), and the point's volumes that lack something for it: none where another copy is read.
    """

    object: str
    why: str
    chunks: int
    volumes: tuple[str, ...]


class HurtVolumes:
    """`good`: packs whose chunks all open; `bad`: what was found of others. What lies in neither, a collection has
    moved, or nobody has it: that is looked for. So is what a map names and the `directories` do not.
    """

    def __init__(
        self,
        access: TenantAccess,
        good: frozenset[bytes],
        bad: Mapping[bytes, PackFinding],
        directories: KnownDirectories | None = None,
    ) -> None:
        self._store = access.store
        self._search = IndexSearch(access)
        self._maps = ChunkReader(access, CHUNK_TYPE_MAP, self._search)
        self._data = ChunkReader(access, CHUNK_TYPE_DATA, self._search)
        self._good = good
        self._directories = KnownDirectories(b"") if directories is None else directories
        self._bad = bad
        # By chunk and place: what opens at one says nothing of another.
        self._known: dict[bytes, HoldfastError | None] = {}
        self._whys = {names.pack(pack): finding.why for pack, finding in bad.items()}
        self._hurt: dict[str, set[str]] = defaultdict(set)

    def look(self, volumes: Iterable[VolumeMap]) -> tuple[HurtObject, ...]:
        """All that is damaged, by name, with the volumes of these that it hurts."""
        for volume in volumes:
            try:
                for _number, leaf in leaves(volume, self._maps):
                    self._leaf(volume, leaf)
            except FAILURES as error:
                self._add(volume, error, "a block map")
        counts = {names.pack(pack): len(finding.chunks) for pack, finding in self._bad.items()}
        return tuple(
            HurtObject(key, why, counts.get(key, 0), tuple(sorted(self._hurt.get(key, ()))))
            for key, why in sorted(self._whys.items())
        )

    def _leaf(self, volume: VolumeMap, leaf: MapNode) -> None:
        if all(row.pack in self._good and not self._directories.know(row.pack) for row in leaf.packs):
            return
        for at in range(leaf.count):
            chunk = leaf.located(at)
            if chunk is not None and self._may_not_open(chunk):
                error = self._failure(chunk)
                if error is not None:
                    self._add(volume, error, names.pack(chunk.place.pack.pack))

    def _may_not_open(self, chunk: Located) -> bool:
        pack = chunk.place.pack.pack
        finding = self._bad.get(pack)
        if finding is None:
            return pack not in self._good or self._directories.contradict(chunk, CHUNK_TYPE_DATA)
        return not finding.chunks or chunk.id in finding.chunks

    def _failure(self, chunk: Located) -> HoldfastError | None:
        """Why it opens nowhere, None where it does. A copy in a pack that is good is not read again."""
        if chunk.named not in self._known:
            self._known[chunk.named] = None
            if not any(place.pack.pack in self._good for place in self._search.places(chunk.id, CHUNK_TYPE_DATA)):
                try:
                    self._data.read_one(chunk)
                except NeedsRetrievalError as error:
                    self._known[chunk.named] = None if self._is_there(chunk) else error
                except FAILURES as error:
                    self._known[chunk.named] = error
        return self._known[chunk.named]

    def _is_there(self, cold: Located) -> bool:
        """Whether a cold chunk lies in a pack that stands and is none of the bad ones."""
        places = itertools.chain([cold.place], self._search.places(cold.id, CHUNK_TYPE_DATA))
        packs = (place.pack.pack for place in places)
        return any(pack not in self._bad and is_there(self._store, names.pack(pack)) for pack in packs)

    def _add(self, volume: VolumeMap, error: HoldfastError, fallback: str) -> None:
        missing = (error.key,) if isinstance(error, ObjectNotFoundError) else ()
        cold = error.packs if isinstance(error, NeedsRetrievalError) else missing
        for key in getattr(error, "objects", cold) or (fallback,):
            self._whys.setdefault(key, error.why)
            self._hurt[key].add(volume.name)
