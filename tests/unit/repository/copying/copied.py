"""Two repositories, one to copy from and one to copy to, and what each point must give back."""

import io
from dataclasses import dataclass, field

from holdfast.domain.archive import ArchiveClass
from holdfast.repository.copying.copy import CopyReport, copy_points
from holdfast.repository.copying.order import CopyOrder
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import find_point, list_points, load_manifest
from holdfast.repository.sessions.session import retire
from holdfast.repository.stores.counting import CountingStore, RequestCounts
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.writing.backup import BackupOrder, backup_stream, backup_volume
from holdfast.testing.cold_store import ColdStore
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume
from holdfast.testing.small_repository import SmallRepository, make_small_repository, restored

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
