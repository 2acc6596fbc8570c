"""Image backups are read back whole: a session with a task for each point, one after the other, each with a worker.

What came of it stands in the point's record. A point that lacks something fails its task and names what heals it; one
that only has damage beside whole copies ends with a warning. The others go on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from holdfast.appliance.care.verify_errand import ReadBack, VerifyErrand
from holdfast.appliance.points.damaged_packs import remember_further_packs
from holdfast.appliance.points.retention_work import RetentionWork
from holdfast.appliance.ports.engine import Step
from holdfast.appliance.ports.repositories import Verified
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.sessions.cleaning import undone
from holdfast.appliance.surface import Surface, derived_id
from holdfast.appliance.workers.errands import ErrandFacts
from holdfast.appliance.workers.fleet import WorkerFleet
from holdfast.domain.errors import HoldfastError, IntegrityError, UnavailableError
from holdfast.domain.numerals import counted
from holdfast.domain.policy import WorkerChoice
from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.session import State, Task, TaskProgress
from holdfast.domain.verification import NAMED_LIMIT, Verification, outcome_of
from holdfast.protocol.encoding import from_document, to_document
from holdfast.protocol.worker_messages import TaskKind

VERIFICATION = "verification"
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class VerifyOrder:
    """What such a session was opened to do: points by the ids of their tasks, and how workers are made."""

    points: Mapping[str, str]
    choice: WorkerChoice

    @classmethod
    def of_points(cls, session_id: str, points: Iterable[RestorePoint], choice: WorkerChoice) -> "VerifyOrder":
        """Of these points."""
        return cls({derived_id(session_id, point.id): point.id for point in points}, choice)

    def details(self) -> dict[str, Any]:
        """For the session."""
        return {"points": dict(self.points), "worker": to_document(self.choice)}

    @classmethod
    def of(cls, details: Mapping[str, Any]) -> "VerifyOrder":
        """The reverse."""
        return cls(details["points"], from_document(WorkerChoice, details["worker"], "the verification of a session"))


def verify_tasks(session_id: str, points: Iterable[RestorePoint]) -> list[Task]:
    """The tasks of such a session."""
    return [
        Task(
            derived_id(session_id, point.id),
            session_id,
            point.workload,
            State.QUEUED,
            progress=TaskProgress(total_bytes=point.size_bytes),
        )
        for point in points
    ]


class VerifyTask:
    """The workflow `verification`."""

    def __init__(self, surface: Surface, book: SessionBook, fleet: WorkerFleet, retention: RetentionWork) -> None:
        self._surface = surface
        self._book = book
        self._fleet = fleet
        self._retention = retention

    async def run(self, step: Step, session_id: str) -> None:
        """The session, to its end."""
        tasks: list[str] = await step(self.begin, session_id)
        for task_id in tasks:
            try:
                await self._verify(step, session_id, task_id)
            except HoldfastError as error:
                await step(self.end_task, task_id, error)
                continue
            await step(self.end_task, task_id, None)
        await step(self.end, session_id)

    async def _verify(self, step: Step, session_id: str, task_id: str) -> None:
        begun: dict[str, Any] | None = await step(self.begin_task, session_id, task_id)
        if begun is None:
            return
        choice, what = self._order(session_id).choice, ReadBack(**begun["what"])
        facts = ErrandFacts(TaskKind.VERIFY, session_id, task_id, begun["work"], begun["region"], choice.mode)
        errand = VerifyErrand(self._surface, facts, what, choice)
        try:
            attempt = await self._fleet.run(step, errand)
            await step(self.judge, errand, attempt)
        except HoldfastError:
            await undone(step, self._book, session_id, self.end_work, errand)
            raise
        await undone(step, self._book, session_id, self.end_work, errand)
        await step(self.complain, what.point)

    def begin(self, session_id: str) -> list[str]:
        """The tasks in the order of their points."""
        self._book.begin(session_id)
        return list(self._order(session_id).points)

    def begin_task(self, session_id: str, task_id: str) -> dict[str, Any] | None:
        """What there is to do, as it is decided once, with the id of the reader in the repository; None for a task that
        was cancelled while it waited. A point that is no more is an error of its task alone.
        """
        if self._book.begin_task(task_id).state.final:
            return None
        self._book.check_cancelled(session_id)
        point = self._surface.records.points.get(self._order(session_id).points[task_id])
        tenant = self._surface.tenant(point.workload.account)
        with self._surface.repositories.open(point.repository or "") as repository:
            work = repository.new_session()
        what = ReadBack(point.id, point.repository or "", tenant, point.size_bytes)
        return {"work": work, "region": point.workload.region, "what": asdict(what)}

    def judge(self, errand: VerifyErrand, attempt: int) -> None:
        """Write down what the result comes to."""
        task_id, session_id = errand.facts.task_id, errand.facts.session_id
        self._book.stage(task_id, "judging what the worker found")
        found = errand.judged(attempt)
        if found is None:
            raise UnavailableError(
                "the worker said that it is done, and its result is not there",
                why="the repository has no result of that attempt",
                cure="verify the point again",
            )
        point = self._remember(self._order(session_id).points[task_id], found)
        figures: dict[str, str | int] = {
            "restore_point": point.id,
            "outcome": outcome_of(found.damage).value,
            "packs": found.packs,
            "chunks": found.chunks,
            "read_bytes": found.read_bytes,
            "opened_packs": found.opened_packs,
        }
        # What hurts is the task's error; what does not is a warning.
        lines = [f"{one.object}: {one.why}; {_HARMLESS}" for one in found.damage if not one.volumes]
        self._book.result(task_id, figures, lines[:NAMED_LIMIT])

    def complain(self, point_id: str) -> None:
        """Raises IntegrityError where volumes of the point lack something."""
        point = self._surface.records.points.get(point_id)
        if point.verification is None or not point.verification.hurt_volumes:
            return
        hurt = [one for one in point.verification.damage if one.volumes]
        named = "; ".join(f"{one.object} ({', '.join(one.volumes)}): {one.why}" for one in hurt[:_SHOWN])
        more = f"; and {counted(len(hurt) - _SHOWN, 'more object')}" if len(hurt) > _SHOWN else ""
        raise IntegrityError(
            f"restore point {point.id} of {point.workload.id} lacks data of "
            f"{', '.join(point.verification.hurt_volumes)}",
            why=f"{named}{more}",
            cure=f"run `holdfast repository repair` on repository {point.repository}; the next backup of the instance "
            "builds upon nothing that is damaged",
            objects=tuple(one.object for one in hurt),
        )

    def end_work(self, errand: VerifyErrand) -> None:
        """Unpin the point."""
        errand.end()

    def end_task(self, task_id: str, error: HoldfastError | None) -> None:
        """One of several."""
        self._book.end_task(task_id, error)

    def end(self, session_id: str) -> None:
        """The session, with what its tasks came to."""
        self._book.end(session_id)

    def _remember(self, point_id: str, found: Verified) -> RestorePoint:
        """In the point's record, as that is now. Raises NotFoundError where there is none any more."""
        now = self._surface.surroundings.now()
        verification = Verification.of(
            found.damage, now, packs=found.packs, chunks=found.chunks, read_bytes=found.read_bytes
        )
        point = self._surface.records.points.get(point_id)
        remember_further_packs(self._surface, point, found.damage)
        self._retention.change(point, lambda one: replace(one, verification=verification))
        return point

    def _order(self, session_id: str) -> VerifyOrder:
        return VerifyOrder.of(self._surface.records.sessions.details(session_id))


_HARMLESS = "all of it can be read from other copies; `holdfast repository repair` makes these the ones that are read"
