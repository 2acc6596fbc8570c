"""What live points need, by pack: every node of their maps is read once, however many points share it (rule 4.3).

A walk only ever adds. So marking again after a plan stands is walking the points that have come since.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.format.map_node import MapNode
from holdfast.repository.format.places import Located, PackRow, Place
from holdfast.repository.format.plan import Plan
from holdfast.repository.opening.repository import Repository
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.map_reader import readable_nodes
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.moved import MovedChunks

_NODES_AT_ONCE = 512


@dataclass(slots=True)
class PackUse:
    """The live chunks of one pack, as bits by their number in it, and their sealed bytes."""

    kid: int
    session: bytes
    pack: bytes
    tenant: str
    chunk_type: int
    numbers: int = 0
    live_bytes: int = 0

    @property
    def row(self) -> PackRow:
        """The pack as maps name it."""
        return PackRow(self.kid, self.session, self.pack)

    def add(self, number: int, length: int) -> None:
        """One chunk; the same one again changes nothing."""
        bit = 1 << number
        if not self.numbers & bit:
            self.numbers |= bit
            self.live_bytes += length


@dataclass(slots=True)
class _Ground:
    """What a walk goes by, and where it counts."""

    repository: Repository
    plan: Plan
    packs: StandingPacks
    in_place: bool
    uses: dict[bytes, PackUse]
    left: set[bytes]
    sessions: dict[bytes, bytes]

    def use(self, row: PackRow, tenant: str, chunk_type: int) -> PackUse:
        """Where the chunks of that pack are counted. There are many packs, so those of a session share its id."""
        use = self.uses.get(row.pack)
        if use is None:
            session = self.sessions.setdefault(row.session, row.session)
            use = self.uses[row.pack] = PackUse(row.kid, session, row.pack, tenant, chunk_type)
        return use

    def is_good(self, row: PackRow) -> bool:
        """Whether what is said to lie there is counted there, without a further question."""
        good = (self.in_place or row.pack not in self.plan.condemned) and self.packs.stands(row.pack)
        if not good:
            self.left.add(row.pack)
        return good


class Marking:
    """The sum of the points that were walked. `uses` has every pack that must stay for them.

    `in_place`: a chunk is needed where its place says, condemned or not, while it is there, and what is missing is for
    its reader to say. So are points that somebody reads at this moment. `walked`: an earlier marking; what it has
    walked need not be walked again.
    """

    def __init__(
        self,
        repository: Repository,
        plan: Plan,
        packs: StandingPacks,
        *,
        in_place: bool = False,
        walked: "Marking | None" = None,
    ) -> None:
        self._ground = _Ground(repository, plan, packs, in_place, {}, set(), {})
        self._tenants: dict[str, _TenantMarking] = {}
        self._walked: dict[bytes, bool] = {} if walked is None else dict(walked._walked)
        self._before = {} if walked is None else walked._tenants

    @property
    def uses(self) -> dict[bytes, PackUse]:
        """By pack."""
        return self._ground.uses

    @property
    def left(self) -> frozenset[bytes]:
        """Packs that maps name as places, and in which nothing is counted on: condemned, or gone."""
        return frozenset(self._ground.left)

    def add(self, manifest: Manifest) -> bool:
        """Walk a point; whether it needs no condemned pack. Raises IntegrityError where something of it is missing."""
        if manifest.session not in self._walked:
            walk = self._of_tenant(manifest.tenant)
            clean = [
                walk.roots([volume.root], volume.depth - 1, volume.cut)
                for volume in manifest.volumes
                if volume.root is not None
            ]
            self._walked[manifest.session] = all(clean)
        return self._walked[manifest.session]

    def _of_tenant(self, tenant: str) -> "_TenantMarking":
        if tenant not in self._tenants:
            before = self._before.get(tenant)
            self._tenants[tenant] = _TenantMarking(self._ground, tenant, {} if before is None else before.seen)
        return self._tenants[tenant]


class _TenantMarking:
    """The walk through one tenant's maps. `seen` tells of every node whether all below it is clean.

    A node is read once, and counted at every place at which a map names it: who reads by that map looks for it there,
    and a copy in another pack is none where no run in force names it (rule 4.3).
    """

    def __init__(self, ground: _Ground, tenant: str, seen: dict[bytes, bool]) -> None:
        access = ground.repository.access(tenant)
        self.seen = dict(seen)
        # By node and pack, of packs that are condemned or gone: where the node is read, and whether that is clean.
        self._elsewhere: dict[bytes, tuple[Place, bool]] = {}
        self._ground = ground
        self._tenant = tenant
        self._moved = MovedChunks(access, ground.plan, ground.packs)
        self._reader = ChunkReader(access, CHUNK_TYPE_MAP, IndexSearch(access))

    def roots(self, items: list[Located], level: int, cut: int) -> bool:
        """These nodes of one level and all below them; whether they are clean."""
        counted = [self._count(item) for item in items]
        unknown = {
            item.id: Located(item.id, place)
            for item, (place, _clean) in zip(items, counted, strict=True)
            if item.id not in self.seen
        }
        nodes = list(unknown.values())
        for first in range(0, len(nodes), _NODES_AT_ONCE):
            for identifier, node in self._fetch(nodes[first : first + _NODES_AT_ONCE], level, cut).items():
                self.seen[identifier] = self._below(node, cut)
        below = [self.seen.get(item.id, False) for item in items]
        return all(below) and all(clean for _place, clean in counted)

    def _count(self, node: Located) -> tuple[Place, bool]:
        """Where a node is read, and whether it stays in no condemned pack. Of those that have moved many lie together,
        where they are counted now.
        """
        known = self._elsewhere.get(node.named)
        if known is not None:
            return known
        places, clean = self._take(node, CHUNK_TYPE_MAP)
        if clean and places[0] is node.place:
            return node.place, True
        stays = self._ground.packs.stands(node.place.pack.pack) or not places
        counted = self._elsewhere[node.named] = node.place if stays else places[0], clean
        return counted

    def _fetch(self, items: list[Located], level: int, cut: int) -> dict[bytes, MapNode]:
        """By id. Where what is missing is for its reader to say, all others are there."""
        nodes, failures = readable_nodes(self._reader, items, level, cut)
        for error in failures.values():
            if not isinstance(error, ObjectNotFoundError):
                raise error
            if not self._ground.in_place:
                raise _missing(error.key) from error
        return nodes

    def _below(self, node: MapNode, cut: int) -> bool:
        if node.level == 0:
            return self._leaf(node)
        children = [child for child in map(node.located, range(node.count)) if child is not None]
        return self.roots(children, node.level - 1, cut)

    def _leaf(self, node: MapNode) -> bool:
        """Entries in packs that are in order are counted without making objects of them; the few others one by one."""
        ground, clean = self._ground, True
        uses = [ground.use(row, self._tenant, CHUNK_TYPE_DATA) if ground.is_good(row) else None for row in node.packs]
        columns = (node.entries[name].tolist() for name in ("pack", "number", "length"))
        for at, (pack, number, length) in enumerate(zip(*columns, strict=True)):
            if not length:
                continue  # a hole
            use = uses[pack]
            if use is not None:
                use.add(number, length)
                continue
            chunk = node.located(at)
            if chunk is not None:
                clean = self._take(chunk, CHUNK_TYPE_DATA)[1] and clean
        return clean

    def _take(self, chunk: Located, chunk_type: int) -> tuple[list[Place], bool]:
        """Count the chunk where it is to stay; the places, and whether that is no condemned pack."""
        places, clean = [chunk.place], True
        if not self._ground.is_good(chunk.place.pack):
            places, clean = self._places(chunk, chunk_type)
        for place in places:
            self._ground.use(place.pack, self._tenant, chunk_type).add(place.number, place.length)
        return places, clean

    def _places(self, chunk: Located, chunk_type: int) -> tuple[list[Place], bool]:
        """Of a chunk whose own pack is condemned or gone: one place that is not condemned, or else every one that there
        is, for another collection may rely on any of them. Who reads at this moment may rely on any in either case.
        """
        ground, stands = self._ground, self._ground.packs.stands(chunk.place.pack.pack)
        copies = self._moved.copies_of(chunk, chunk_type)
        clean = bool(copies) and copies[0].pack.pack not in ground.plan.condemned
        # A survivor that was not opened may lack the chunk: it stays, and so does the condemned pack.
        clean = clean and not (stands and self._moved.is_cold(copies[0]))
        if clean and not ground.in_place:
            return copies[:1], True
        if stands:
            # Others may have put it there, so it does not stand for what the runs in force know elsewhere.
            copies = [chunk.place, *copies, *self._moved.known_of(chunk, chunk_type)]
        if not copies and not ground.in_place:
            raise _missing(names.pack(chunk.place.pack.pack))
        return copies, clean


def _missing(key: str) -> IntegrityError:
    return IntegrityError(
        f"{key} is missing, and restore points need it",
        why="no index run in force knows its chunks elsewhere",
        cure="run `holdfast repository repair`; `holdfast repository check` says whom it hurts",
        objects=(key,),
    )


def iter_numbers(use: PackUse) -> Iterator[int]:
    """The numbers of the live chunks, ascending."""
    bits, number = use.numbers, 0
    while bits:
        if bits & 1:
            yield number
        bits >>= 1
        number += 1
