"""Two repositories, one to copy from and one to copy to, and what each point must give back."""

import io
from dataclasses import dataclass, field

from holdfast.domain.archive import ArchiveClass
from holdfast.repository.copying.copy import CopyReport, copy_points
from holdfast.repository.copying.order import CopyOrder
from holdfast.repository.crypto.keys import CHUNK_TYPE_MAP
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.format.map_node import MapNode
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Silence
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.reading.map_reader import fetch_nodes, leaves
from holdfast.repository.sessions.points import find_point, list_points, load_manifest
from holdfast.repository.sessions.session import retire
from holdfast.repository.stores.counting import CountingStore, RequestCounts
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.writing.backup import BackupOrder, backup_stream, backup_volume
from holdfast.testing.cold_store import ColdStore
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume
from holdfast.testing.small_repository import SmallRepository, make_small_repository, put, restored

ALL = CopyOrder()


@dataclass
class Place:
    """A repository in memory that is opened anew for each deed, as by a process of its own."""

    seed: int
    clock: SteppableClock
    pack_size_bytes: int | None = None
    archive_class: ArchiveClass | None = None
    snapshots: dict[str, MemoryVolume] = field(default_factory=dict)
    small: SmallRepository = field(init=False)

    def __post_init__(self) -> None:
        store = MemoryStore() if self.archive_class is None else ColdStore(MemoryStore(), self.clock)
        self.small = make_small_repository(store, self._surroundings(), self.pack_size_bytes, self.archive_class)

    def _surroundings(self):
        self.seed += 2
        return deterministic_surroundings(self.seed, self.clock)

    def open(self, store: ObjectStore | None = None) -> Repository:
        return self.small.open(self._surroundings(), store)

    def counted(self, counts: RequestCounts) -> Repository:
        return self.open(CountingStore(self.small.store, counts))

    def back_up(self, workload: str, content: bytes) -> bytes:
        """A point of a volume whose changes since each earlier snapshot are known; its id."""
        name, volume = f"s{len(self.snapshots)}", MemoryVolume.of(content)
        source = MemorySource(volume, name, self.snapshots)
        self.snapshots[name] = volume
        return backup_volume(self.open(), source, BackupOrder(workload), Silence()).finished.manifest.session

    def dump(self, workload: str, content: bytes) -> bytes:
        report = backup_stream(self.open(), io.BytesIO(content), BackupOrder(workload), Silence())
        return report.finished.manifest.session

    def delete(self, point: bytes) -> None:
        repository = self.open()
        retire(repository, point, find_point(repository, point.hex(), None).key)

    def contents(self) -> dict[bytes, bytes]:
        """What each live point gives back."""
        repository = self.open()
        return {point.session: restored(repository, point) for point in list_points(repository)}

    def manifest(self, point: bytes):
        repository = self.open()
        return load_manifest(repository, find_point(repository, point.hex(), None))

    def root(self, point: bytes) -> MapNode:
        """The root of the map of a point's first volume."""
        manifest = self.manifest(point)
        volume, root = manifest.volumes[0], manifest.volumes[0].root
        assert root is not None
        return fetch_nodes(self._map_reader(manifest), [root], volume.depth - 1, volume.cut)[root.id]

    def leaves(self, point: bytes) -> list[MapNode]:
        """The leaves of the same."""
        manifest = self.manifest(point)
        return [leaf for _number, leaf in leaves(manifest.volumes[0], self._map_reader(manifest))]

    def _map_reader(self, manifest: Manifest) -> ChunkReader:
        access = self.open().access(manifest.tenant)
        return ChunkReader(access, CHUNK_TYPE_MAP, IndexSearch(access))

    def flip(self, node: MapNode, at: int) -> None:
        """A bit of the chunk to which that entry of a node refers."""
        chunk = node.located(at)
        assert chunk is not None
        key = names.pack(chunk.place.pack.pack)
        data = bytearray(self.small.store.get(key))
        data[chunk.place.offset + 3] ^= 1
        put(self.small.store, key, bytes(data))

    def newest(self):
        return self.manifest(list_points(self.open())[-1].session)


def two_places(pack_size_bytes: int | None = None) -> tuple[Place, Place]:
    clock = SteppableClock()
    return Place(1, clock, pack_size_bytes), Place(1000, clock, pack_size_bytes)


def third_place() -> Place:
    return Place(2000, SteppableClock())


def archive_place() -> Place:
    return Place(3000, SteppableClock(), archive_class=ArchiveClass.DEEP_ARCHIVE)


def copy(source: Place, target: Place, order: CopyOrder = ALL) -> CopyReport:
    return copy_points(source.open(), target.open(), order, Silence())
