"""Tasks of a session that are workflows of their own: waited for all together, and ended with it."""

from typing import Protocol

from holdfast.appliance.ports.engine import Step
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface
from holdfast.domain.errors import HoldfastError
from holdfast.domain.session import Task

# Of so many looks one. Records say when a task has ended; that its workflow broke off, only the engine can say.
ENGINE_ASKED_EVERY = 30


class Round(Protocol):
    """What a session does with such tasks, a step each."""

    def select(self, session_id: str) -> list[str]:
        """Begin the session, and open its tasks; the ids of those that are to be done."""

    def start_tasks(self, session_id: str, tasks: list[str]) -> None:
        """Each in its lane; again is no error."""

    def retain(self, session_id: str) -> None:
        """All have ended: what is kept no longer goes."""


class Rounds:
    """One for each kind of session that has such tasks."""

    def __init__(self, surface: Surface, book: SessionBook) -> None:
        self._surface = surface
        self._book = book

    async def run(self, step: Step, session_id: str, work: Round) -> None:
        """The session, to its end."""
        try:
            tasks = await step(work.select, session_id)
            await step(work.start_tasks, session_id, tasks)
            await step(self.until_ended, tasks)
            await step(work.retain, session_id)
        except HoldfastError as error:
            await step(self.end, session_id, error)
            return
        await step(self.end, session_id, None)

    async def until_ended(self, tasks: list[str], in_turn: bool = False) -> None:
        """Until each task has ended; one whose workflow is no more is not waited for. `in_turn`: the turn of the task
        asks, and must not wait for itself.
        """
        surroundings, polls, left = self._surface.surroundings, 0, list(tasks)
        while left:
            polls += 1
            left = await surroundings.aside(self._unended, left, polls % ENGINE_ASKED_EVERY == 0, in_turn)
            if left:
                await surroundings.sleep(self._surface.patience.turn_poll_seconds)

    def end(self, session_id: str, error: HoldfastError | None) -> None:
        """The session has ended."""
        for task in self._surface.records.sessions.tasks(session_id):
            if not task.state.final:
                self._book.end_task(task.id, error or _defect(task))
        self._book.end(session_id, error)

    def _unended(self, left: list[str], asks_engine: bool, in_turn: bool) -> list[str]:
        sessions, engine = self._surface.records.sessions, self._surface.engine()
        first = sessions.task(left[0])
        states = {first.id: first.state}
        if len(left) > 1:
            states |= {task.id: task.state for task in sessions.tasks(first.session_id)}
        return [
            task_id
            for task_id in left
            if not states[task_id].final
            and (not asks_engine or engine.running(task_id) or (not in_turn and engine.running(turn_of(task_id))))
        ]


def turn_of(task_id: str) -> str:
    """The workflow that holds a turn for a task, where it waits for one."""
    return f"{task_id}-turn"


def _defect(task: Task) -> HoldfastError:
    return HoldfastError(
        f"the task of {task.workload.id} was broken off",
        why="the appliance met a defect of its own; its log has the details",
        cure="report it, and run the policy again",
    )
