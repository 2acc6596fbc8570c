"""A worker's errand that becomes a restore point: a session in the repository, opened, worked for, committed, recorded.

Whatever becomes of it, its end is seen or settled later: it is written down before it is opened (`settlement.py`).
"""

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any, Protocol, Self

from holdfast.appliance.backups.settlement import record_point
from holdfast.appliance.points.retention_work import RetentionWork
from holdfast.appliance.ports.engine import Step
from holdfast.appliance.ports.records import OpenBackup
from holdfast.appliance.ports.repositories import BackedUp, PreparedWork
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.sessions.cleaning import undone
from holdfast.appliance.surface import Surface
from holdfast.appliance.workers.errands import Errand
from holdfast.appliance.workers.fleet import WorkerFleet
from holdfast.domain.errors import HoldfastError, UnavailableError
from holdfast.domain.session import LogLevel, TaskProgress


class PointErrand(Errand, Protocol):
    """An errand whose result is committed as a restore point; `facts.work` is the session that it is made in."""

    def in_session(self, work: str) -> Self:
        """The same errand in that session."""

    def open(self) -> PreparedWork:
        """Prepare the first attempt, in a session that may be another one than was asked for."""

    def open_backup(self) -> OpenBackup:
        """As it is written down until its end was seen."""

    def remarks(self) -> tuple[str, ...]:
        """What a person should know before it begins."""

    def accept(self, attempt: int) -> BackedUp | None:
        """Check the result and commit; None where there is none. Again: the same."""

    def abandon(self) -> str | None:
        """Nobody can commit it any more, and nothing of its work is left; the point's id where somebody did."""

    def set_aside(self, error: HoldfastError) -> OpenBackup | None:
        """As it is written down where another run can go on with what was stored before that error; None where it is
        to be given up.
        """

    def clean(self) -> None:
        """Remove what the work has left in repositories beside its point."""

    def sealed_configuration(self) -> bytes:
        """How the workload was made up, as it is kept with the point."""


class PointMaking:
    """The steps of it, for errands of each kind."""

    def __init__(self, surface: Surface, book: SessionBook, fleet: WorkerFleet, retention: RetentionWork) -> None:
        self._surface = surface
        self._book = book
        self._fleet = fleet
        self._retention = retention

    async def run(self, step: Step, errand: PointErrand) -> None:
        """From the repository's session to the recorded point. Raises what it failed with, with nothing left."""
        try:
            errand = errand.in_session(await step(self.open_session, errand))
            attempt = await self._fleet.run(step, errand)
            made = await step(self.commit, errand, attempt)
        except HoldfastError as error:
            made = await step(self.abandon, errand, error)
            if made is None:
                raise
        await step(self.record, errand, made)
        await undone(step, self._book, errand.facts.session_id, self.release, errand)

    def open_session(self, errand: PointErrand) -> str:
        """Open it, with the first attempt's task. Whatever becomes of it: it is settled by what is written here."""
        kept, meant = self._surface.records.open_backups, errand.open_backup()
        kept.put(meant)
        self._warn(errand, errand.remarks())
        prepared = errand.open()
        self._warn(errand, prepared.warnings)
        for line in prepared.alarms:
            self._book.warn(errand.facts.session_id, line)
        opened = prepared.session
        if opened != meant.work:
            kept.put(replace(meant, work=opened))
            kept.remove(meant.work)
        return opened

    def _warn(self, errand: PointErrand, lines: Iterable[str]) -> None:
        for line in lines:
            self._book.say(errand.facts.session_id, line, LogLevel.WARNING, errand.facts.task_id)

    def commit(self, errand: PointErrand, attempt: int) -> dict[str, Any]:
        """Check the worker's result and commit: from here on there is a restore point."""
        self._book.stage(errand.facts.task_id, "committing the restore point")
        made = errand.accept(attempt)
        if made is None:
            raise UnavailableError(
                "the worker said that it is done, and its result is not there",
                why="the repository has no result of that attempt",
                cure="run the policy again: the next one reads what changed since the last point",
            )
        return asdict(made)

    def record(self, errand: PointErrand, made: dict[str, Any]) -> None:
        """The appliance knows the point."""
        facts, done = errand.facts, BackedUp(**{**made, "warnings": tuple(made["warnings"])})
        opened = replace(errand.open_backup(), work=done.point)
        point = record_point(self._surface, opened, done, errand.sealed_configuration())
        figures: dict[str, str | int] = {
            "restore_point": done.point,
            "size_bytes": done.size_bytes,
            "read_bytes": done.read_bytes,
            "changed_bytes": done.changed_bytes,
            "stored_bytes": done.stored_bytes,
        }
        self._book.result(facts.task_id, figures, point.warnings)
        moved = TaskProgress(done.size_bytes, done.size_bytes, done.read_bytes, done.stored_bytes)
        self._book.change(facts.task_id, lambda task: replace(task, progress=moved))
        self._book.say(
            facts.session_id, f"{point.workload.id}: restore point {done.point}", LogLevel.INFO, facts.task_id
        )

    def release(self, errand: PointErrand) -> None:
        """The snapshots of the points before are needed no more, nor is what the worker's task left."""
        self._retention.release_bases(errand.open_backup().workload)
        errand.clean()

    def abandon(self, errand: PointErrand, error: HoldfastError) -> dict[str, Any] | None:
        """There will be no point of that session, unless another run goes on with it; where a commit came before the
        error, it is what counts. What cannot be given up now is settled later.
        """
        facts = errand.facts
        try:
            left = errand.set_aside(error)
            if left is not None:
                self._surface.records.open_backups.put(left)
                kept = "what its workers have stored is kept for a day: the next run goes on with it"
                self._book.say(facts.session_id, kept, LogLevel.INFO, facts.task_id)
                return None
            if errand.abandon() is None:
                self._surface.records.open_backups.remove(facts.work)
                return None
            made = errand.accept(1)
        except HoldfastError as other:
            message = f"the repository's session was not given up, and is looked at again: {other.what}: {other.why}"
            self._book.say(facts.session_id, message, LogLevel.WARNING, facts.task_id)
            return None
        message = f"the restore point was committed before this happened: {error.what}: {error.why}"
        self._book.result(facts.task_id, {}, [message])
        return None if made is None else asdict(made)


def in_session(work: PreparedWork, session: str) -> PreparedWork:
    """What was prepared in that session and no other. Raises UnavailableError."""
    if work.session != session:
        raise UnavailableError(
            "the repository's session was ended while its worker was prepared",
            why="something else gave it up: garbage collection, or another appliance",
            cure="run the policy again",
        )
    return work
