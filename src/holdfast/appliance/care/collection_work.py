"""Garbage of a repository is collected, or only looked for: a session with one task, stopped by a cancellation.

What was retired frees nothing by itself. The protocol of the repository makes a collection safe beside backups,
restores and other collections, and safe to kill: what was cut short is begun anew.
"""

import asyncio
import threading
from collections.abc import Iterator, Sequence

from holdfast.appliance.ports.engine import Step
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface, derived_id
from holdfast.domain.collection import Collected, CollectionWish
from holdfast.domain.errors import HoldfastError
from holdfast.domain.numerals import counted
from holdfast.domain.session import State, Task
from holdfast.domain.verification import NAMED_LIMIT
from holdfast.domain.workload import Workload, WorkloadKind
from holdfast.protocol.encoding import from_document, to_document

COLLECTION = "collection"
WISH = "wish"
# In the task's result: what holds the rest up; how many could not be locked longer, of whom so many are named.
WAITING = "waiting"
NOT_RENEWED_OBJECTS = "not_renewed_objects"
_LOOK_SECONDS = 1.0


def collection_task(session_id: str, repository: str) -> Task:
    """The one task of such a session; what came of it has the names of `Collected`."""
    workload = Workload(WorkloadKind.REPOSITORY, "", "", repository)
    return Task(derived_id(session_id, repository), session_id, workload, State.QUEUED)


class CollectionWork:
    """The workflow `collection`."""

    def __init__(self, surface: Surface, book: SessionBook) -> None:
        self._surface = surface
        self._book = book

    async def run(self, step: Step, session_id: str, task_id: str) -> None:
        """The session, to its end."""
        try:
            await step(self.collect, session_id, task_id)
        except HoldfastError as error:
            await step(self.end, session_id, task_id, error)
            return
        await step(self.end, session_id, task_id, None)

    async def collect(self, session_id: str, task_id: str) -> None:
        """In a thread of its own; what holds it up is a warning, and so is what could not be locked longer."""
        self._book.begin(session_id)
        self._book.check_cancelled(session_id)
        repository = self._book.begin_task(task_id).workload.id
        details = self._surface.records.sessions.details(session_id)
        wish = from_document(CollectionWish, details[WISH], "the collection")
        collected = await self._until_done(session_id, task_id, repository, wish)
        self._book.say(session_id, _told(collected, wish), task_id=task_id)
        named = collected.not_renewed[:NAMED_LIMIT]
        result = {**to_document(collected), "not_renewed": named, NOT_RENEWED_OBJECTS: len(collected.not_renewed)}
        warnings = [_what_waits(collected)] if collected.waiting else []
        self._book.result(task_id, result, [*warnings, *_not_renewed(collected.not_renewed)])

    def end(self, session_id: str, task_id: str, error: HoldfastError | None) -> None:
        """Task and session."""
        self._book.end_task(task_id, error)
        self._book.end(session_id)

    async def _until_done(self, session_id: str, task_id: str, repository: str, wish: CollectionWish) -> Collected:
        stop = threading.Event()

        def tell(text: str) -> None:
            self._book.stage(task_id, text)

        aside, collect = self._surface.surroundings.aside, self._surface.repositories.collect
        call = asyncio.ensure_future(aside(collect, repository, wish, tell, stop.is_set))
        try:
            while not (await asyncio.wait({call}, timeout=_LOOK_SECONDS))[0]:
                if self._surface.records.sessions.cancel_requested(session_id):
                    stop.set()
        finally:
            stop.set()
        collected: Collected = call.result()
        return collected


def _told(collected: Collected, wish: CollectionWish) -> str:
    if wish.dry_run:
        return f"{counted(collected.condemned_packs, 'pack')} would go: {_mib(collected.condemned_bytes)}"
    done = f"{counted(collected.deleted_packs, 'pack')} deleted, {_mib(collected.freed_bytes)} freed"
    repacked = f"{counted(collected.repacked_packs, 'pack')} repacked into {_mib(collected.written_bytes)}"
    return f"{done}; {repacked}" if collected.repacked_packs else done


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 1024**2:.1f} MiB"


def _not_renewed(names: Sequence[str]) -> Iterator[str]:
    for name in names[:NAMED_LIMIT]:
        yield (
            f"{name} is damaged or missing, and its lock was not renewed: run `holdfast repository check` to see whom "
            "that hurts, and `holdfast repository repair`"
        )
    if len(names) > NAMED_LIMIT:
        yield f"so it is with {counted(len(names) - NAMED_LIMIT, 'more object')}: {len(names)} in all"


def _what_waits(collected: Collected) -> str:
    waiting = ", ".join(f"{session[:8]} (since {since})" for session, since in sorted(collected.waiting.items()))
    return (
        f"nothing more is deleted while {counted(len(collected.waiting), 'backup')} may build upon it: {waiting}; "
        "the next collection goes on"
    )
