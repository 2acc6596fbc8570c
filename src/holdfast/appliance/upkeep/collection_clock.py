"""Every repository is collected once a day, by the appliance itself: retention and people retire points, and free
nothing.

When the next one falls due follows from the last one, whoever asked for it; that stands in the list of sessions, so a
restart changes nothing. A repository that is new here waits its first day: who has just lost an appliance restores.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.appliance.care.collection_work import WAITING
from holdfast.appliance.desk.desk import LEAVING
from holdfast.appliance.surface import Surface, derived_id
from holdfast.appliance.upkeep.scheduler import TRIGGER
from holdfast.domain.collection import CollectionWish
from holdfast.domain.session import Session, SessionKind, State
from holdfast.domain.time import format_time, is_ahead, parse_time

# Since when each repository is looked after: {name: time}.
_KNOWN_SINCE = "collections-known-since"
_PAGE = 100

# Opens and starts a session of that id for a repository of that name.
Start = Callable[[str, str, CollectionWish, str], Session]


@dataclass(frozen=True, slots=True)
class CollectionRhythm:
    """How long after a collection the next one falls due; sooner where backups have held it up."""

    every: timedelta = timedelta(days=1)
    after_hold_up: timedelta = timedelta(hours=1)


class CollectionClock:
    """Asked every minute. It waits for no backup: what holds a collection up is gone by the next one."""

    def __init__(self, surface: Surface, start: Start, rhythm: CollectionRhythm) -> None:
        self._surface = surface
        self._start = start
        self._rhythm = rhythm

    def tick(self) -> list[str]:
        """Start what is due now; the ids of the sessions."""
        now, started = self._surface.surroundings.now(), list[str]()
        if self._surface.records.settings.get(LEAVING):
            return started
        for name, since in self._known_since(now).items():
            due = self._due(name, since, now)
            if due is not None and due <= now:
                session_id = derived_id("collection", name, format_time(due))
                started.append(self._start(session_id, name, CollectionWish(wait_minutes=0), TRIGGER).id)
        return started

    def _known_since(self, now: datetime) -> dict[str, datetime]:
        settings = self._surface.records.settings
        told: dict[str, str] = settings.get(_KNOWN_SINCE) or {}
        before = {name: parse_time(since) for name, since in told.items()}
        names = [repository.name for repository in self._surface.records.repositories.all()]
        known = {name: min(now, before.get(name, now)) for name in names}
        if known != before:
            settings.put(_KNOWN_SINCE, {name: format_time(since) for name, since in known.items()})
        return known

    def _due(self, name: str, since: datetime, now: datetime) -> datetime | None:
        """None while one runs."""
        last = self._last(name, now)
        if last is not None and not last.state.final:
            return None
        if last is None or last.created_at < since:
            return since + self._rhythm.every  # nothing, or of another repository, which had this name
        ended = last.ended_at
        if last.state == State.WARNING and ended is not None and not is_ahead(ended, now) and self._waits(last):
            return ended + self._rhythm.after_hold_up
        return last.created_at + self._rhythm.every

    def _last(self, name: str, now: datetime) -> Session | None:
        """The newest that runs, or was not dated by a clock that ran ahead: or none would fall due for so long."""
        sessions, before = self._surface.records.sessions, None
        while page := sessions.page(before=before, limit=_PAGE, kind=SessionKind.COLLECT_GARBAGE, subject=name):
            for one in page:
                if not one.state.final or not is_ahead(one.created_at, now):
                    return one
            before = page[-1].id
        return None

    def _waits(self, session: Session) -> bool:
        """Whether backups have held it up."""
        return any(task.result.get(WAITING) for task in self._surface.records.sessions.tasks(session.id))
