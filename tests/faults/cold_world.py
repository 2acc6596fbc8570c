"""An archive in DEEP_ARCHIVE with two points of one workload that share a block, under a clock that a test moves."""

from holdfast.domain.archive import ArchiveClass, Tier
from holdfast.domain.retrieval import RetrievalOrder
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Silence
from holdfast.repository.reading.retrieval.plan import RetrievalPlan, plan_retrieval
from holdfast.repository.reading.retrieval.retrieving import Retrieval, retrieve
from holdfast.repository.sessions.points import PointSummary, list_points
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.surroundings import Surroundings
from holdfast.testing.cold_store import ColdStore
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.small_repository import SmallRepository, make_small_repository
from tests.faults.world import DISK, FIRST, SECOND, back_up

CHUNK_A_PACK_BYTES = 200
STANDARD = RetrievalOrder(Tier.STANDARD, 3)
DAY_SECONDS = 24 * 3600


class Archive:
    """`points`: the older one gives back FIRST, the other one SECOND."""

    def __init__(self, archive_class: ArchiveClass = ArchiveClass.DEEP_ARCHIVE) -> None:
        self.clock = SteppableClock()
        self.inner = MemoryStore(self.clock)
        self.store = ColdStore(self.inner, self.clock)
        self.small: SmallRepository = make_small_repository(
            self.store, self.surroundings(1), CHUNK_A_PACK_BYTES, archive_class
        )
        self.repository = self.open(2)
        back_up(self.repository, DISK, FIRST, "s1")
        back_up(self.repository, DISK, SECOND, "s2", {"s1": FIRST})
        self.points: list[PointSummary] = list_points(self.repository)

    def surroundings(self, seed: int) -> Surroundings:
        return deterministic_surroundings(seed, self.clock)

    def open(self, seed: int, store: ObjectStore | None = None) -> Repository:
        return self.small.open(self.surroundings(seed), store)

    def plan(self, number: int) -> RetrievalPlan:
        return plan_retrieval(self.open(3), self.points[number], (None,))

    def retrieve(
        self,
        number: int,
        order: RetrievalOrder = STANDARD,
        *,
        wait: bool = True,
        store: ObjectStore | None = None,
        stride: float = 1,
        salvage: bool = False,
    ) -> Retrieval:
        """As a process of its own that asks for what that point needs and, with `wait`, waits for it; each pause lasts
        `stride` times as long as it should.
        """
        repository = self.open(4, store)
        wanted = Retrieval(repository, plan_retrieval(repository, self.points[number], (None,), salvage=salvage))

        def pause(seconds: float) -> None:
            self.clock.step(stride * seconds)

        retrieve(repository, wanted, order, Silence(), pause if wait else None)
        return wanted
