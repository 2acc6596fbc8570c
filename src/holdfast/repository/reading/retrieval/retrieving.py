"""Ask for cold packs, wait until they can be read, and keep their copies until nobody reads them any more.

All that is remembered of a retrieval is what the store tells by HEAD: whoever is killed and runs again finds what is
under way, and asks for nothing twice.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice

from holdfast.domain.archive import Tier
from holdfast.domain.errors import HoldfastError
from holdfast.domain.numerals import counted
from holdfast.domain.retrieval import ColdData, RetrievalOrder, how_long, offered, pause_before_next_look
from holdfast.repository.object_store import Coldness, ObjectStore
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Progress
from holdfast.repository.reading.retrieval.plan import ColdPack, RetrievalPlan
from holdfast.repository.sessions.pins import pinned

# A look at what is under way ends after so many packs that are not there yet: they come back in one go, mostly.
_SAMPLE_PACKS = 8
# S3 counts an extension from now and rounds up to midnight, so a day more is asked for when so much is left.
EXTENSION_MARGIN = timedelta(hours=6)
_EXTENSION_DAYS = 1
_TRY_AGAIN = timedelta(minutes=5)


class Retrieval:
    """The packs of one plan on their way from cold to readable. `keep` may be called from any thread, the rest from one
    at a time.
    """

    def __init__(self, repository: Repository, plan: RetrievalPlan) -> None:
        self.plan = plan
        self._store: ObjectStore = repository.store
        self._now = repository.surroundings.now
        self._transfer = repository.surroundings.transfer
        self._lock = threading.Lock()
        self._packs = {pack.key: pack for pack in plan.packs}
        self._waiting = deque(pack.key for pack in plan.packs if not pack.is_readable)
        self._look_again = self._next_look()

    @property
    def data(self) -> ColdData:
        """How far it is, as it was seen last."""
        return replace(self.plan, packs=tuple(self._packs.values())).data

    def ask(self, order: RetrievalOrder, at_most: int | None = None) -> int:
        """Ask for packs that are neither there nor under way, each once; how many that were. Running it again goes on,
        with a new plan, too.
        """
        archived = (pack for pack in self._packs.values() if pack.is_archived)
        portion = list(islice(archived, at_most))
        for _done in self._transfer.map(lambda pack: self._ask_for(pack, order.days, order.tier), portion):
            pass
        for pack in portion:
            self._packs[pack.key] = replace(pack, coldness=Coldness(under_way=True))
        return len(portion)

    def wait(self, order: RetrievalOrder, progress: Progress, pause: Callable[[float], None]) -> None:
        """Until every pack can be read; all were asked for. What came first is kept until the last is there."""
        progress.total(sum(self._packs[key].size_bytes for key in self._waiting))
        began = self._now()
        while True:
            for pack in self.look(order):
                progress.advance(pack.size_bytes)
            if not self._waiting:
                return
            progress.advance(0)  # the pin's sign of life
            self.keep(progress)
            pause(pause_before_next_look(self._now() - began).total_seconds())

    def keep(self, progress: Progress) -> None:
        """Extend by a day what goes within hours. One that cannot be extended now is tried again soon."""
        if not self._lock.acquire(blocking=False):
            return  # another thread is about it
        try:
            now = self._now()
            if self._look_again is None or now < self._look_again:
                return
            ends = [(pack, pack.coldness.readable_until) for pack in self._packs.values()]
            try:
                for pack in [pack for pack, until in ends if until is not None and until - now <= EXTENSION_MARGIN]:
                    self._extend(pack)
                soonest = self._next_look()
                self._look_again = None if soonest is None else max(soonest, now + _TRY_AGAIN)
            except HoldfastError as error:
                progress.note(f"a retrieved copy could not be kept longer, which is tried again: {error}")
                self._look_again = now + _TRY_AGAIN
        finally:
            self._lock.release()

    def look(self, order: RetrievalOrder) -> list[ColdPack]:
        """Those that can be read since the last look; not all are looked at while none are. A copy that has gone
        meanwhile is asked for again.
        """
        came: list[ColdPack] = []
        missed = 0
        for _each in range(len(self._waiting)):
            pack = self._packs[self._waiting.popleft()]
            coldness = self._store.head(pack.key, pack.version).coldness
            if coldness is None or coldness.readable_until is not None:
                self._note(pack, coldness)
                came.append(pack)
                continue
            if not coldness.under_way:
                self._ask_for(pack, order.days, order.tier)
            self._note(pack, Coldness(under_way=True))
            self._waiting.append(pack.key)
            missed += 1
            if missed == _SAMPLE_PACKS:
                break
        if came:
            with self._lock:
                self._look_again = self._next_look()
        return came

    def _ask_for(self, pack: ColdPack, days: int, tier: Tier) -> None:
        self._store.retrieve(pack.key, days, tier, pack.version)

    def _note(self, pack: ColdPack, coldness: Coldness | None) -> None:
        with self._lock:
            if coldness is None:
                del self._packs[pack.key]  # cold no more: it is read as any other
            else:
                self._packs[pack.key] = replace(pack, coldness=coldness)

    def _extend(self, pack: ColdPack) -> None:
        # Nothing is retrieved for it, so the tier with the cheapest request does.
        self._ask_for(pack, _EXTENSION_DAYS, Tier.BULK)
        coldness = self._store.head(pack.key, pack.version).coldness
        if coldness is not None and coldness.readable_until is not None:
            self._packs[pack.key] = replace(pack, coldness=coldness)

    def _next_look(self) -> datetime | None:
        ends = [pack.coldness.readable_until for pack in self._packs.values() if pack.coldness.readable_until]
        return min(ends) - EXTENSION_MARGIN if ends else None


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
    offered(order, retrieval.plan.archive_class, "this point")
    with pinned(repository, retrieval.plan.points, progress) as living:
        asked = retrieval.ask(order)
        if asked:
            progress.note(asked_for(asked, order))
        if pause is not None:
            away = counted(len(retrieval.plan.packs) - len(retrieval.plan.readable), "pack")
            takes = how_long(retrieval.plan.data, order.tier)
            progress.note(f"waiting for {away}; {takes}. To end this and run it again later costs nothing more")
            retrieval.wait(order, living, pause)
    return asked


def asked_for(pack_count: int, order: RetrievalOrder) -> str:
    """What whoever asked is told."""
    return f"asked for {counted(pack_count, 'pack')} ({order.tier}, kept for {counted(order.days, 'day')})"


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

    def skip(self, size_bytes: int) -> None:
        """Passed on."""
        self._listener.skip(size_bytes)

    def note(self, text: str) -> None:
        """Passed on."""
        self._listener.note(text)
