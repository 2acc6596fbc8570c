"""Ask for cold packs, wait until they can be read, and keep their copies until nobody reads them any more.

All that is remembered of a retrieval is what the store tells by HEAD: whoever is killed and runs again finds what is
under way, and asks for nothing twice.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.domain.archive import LIST_PRICES, Tier
from holdfast.domain.errors import HoldfastError, UsageError
from holdfast.domain.numerals import counted
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Progress
from holdfast.repository.reading.retrieval.plan import ColdPack, RetrievalPlan
from holdfast.repository.sessions.pins import pinned

# A look at what is under way ends after so many packs that are not there yet: they come back in one go, mostly.
_SAMPLE_PACKS = 8
_EXPEDITED_POLL_SECONDS = 30.0
_POLL_SECONDS = 300.0
# S3 counts an extension from now and rounds up to midnight, so a day more is asked for when so much is left.
EXTENSION_MARGIN = timedelta(hours=6)
_EXTENSION_DAYS = 1
_TRY_AGAIN = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class RetrievalOrder:
    """Somebody said that money may be spent: how fast, and for how many days a pack stays readable."""

    tier: Tier
    days: int


class Retrieval:
    """The packs of one plan on their way from cold to readable. `keep` may be called from any thread."""

    def __init__(self, repository: Repository, plan: RetrievalPlan) -> None:
        self.plan = plan
        self._store: ObjectStore = repository.store
        self._now = repository.surroundings.now
        self._transfer = repository.surroundings.transfer
        self._lock = threading.Lock()
        self._until = {
            pack.key: pack.coldness.readable_until for pack in plan.packs if pack.coldness.readable_until is not None
        }
        self._look_again = self._next_look()

    def ask(self, order: RetrievalOrder) -> int:
        """Ask for every pack that is neither there nor under way, once; how many that were. Running it again with a new
        plan asks for what is left.
        """
        archived = [pack.key for pack in self.plan.archived]
        for _done in self._transfer.map(lambda key: self._store.retrieve(key, order.days, order.tier), archived):
            pass
        return len(archived)

    def wait(self, order: RetrievalOrder, progress: Progress, pause: Callable[[float], None]) -> None:
        """Until every pack can be read; all were asked for. What came first is kept until the last is there. A copy
        that has gone meanwhile is asked for again.
        """
        waiting = deque(pack for pack in self.plan.packs if not pack.is_readable)
        progress.total(sum(pack.size_bytes for pack in waiting))
        while True:
            for pack in self._look(waiting, order):
                progress.advance(pack.size_bytes)
            if not waiting:
                return
            progress.advance(0)  # the pin's sign of life
            self.keep(progress)
            pause(_EXPEDITED_POLL_SECONDS if order.tier is Tier.EXPEDITED else _POLL_SECONDS)

    def keep(self, progress: Progress) -> None:
        """Extend by a day what goes within hours. One that cannot be extended now is tried again soon."""
        if not self._lock.acquire(blocking=False):
            return  # another thread is about it
        try:
            now = self._now()
            if self._look_again is None or now < self._look_again:
                return
            short = [key for key, until in self._until.items() if until - now <= EXTENSION_MARGIN]
            try:
                for key in short:
                    self._extend(key)
                soonest = self._next_look()
                self._look_again = None if soonest is None else max(soonest, now + _TRY_AGAIN)
            except HoldfastError as error:
                progress.note(f"a retrieved copy could not be kept longer, which is tried again: {error}")
                self._look_again = now + _TRY_AGAIN
        finally:
            self._lock.release()

    def _look(self, waiting: "deque[ColdPack]", order: RetrievalOrder) -> list[ColdPack]:
        """Take those that are there from `waiting`; not all are looked at while none are."""
        came: list[ColdPack] = []
        missed = 0
        for _each in range(len(waiting)):
            pack = waiting.popleft()
            coldness = self._store.head(pack.key).coldness
            if coldness is None or coldness.readable_until is not None:
                if coldness is not None and coldness.readable_until is not None:
                    self._note(pack.key, coldness.readable_until)
                came.append(pack)
                continue
            if not coldness.under_way:
                self._store.retrieve(pack.key, order.days, order.tier)
            waiting.append(pack)
            missed += 1
            if missed == _SAMPLE_PACKS:
                break
        return came

    def _note(self, key: str, until: datetime) -> None:
        with self._lock:
            self._until[key] = until
            self._look_again = self._next_look()

    def _extend(self, key: str) -> None:
        # Nothing is retrieved for it, so the tier with the cheapest request does.
        self._store.retrieve(key, _EXTENSION_DAYS, Tier.BULK)
        coldness = self._store.head(key).coldness
        if coldness is not None and coldness.readable_until is not None:
            self._until[key] = coldness.readable_until

    def _next_look(self) -> datetime | None:
        return min(self._until.values()) - EXTENSION_MARGIN if self._until else None


def retrieve(
    repository: Repository,
    retrieval: Retrieval,
    order: RetrievalOrder,
    progress: Progress,
    pause: Callable[[float], None] | None,
) -> int:
    """Ask for what is needed and, with `pause`, wait until it can be read; how many packs were asked for. The points
    are pinned meanwhile (rule 7): it takes hours, and what is paid for must not go. Killed anywhere, run it again.

    Raises UsageError for a tier that the archive's class has not, NotFoundError for a point that is no more.
    """
    offers = {} if retrieval.plan.archive_class is None else LIST_PRICES.offers(retrieval.plan.archive_class)
    if order.tier not in offers:
        raise UsageError(
            f"there is no {order.tier} retrieval from {retrieval.plan.archive_class}",
            why=f"S3 has {' and '.join(offers)} there",
            cure=f"write --retrieval-tier {' or '.join(offers)}",
        )
    with pinned(repository, retrieval.plan.points, progress) as living:
        asked = retrieval.ask(order)
        if asked:
            progress.note(f"asked for {counted(asked, 'pack')} ({order.tier}, kept for {counted(order.days, 'day')})")
        if pause is not None:
            away = counted(len(retrieval.plan.packs) - len(retrieval.plan.readable), "pack")
            takes = f"a {order.tier} retrieval takes {offers[order.tier].takes}"
            progress.note(f"waiting for {away}; {takes}. To end this and run it again later costs nothing more")
            retrieval.wait(order, living, pause)
    return asked


class KeepingProgress:
    """Progress as the listener is told it, of somebody who reads what was retrieved: the copies stay meanwhile."""

    def __init__(self, listener: Progress, retrieval: Retrieval) -> None:
        self._listener = listener
        self._retrieval = retrieval

    def total(self, size_bytes: int | None) -> None:
        """Passed on."""
        self._listener.total(size_bytes)

    def advance(self, size_bytes: int) -> None:
        """Passed on; what goes within hours is kept for a day more."""
        self._listener.advance(size_bytes)
        self._retrieval.keep(self._listener)

    def note(self, text: str) -> None:
        """Passed on."""
        self._listener.note(text)
