"""Parties at one store that ignores If-None-Match, all by one clock, but for who has a wrong one."""

from dataclasses import dataclass, field

from holdfast.repository.format import names
from holdfast.repository.opening.repository import Repository
from holdfast.testing.careless_store import CarelessStore
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.small_repository import SmallRepository, make_small_repository
from tests.faults.world import PACK_SIZE_BYTES

HOUR_SECONDS = 3600.0
DAY_SECONDS = 24 * HOUR_SECONDS


@dataclass
class Site:
    """A repository in single-writer mode and whoever opens it."""

    clock: SteppableClock = field(default_factory=SteppableClock)
    store: CarelessStore = field(init=False)
    small: SmallRepository = field(init=False)

    def __post_init__(self) -> None:
        self.store = CarelessStore(self.clock)
        self.small = make_small_repository(self.store, deterministic_surroundings(1, self.clock), PACK_SIZE_BYTES)

    def open(self, seed: int, store=None) -> Repository:
        return self.small.open(deterministic_surroundings(seed, self.clock), store)

    def open_by(self, seed: int, ahead_seconds: float) -> tuple[Repository, SteppableClock]:
        """Of a machine whose own clock is ahead of all others, or behind."""
        clock = SteppableClock(self.clock())
        clock.step(ahead_seconds)
        return self.small.open(deterministic_surroundings(seed, clock)), clock

    def claims(self) -> list[str]:
        return [info.key for info in self.store.list(names.LEASES)]
