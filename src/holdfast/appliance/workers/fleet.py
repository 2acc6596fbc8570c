"""Workers: launched, given their one task, listened to, ended. A worker that is lost is replaced by another attempt.

Each attempt has a number that its instance, role and queue bear: only what belongs to an attempt is ever ended for it.
Everything here is a step, or a chain of steps, of a task.
"""

from dataclasses import asdict, replace
from typing import Any

from holdfast.appliance.ports.cloud import Worker
from holdfast.appliance.ports.engine import Step
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.sessions.cleaning import undone
from holdfast.appliance.sessions.waiting import pause
from holdfast.appliance.surface import OWN_ACCOUNT, Surface
from holdfast.appliance.workers.errands import Errand
from holdfast.appliance.workers.local_workers import LocalAttempts
from holdfast.appliance.workers.watch import WorkerWatch
from holdfast.domain import ownership
from holdfast.domain.errors import HoldfastError, QuotaReachedError, WorkerLostError
from holdfast.domain.policy import WorkerMode
from holdfast.domain.session import LogLevel, WorkerFacts
from holdfast.protocol.worker_messages import CONTEXT_ATTEMPT, CONTEXT_SESSION, CONTEXT_USER_ID, encode_pointer

ATTEMPTS = 3


class WorkerFleet:
    """Sends workers out for errands."""

    def __init__(self, surface: Surface, book: SessionBook, local: LocalAttempts) -> None:
        self._surface = surface
        self._book = book
        self._local = local
        self._watch = WorkerWatch(surface, book)

    async def run(self, step: Step, errand: Errand) -> int:
        """Have the errand done; the attempt that did it. Raises what a worker failed with, WorkerLostError when every
        attempt was lost, CancelledError.
        """
        why, first = "", errand.facts.first_attempt
        for attempt in range(first, first + ATTEMPTS):
            once = self._locally if errand.facts.mode == WorkerMode.LOCAL else self._on_an_instance
            ended: dict[str, Any] = await once(step, errand, attempt)
            if ended["done"]:
                return attempt
            why = ended["why"]
        raise WorkerLostError(
            f"{ATTEMPTS} workers were lost one after the other",
            why=why,
            cure="look at the reason and the console text above, and at the network of workers (docs/policies.md), "
            "then run it again",
        )

    async def _on_an_instance(self, step: Step, errand: Errand, attempt: int) -> dict[str, Any]:
        facts = errand.facts
        try:
            launched = await step(self.launch, errand, attempt)
        except HoldfastError:
            await undone(step, self._book, facts.session_id, self.clear, errand, attempt)
            raise
        try:
            await step(self.send, errand, attempt, launched)
            ended: dict[str, Any] = await step(self._watch.until_ended, errand, attempt, launched)
        except HoldfastError:
            await undone(step, self._book, facts.session_id, self.terminate, errand, attempt, launched)
            raise
        await undone(step, self._book, facts.session_id, self.terminate, errand, attempt, launched)
        return ended

    async def _locally(self, step: Step, errand: Errand, attempt: int) -> dict[str, Any]:
        ended: dict[str, Any] = await step(self._local.run, errand, attempt)
        return ended

    async def launch(self, errand: Errand, attempt: int) -> dict[str, Any]:
        """Prepare the task and launch its worker; waits while a quota leaves no room."""
        surface, facts = self._surface, errand.facts
        owner = surface.owner(facts.session_id, facts.task_id, ownership.WORKER, attempt)
        work = await surface.surroundings.aside(errand.prepare, attempt)
        order = errand.order(owner, work)
        number = attempt - facts.first_attempt + 1
        self._book.stage(facts.task_id, "launching a worker" if number == 1 else f"launching worker {number}")
        waited_seconds = 0.0
        while True:
            self._book.check_cancelled(facts.session_id)
            try:
                worker: Worker = await surface.surroundings.aside(surface.cloud.workers(facts.region).launch, order)
                break
            except QuotaReachedError as error:
                if waited_seconds >= surface.patience.quota_patience_seconds:
                    raise
                if not waited_seconds:
                    self._book.stage(facts.task_id, f"waiting for room: {error.what}")
            pause_seconds = surface.patience.quota_pause_seconds
            waited_seconds += await pause(surface, self._book, facts.session_id, pause_seconds)
        told = WorkerFacts(
            mode=WorkerMode.EC2,
            instance_id=worker.instance_id,
            instance_type=worker.instance_type,
            attempt=attempt,
            started_at=surface.surroundings.now(),
            work=facts.work,
        )
        self._book.change(facts.task_id, lambda task: replace(task, workers=with_worker(task.workers, told)))
        where = f"worker {worker.instance_id} is a {worker.instance_type} in {worker.zone}"
        self._book.say(facts.session_id, where, LogLevel.INFO, facts.task_id)
        return asdict(worker)

    def send(self, errand: Errand, attempt: int, launched: dict[str, Any]) -> None:
        """Wrap the key for that instance alone, and send the pointer. Sent again after a crash it does no harm: a
        worker takes one message, and its queue goes with it.
        """
        worker, facts = Worker(**launched), errand.facts
        workers = self._surface.cloud.workers(facts.region)
        work = errand.prepare(attempt)
        context = {CONTEXT_SESSION: work.session, CONTEXT_ATTEMPT: str(attempt), CONTEXT_USER_ID: worker.user_id}
        kms_key_id, wrapped = workers.wrap_key(worker, work.scratch_key, context)
        pointer = replace(
            facts.pointer(attempt, work),
            kms_key_id=kms_key_id,
            wrapped_key=wrapped,
            encryption_context=context,
            events_queue_url=self._surface.cloud.events(facts.region).url,
            appliance=self._surface.appliance_id,
        )
        workers.send(worker, encode_pointer(pointer))
        self._book.stage(facts.task_id, f"worker {worker.instance_id} has its task")

    def terminate(self, errand: Errand, attempt: int, launched: dict[str, Any]) -> None:
        """End that attempt's instance, with its role and queue."""
        facts = errand.facts
        self._surface.cloud.workers(facts.region).terminate(Worker(**launched))
        self._ended(facts.task_id, attempt)

    def clear(self, errand: Errand, attempt: int) -> None:
        """What a launch that failed has left of that attempt."""
        facts = errand.facts
        meant = self._surface.owner(facts.session_id, facts.task_id, ownership.WORKER, attempt)
        belongings = self._surface.cloud.belongings(OWN_ACCOUNT, facts.region)
        for one in list(belongings.owned()):
            if one.ownership == meant:
                belongings.remove(one)
        self._ended(facts.task_id, attempt)

    def _ended(self, task_id: str, attempt: int) -> None:
        now = self._surface.surroundings.now()
        self._book.change(
            task_id,
            lambda task: replace(
                task,
                workers=tuple(
                    replace(one, ended_at=one.ended_at or now) if one.attempt == attempt else one
                    for one in task.workers
                ),
            ),
        )


def with_worker(workers: tuple[WorkerFacts, ...], told: WorkerFacts) -> tuple[WorkerFacts, ...]:
    """With the worker of that attempt; one that is there already stays as it is."""
    return workers if any(one.attempt == told.attempt for one in workers) else (*workers, told)
