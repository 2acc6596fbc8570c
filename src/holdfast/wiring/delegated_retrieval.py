"""Retrievals in a repository of class archive, as an appliance has them: called again and again, a moment each.

What is remembered here only saves requests: lost with the process, it is found again by asking the store.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from holdfast.domain.retrieval import ColdData, RetrievalOrder, offered
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Progress, Silence
from holdfast.repository.reading.retrieval.plan import packs_of_volumes, plan_for_packs
from holdfast.repository.reading.retrieval.retrieving import Retrieval
from holdfast.repository.retrieval_jobs import OpenJobs
from holdfast.repository.sessions.pins import pin_again
from holdfast.repository.sessions.points import find_point
from holdfast.repository.sessions.signs_of_life import living


class Notes(Silence):
    """Hands on what is said in words."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def note(self, text: str) -> None:
        """A line."""
        self._tell(text)


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """`alive` is told at each call: it keeps the reader's pin."""

    retrieval: Retrieval
    alive: Progress


class DelegatedRetrievals:
    """Of one repository; `turn` gives it to one caller at a time, `jobs` are those of its place. Packs are asked for
    outside of turns: that takes long, and touches nothing that others change. At most `at_once` one by one in a call,
    for between calls its caller says how far it is, and hears whether somebody cancels.
    """

    def __init__(
        self,
        turn: Callable[[], AbstractContextManager[Repository]],
        at_once: int,
        jobs: OpenJobs,
    ) -> None:
        self._turn = turn
        self._at_once = at_once
        self._jobs = jobs
        self._under_way: dict[str, _UnderWay] = {}

    def look(self, point: str, tenant: str, volumes: Sequence[str]) -> ColdData:
        """What a restore of these volumes needs, as it lies now."""
        with self._turn() as repository:
            found = find_point(repository, point, tenant)
            packs = packs_of_volumes(repository, found, volumes)
        return plan_for_packs(repository, (found.session,), packs).data

    def go_on(
        self,
        session: str,
        point: str,
        tenant: str,
        volumes: Sequence[str],
        order: RetrievalOrder,
        ordered: datetime,
        tell: Callable[[str], None],
    ) -> ColdData:
        """Pin, and do what there is to do now; how far it is."""
        reader, listener = bytes.fromhex(session), Notes(tell)
        with self._turn() as repository:
            found = find_point(repository, point, tenant)
            pin_again(repository, reader, (found.session,), listener)
            known = self._under_way.get(session)
            packs = packs_of_volumes(repository, found, volumes) if known is None else {}
        if known is None:
            plan = plan_for_packs(repository, (found.session,), packs)
            offered(order, plan.archive_class, f"restore point {point}")
            known = _UnderWay(Retrieval(repository, plan, self._jobs, ordered), living(repository, reader, listener))
            self._under_way[session] = known
        while known.retrieval.prolong(order, listener, self._at_once):
            known.alive.advance(0)
        if not known.retrieval.ask(order, listener, self._at_once):
            known.retrieval.look()
        known.retrieval.keep(listener)
        known.alive.advance(0)
        return known.retrieval.data

    def forget(self, session: str) -> None:
        """It has ended, or was cancelled."""
        known = self._under_way.pop(session, None)
        if known is not None:
            known.retrieval.end()
