"""What a volume needs: the packs behind its block map, each node read once at each place, however many points share it.

A chunk whose pack is gone counts where an index run says that it lies now; where none does, its place is what is named.
"""

from collections.abc import Iterator, Set
from dataclasses import dataclass, field

from holdfast.domain.errors import HoldfastError, NeedsRetrievalError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format import pack as form
from holdfast.repository.format.manifest import Manifest, VolumeMap
from holdfast.repository.format.map_node import MapNode
from holdfast.repository.format.places import Located, PackRow, Place
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.known_directories import KnownDirectories
from holdfast.repository.reading.chunk_reader import FAILURES, ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.map_reader import readable_nodes
from holdfast.repository.trust.standing_packs import StandingPacks


@dataclass(frozen=True, slots=True)
class Reachable:
    """Packs (ids) that hold the map and the data below it, and what could not be read on the way."""

    packs: frozenset[bytes]
    damage: tuple[HoldfastError, ...] = ()


_NOTHING = Reachable(frozenset())


class Reachability:
    """Walks the maps of one repository; remembers every node that it has walked. `misnamed`: packs of which a map names
    a chunk that by their `directories` does not lie there, and why.
    """

    def __init__(
        self, repository: Repository, packs: StandingPacks, directories: KnownDirectories | None = None
    ) -> None:
        self._repository = repository
        self._packs = packs
        self._known: dict[bytes, Reachable] = {}
        self._tenants: dict[str, _Tenant] = {}
        self._found: dict[bytes, tuple[PackRow, int]] = {}
        self._directories = directories
        self.misnamed: dict[bytes, str] = {}

    def of_volume(self, manifest: Manifest, volume: VolumeMap) -> Reachable:
        """Everything that a volume of a point needs."""
        if volume.root is None:
            return _NOTHING
        return self._walk([volume.root], volume.depth - 1, volume.cut, self._tenant(manifest.tenant))

    def least_bytes(self, pack: bytes) -> int:
        """So many bytes a pack has at least in which all lies that volumes were found to need of it."""
        return self._found[pack][1] if pack in self._found else 0

    def row_of(self, pack: bytes) -> PackRow:
        """Of a pack that volumes were found to need."""
        return self._found[pack][0]

    def lacking(self, manifest: Manifest, volume: VolumeMap, bad: Set[bytes]) -> set[bytes]:
        """Which of the `bad` packs, all that there are, hold a chunk (data or map) of the volume, by its map or since a
        collection has moved it there, that opens nowhere. Of the map, which was walked before, only what leads there is
        read.
        """
        if volume.root is None or not bad:
            return set()
        lacking: set[bytes] = set()
        for chunk, chunk_type in self._suspected([volume.root], volume, volume.depth - 1, manifest.tenant, bad):
            tenant = self._tenant(manifest.tenant)
            pack = tenant.place_of(chunk, chunk_type).pack.pack
            if pack in bad and pack not in lacking and not tenant.opens(chunk, chunk_type, bad):
                lacking.add(pack)
        return lacking

    def passed_over(self) -> dict[str, str]:
        """Damaged objects for which another copy was read, with why."""
        return {
            key: why
            for tenant in self._tenants.values()
            for reader in (tenant.reader, tenant.data)
            for key, why in reader.passed_over.items()
        }

    def _tenant(self, name: str) -> "_Tenant":
        if name not in self._tenants:
            access = self._repository.access(name)
            search = IndexSearch(access)
            self._tenants[name] = _Tenant(
                ChunkReader(access, CHUNK_TYPE_MAP, search),
                ChunkReader(access, CHUNK_TYPE_DATA, search),
                search,
                self._packs,
            )
        return self._tenants[name]

    def _walk(self, row: list[Located], level: int, cut: int, tenant: "_Tenant") -> Reachable:
        """The sum of these nodes of one level and of all below them."""
        unknown = {item.named: item for item in row if item.named not in self._known}
        while unknown:
            # A node at two places is asked for at one after the other: that one opens says nothing of the other.
            part = list({item.id: item for item in unknown.values()}.values())
            nodes, failures = readable_nodes(tenant.reader, part, level, cut)
            for item in part:
                self._known[item.named] = self._of_node(item, nodes.get(item.id, failures.get(item.id)), cut, tenant)
                del unknown[item.named]
        found = [self._known[item.named] for item in row]
        return Reachable(
            frozenset().union(*(one.packs for one in found)), tuple(error for one in found for error in one.damage)
        )

    def _of_node(self, item: Located, found: MapNode | HoldfastError | None, cut: int, tenant: "_Tenant") -> Reachable:
        packs = {self._pack_of(item, CHUNK_TYPE_MAP, tenant)}
        if not isinstance(found, MapNode):
            return Reachable(frozenset(packs), () if found is None else (found,))
        below = _entries(found)
        if found.level == 0:
            packs.update(self._pack_of(located, CHUNK_TYPE_DATA, tenant) for located in below)
            return Reachable(frozenset(packs))
        deeper = self._walk(below, found.level - 1, cut, tenant)
        return Reachable(frozenset(packs | deeper.packs), deeper.damage)

    def _suspected(
        self, row: list[Located], volume: VolumeMap, level: int, tenant: str, bad: Set[bytes]
    ) -> Iterator[tuple[Located, int]]:
        """Chunks with their types, among them all that lie in these packs: these nodes of one level, and what is below
        those that lead there. What is below a node that did not open when it was walked, and does now, is not known.
        """
        yield from ((node, CHUNK_TYPE_MAP) for node in row)
        leading = [
            node for node in row if node.named not in self._known or not self._known[node.named].packs.isdisjoint(bad)
        ]
        for node in readable_nodes(self._tenant(tenant).reader, leading, level, volume.cut)[0].values():
            below = _entries(node)
            if level > 0:
                yield from self._suspected(below, volume, level - 1, tenant, bad)
            else:
                yield from ((chunk, CHUNK_TYPE_DATA) for chunk in below)

    def _pack_of(self, chunk: Located, chunk_type: int, tenant: "_Tenant") -> bytes:
        place = tenant.place_of(chunk, chunk_type)
        if self._directories is not None and self._directories.contradict(chunk.at(place), chunk_type):
            why = f"a block map says that its chunk {place.number} is one that does not lie there"
            self.misnamed.setdefault(place.pack.pack, why)
        row, least = place.pack, form.least_bytes(place.number, place.offset + place.length)
        known = self._found.get(row.pack)
        if known is None:
            self._found[row.pack] = row, least
        elif least > known[1]:
            self._found[row.pack] = known[0], least
        return row.pack


def _entries(node: MapNode) -> list[Located]:
    return [located for located in map(node.located, range(node.count)) if located is not None]


@dataclass(frozen=True, slots=True)
class _Tenant:
    """The way to one tenant's maps, and to chunks that a collection has moved."""

    reader: ChunkReader
    data: ChunkReader
    search: IndexSearch
    packs: StandingPacks
    # By chunk and place: what opens at one says nothing of another.
    asked: dict[tuple[bytes, int], bool] = field(default_factory=dict)

    def opens(self, chunk: Located, chunk_type: int, bad: Set[bytes]) -> bool:
        """Whether the chunk opens, at its place or at any other; each is tried once. What is cold counts by where it
        lies: in a pack that stands and is none of the bad ones it is there.
        """
        asked = chunk.named, chunk_type
        if asked not in self.asked:
            reader = self.data if chunk_type == CHUNK_TYPE_DATA else self.reader
            try:
                reader.read_one(chunk)
            except NeedsRetrievalError:
                places = (place.pack.pack for place in self.search.places(chunk.id, chunk_type))
                self.asked[asked] = any(one not in bad and self.packs.stands(one) for one in places)
            except FAILURES:
                self.asked[asked] = False
            else:
                self.asked[asked] = True
        return self.asked[asked]

    def place_of(self, chunk: Located, chunk_type: int) -> Place:
        """Where the chunk lies; its own place where nobody knows."""
        if self.packs.stands(chunk.place.pack.pack):
            return chunk.place
        places = self.search.places(chunk.id, chunk_type)
        return next((place for place in places if self.packs.stands(place.pack.pack)), chunk.place)
