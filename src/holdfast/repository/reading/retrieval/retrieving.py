"""Ask for cold packs, wait until they can be read, and keep their copies until nobody reads them any more.

All that is remembered of a retrieval is what the store tells by HEAD: whoever is killed and runs again finds what is
under way, and asks for nothing twice.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from holdfast.domain.archive import LIST_PRICES, Tier, days_until, end_of_copy
from holdfast.domain.errors import HoldfastError, UnavailableError
from holdfast.domain.numerals import counted
from holdfast.domain.retrieval import (
    EXTENSION_MARGIN,
    ColdData,
    RetrievalOrder,
    how_long,
    offered,
    pause_before_next_look,
)
from holdfast.domain.time import format_time
from holdfast.repository.object_store import Coldness, ObjectStore
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Progress
from holdfast.repository.reading.retrieval.by_job import ByJob
from holdfast.repository.reading.retrieval.plan import ColdPack, RetrievalPlan
from holdfast.repository.retrieval_jobs import OpenJobs, no_jobs
from holdfast.repository.sessions.pins import pinned
from holdfast.repository.trust.few_at_once import few_at_once

# A look at what is under way ends after so many packs that are not there yet: they come back in one go, mostly. Where
# they do not, a look at all of them in so long finds every copy before it goes, for none is kept for less than a day.
_SAMPLE_PACKS = 8
_WHOLE_LOOK = timedelta(hours=4)
_EXTENSION_DAYS = 1
_TRY_AGAIN = timedelta(minutes=5)
# A store that does not answer for so long while somebody waits is not waited for any more.
LONGEST_SILENCE = timedelta(hours=1)


class Retrieval:
    """The packs of one plan on their way from cold to readable. `keep` may be called from any thread, the rest from one
    at a time. Whatever a request ends with, the next call goes on from there.
    """

    def __init__(
        self,
        repository: Repository,
        plan: RetrievalPlan,
        jobs: OpenJobs = no_jobs,
        ordered: datetime | None = None,
    ) -> None:
        """`jobs`: of the repository's place; `ordered`: when somebody told for how many days, unless now."""
        self.plan = plan
        self._store: ObjectStore = repository.store
        self._now = repository.surroundings.now
        self._surroundings = repository.surroundings
        self._lock, self._keeping = threading.Lock(), threading.Lock()
        self._packs = {pack.key: pack for pack in plan.packs}
        self._waiting = deque(pack.key for pack in plan.packs if not pack.is_readable)
        self._looked_at_all = self._now()
        self._ordered = ordered or self._looked_at_all
        self._prolonged: set[str] = set()
        self._by_job = ByJob(repository, jobs, ordered)
        self._complaint: str | None = None  # of a job that has left something, as long as nobody was told
        self._keep_again = self._next_keeping()

    @property
    def seen(self) -> RetrievalPlan:
        """The plan as it was seen last; what a job is to ask for counts as under way."""
        return replace(self.plan, packs=tuple(self._packs.values()))

    @property
    def data(self) -> ColdData:
        """How far it is, as it was seen last."""
        return self.seen.data

    @property
    def has_job(self) -> bool:
        """Whether a job is at work, which S3 says nothing of where it is asked for a pack."""
        return self._by_job.is_at_work

    def tier_of(self, order: RetrievalOrder) -> Tier:
        """At which it is retrieved, now that it was asked for."""
        return order.tier if self.has_job else order.tier.alone

    def prolong(self, order: RetrievalOrder, progress: Progress, at_most: int | None = None) -> int:
        """Keep copies that are there for as many days from when it was ordered as the order tells; for how many that
        was asked, each once. What cannot be kept is told: it can be read still.
        """
        if order.days is None:
            return 0
        wanted = end_of_copy(self._ordered, order.days)
        left = (pack for pack in self._packs.values() if pack.key not in self._prolonged)
        portion = list(islice((pack for pack in left if _goes_by(pack, wanted - timedelta.resolution)), at_most))
        self._prolonged.update(pack.key for pack in portion)
        trouble = self._keep_for(days_until(wanted, self._now()), portion)
        kept = sum(_is_kept_longer(pack, self._packs.get(pack.key)) for pack in portion)
        if kept:
            progress.note(
                f"{counted(kept, 'copy', 'copies')} that can be read already: kept until {format_time(wanted)}"
            )
        if trouble is not None:
            progress.note(f"a retrieved copy could not be kept longer: {trouble}")
        return len(portion)

    def ask(self, order: RetrievalOrder, progress: Progress, at_most: int | None = None) -> int:
        """Ask for packs that are neither there nor under way, each once; how many that were. Running it again goes on,
        with a new plan, too. One job asks for all, whatever `at_most` is; where there is none, that is told.
        """
        archived = [pack for pack in self._packs.values() if pack.is_archived]
        if order.tier.is_by_job and self._by_job.may_begin:
            # Of what was put over the list could not say which version is meant: these are asked for one by one.
            listed = [pack for pack in archived if pack.version is None]
            if listed and self._ask_by_job(listed, order, progress):
                return len(listed)
        portion = archived[:at_most]
        if portion and self._complaint is not None:
            self._tell_of_job(self._complaint, progress)
            self._complaint = None
        for _done in few_at_once(self._surroundings, lambda pack: self._ask_for(pack, order), portion):
            pass
        if portion:
            progress.note(asked_for(len(portion), order.tier.alone, order))
        return len(portion)

    def _ask_by_job(self, packs: Sequence[ColdPack], order: RetrievalOrder, progress: Progress) -> bool:
        """Whether there is a job that asks for these. They count as under way from now on."""
        self._complaint = self._by_job.begin([pack.key for pack in packs], order.kept_days)
        if self._complaint is not None:
            return False
        for pack in packs:
            self._note(pack, Coldness(under_way=True))
        progress.note(asked_for(len(packs), order.tier, order))
        return True

    def _tell_of_job(self, complaint: str, progress: Progress) -> None:
        if self.plan.archive_class is not None:
            tier = Tier.ACCELERATED.alone
            takes = LIST_PRICES.offers(self.plan.archive_class)[tier].takes
            progress.note(
                f"not all is retrieved by a job of S3 Batch Operations: {complaint}. What is left is asked for one by "
                f"one ({tier}, {takes})"
            )

    def wait(self, order: RetrievalOrder, progress: Progress, pause: Callable[[float], None]) -> None:
        """Until every pack can be read; all were asked for. What came first is kept until the last is there."""
        progress.total(sum(self._packs[key].size_bytes for key in self._waiting))
        began = self._now()
        silent_since: datetime | None = None
        while True:
            try:
                came = self.look()
                while self.ask(order, progress):
                    pass
            except UnavailableError as error:
                silent_since = silent_since or self._now()
                if self._now() - silent_since >= LONGEST_SILENCE:
                    raise
                progress.note(f"no look at what was asked for, which is tried again: {error}")
            else:
                silent_since = None
                for pack in came:
                    progress.advance(pack.size_bytes)
            if not self._waiting:
                return
            progress.advance(0)  # the pin's sign of life
            self.keep(progress)
            pause(pause_before_next_look(self._now() - began).total_seconds())

    def keep(self, progress: Progress) -> None:
        """Extend by a day what goes within hours. One that cannot be extended now is tried again soon; one that has
        gone is archived again, and nothing is asked for: that is for whoever waits for it.
        """
        if not self._keeping.acquire(blocking=False):
            return  # another thread is about it
        try:
            now = self._now()
            with self._lock:
                if self._keep_again is None or now < self._keep_again:
                    return
                due = [pack for pack in self._packs.values() if _goes_by(pack, now + EXTENSION_MARGIN)]
            trouble = self._keep_for(_EXTENSION_DAYS, due)
            with self._lock:
                soonest = self._next_keeping()
                self._keep_again = None if soonest is None else max(soonest, now + _TRY_AGAIN)
            if trouble is not None:
                progress.note(f"a retrieved copy could not be kept longer, which is tried again: {trouble}")
        finally:
            self._keeping.release()

    def look(self) -> list[ColdPack]:
        """Those that can be read since the last look; not all are looked at while none are. What has gone meanwhile,
        and what a job has left, is to be asked for; where one is, the next look is at all.
        """
        now, left = self._now(), len(self._waiting)
        complaint = self._by_job.look()
        if complaint is not None:
            self._complaint = complaint
            self._looked_at_all = now - _WHOLE_LOOK  # until a look has come to its end
        whole = now - self._looked_at_all >= _WHOLE_LOOK
        came: list[ColdPack] = []
        missed, is_lacking = 0, False
        while left and (whole or missed < _SAMPLE_PACKS):
            portion = [self._packs[key] for key in islice(self._waiting, left if whole else min(left, _SAMPLE_PACKS))]
            left -= len(portion)
            for pack, coldness in few_at_once(self._surroundings, self._coldness, portion):
                if coldness is None or coldness.readable_until is not None:
                    self._note(pack, coldness)
                    came.append(pack)
                else:
                    if not self._by_job.may_ask_for(pack.key):
                        is_lacking = is_lacking or not coldness.under_way
                        self._note(pack, coldness)
                    self._waiting.append(pack.key)
                    missed += 1
                self._waiting.popleft()
        if whole:
            self._looked_at_all = now
        elif is_lacking:
            self._looked_at_all = now - _WHOLE_LOOK
        if not self._waiting:
            self._by_job.end()
        return came

    def end(self) -> None:
        """Nobody waits any more: what a job has not asked for yet it leaves."""
        self._by_job.end()

    def _coldness(self, pack: ColdPack) -> Coldness | None:
        return self._store.head(pack.key, pack.version).coldness

    def _ask_for(self, pack: ColdPack, order: RetrievalOrder) -> None:
        self._store.retrieve(pack.key, order.kept_days, order.tier.alone, pack.version)
        self._note(pack, Coldness(under_way=True))

    def _note(self, pack: ColdPack, coldness: Coldness | None) -> None:
        with self._lock:
            if coldness is None:
                del self._packs[pack.key]  # cold no more: it is read as any other
                return
            self._packs[pack.key] = replace(pack, coldness=coldness)
            if coldness.readable_until is not None:
                due = coldness.readable_until - EXTENSION_MARGIN
                self._keep_again = due if self._keep_again is None else min(due, self._keep_again)

    def _keep_for(self, days: int, packs: Iterable[ColdPack]) -> HoldfastError | None:
        """Let copies that are there go so many days from now; what came in between, of the last that met something. One
        that has gone is waited for again.
        """
        trouble: HoldfastError | None = None
        for pack, found in few_at_once(self._surroundings, partial(self._extended, days), packs):
            if isinstance(found, HoldfastError):
                trouble = found
                continue
            self._note(pack, found)
            if found is not None and found.readable_until is None:
                self._waiting.append(pack.key)
        return trouble

    def _extended(self, days: int, pack: ColdPack) -> Coldness | HoldfastError | None:
        """How it lies, asked for so many days more where its copy is there; or what came in between."""
        try:
            if not _goes_by(pack, self._now()):
                # Nothing is retrieved for it, so the tier with the cheapest request does.
                self._store.retrieve(pack.key, days, Tier.BULK, pack.version)
            return self._coldness(pack)
        except HoldfastError as error:
            return error

    def _next_keeping(self) -> datetime | None:
        ends = [pack.coldness.readable_until for pack in self._packs.values() if pack.coldness.readable_until]
        return min(ends) - EXTENSION_MARGIN if ends else None


def _goes_by(pack: ColdPack, moment: datetime) -> bool:
    """Whether its copy is one that has gone by then."""
    return pack.coldness.readable_until is not None and pack.coldness.readable_until <= moment


def _is_kept_longer(before: ColdPack, after: ColdPack | None) -> bool:
    was, now = before.coldness.readable_until, None if after is None else after.coldness.readable_until
    return was is not None and now is not None and now > was


def retrieve(
    repository: Repository,
    retrieval: Retrieval,
    order: RetrievalOrder,
    progress: Progress,
    pause: Callable[[float], None] | None,
) -> int:
    """Ask for what is needed, and for as long as is told, and with `pause` wait until it can be read; how many packs
    were asked for. The points are pinned meanwhile (rule 7): it takes hours, and what is paid for must not go. Killed
    anywhere, run it again.

    Raises UsageError for a tier that the archive's class has not, NotFoundError for a point that is no more.
    """
    offered(order, retrieval.plan.archive_class, "this point")
    with pinned(repository, retrieval.plan.points, progress) as living:
        retrieval.prolong(order, progress)
        asked = 0
        while portion := retrieval.ask(order, progress):
            asked += portion
        found = retrieval.data
        if pause is not None and not found.is_readable:
            away = counted(found.cold_packs - found.readable_packs, "pack")
            takes = how_long(retrieval.plan.data, retrieval.tier_of(order))
            progress.note(f"waiting for {away}; {takes}. To end this and run it again later costs nothing more")
            retrieval.wait(order, living, pause)
            retrieval.prolong(order, progress)  # what was under way already, for fewer days
    return asked


def asked_for(pack_count: int, tier: Tier, order: RetrievalOrder) -> str:
    """What whoever asked is told."""
    return f"asked for {counted(pack_count, 'pack')} ({tier}, kept for {counted(order.kept_days, 'day')})"


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
