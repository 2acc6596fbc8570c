"""Mode `local`: the same worker as a process beside the appliance, for small sites and machines without EC2."""

from dataclasses import replace
from typing import Any

from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface
from holdfast.appliance.workers.errands import Errand
from holdfast.appliance.workers.event_pump import EventPump
from holdfast.appliance.workers.watch import another_attempt, worker_of
from holdfast.domain.errors import WorkerLostError
from holdfast.domain.policy import WorkerMode
from holdfast.domain.session import Task, WorkerFacts
from holdfast.protocol.worker_messages import EventType, encode_pointer


class LocalAttempts:
    """Runs an attempt of an errand on this machine."""

    def __init__(self, surface: Surface, book: SessionBook, pump: EventPump) -> None:
        self._surface = surface
        self._book = book
        self._pump = pump

    async def run(self, errand: Errand, attempt: int) -> dict[str, Any]:
        """As `WorkerWatch.until_ended`. A process ends with the appliance: an attempt that was begun before a crash is
        either finished or lost, and is not begun again.
        """
        surface, facts = self._surface, errand.facts
        task: Task = surface.records.sessions.task(facts.task_id)
        if any(one.attempt == attempt for one in task.workers):
            done = await surface.surroundings.aside(errand.finished, attempt)
            return {"done": True} if done else {"done": False, "why": "the appliance was ended and its workers too"}
        work = await surface.surroundings.aside(errand.prepare, attempt)
        now = surface.surroundings.now()
        told = WorkerFacts(mode=WorkerMode.LOCAL, attempt=attempt, started_at=now, work=facts.work)
        self._book.stage(facts.task_id, "a local worker moves the data")
        self._book.change(facts.task_id, lambda task: replace(task, workers=(*task.workers, told)))
        sessions, why = surface.records.sessions, "it ended without a last word"
        try:
            await surface.local_workers.run(
                encode_pointer(facts.pointer(attempt, work)),
                work.scratch_key,
                self._pump.reporter(),
                lambda: sessions.cancel_requested(facts.session_id),
            )
        except WorkerLostError as error:
            why = f"{error.what}: {error.why}"
        self._book.check_cancelled(facts.session_id)
        ended_at = surface.surroundings.now()
        task = self._book.change(
            facts.task_id,
            lambda task: replace(
                task,
                workers=tuple(
                    replace(one, ended_at=ended_at) if one.attempt == attempt else one for one in task.workers
                ),
            ),
        )
        worker = worker_of(task, attempt)
        if worker.outcome == EventType.DONE:
            return {"done": True}
        return {"done": False, "why": why} if worker.error is None else another_attempt(worker.error)
