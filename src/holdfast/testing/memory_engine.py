"""An engine in memory, for one event loop: the same promises as the durable one, and it can die at any step.

What it remembers is an `EngineMemory`, which outlives it: a new engine on the same memory goes on where the old one
died, as after kill -9.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from holdfast.appliance.ports.engine import Lane, Workflow
from holdfast.domain.errors import HoldfastError
from holdfast.domain.session import ItemError
from holdfast.engine.answers import opened
from holdfast.protocol.appliance_answers import LaneState
from holdfast.protocol.encoding import to_document


class MachineDiedError(BaseException):
    """The machine is no more: nothing may catch this, and nothing may be cleaned up because of it."""


@dataclass
class Row:
    """One workflow: what it was started with, and the answers that are remembered, as JSON."""

    workflow: str
    arguments: tuple[str, ...]
    lane: Lane | None
    state: str = "queued"
    answers: list[str] = field(default_factory=list)


@dataclass
class EngineMemory:
    """What survives the death of an engine."""

    rows: dict[str, Row] = field(default_factory=dict)
    limits: dict[str, tuple[int, int | None]] = field(default_factory=dict)


# Told at each boundary of a step: its number from 1 over the engine's life, and what was just done or comes next.
Boundary = Callable[[int, str], None]


class MemoryEngine:
    """Implements the appliance's Engine. `boundary` may raise MachineDiedError: then this engine is dead."""

    def __init__(
        self, memory: EngineMemory, workflows: Mapping[str, Workflow], boundary: Boundary | None = None
    ) -> None:
        self._memory = memory
        self._workflows = workflows
        self._boundary = boundary
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._loop = asyncio.get_running_loop()
        self.boundaries = 0
        self.dead = False
        self.failures: list[BaseException] = []
        self.peak: dict[tuple[str, str], int] = {}
        for row in memory.rows.values():
            if row.state == "running":
                row.state = "queued"
        self._loop.call_soon(self._dispatch)

    def start(self, workflow: str, workflow_id: str, arguments: tuple[str, ...], lane: Lane | None = None) -> None:
        """From any thread."""
        if lane is not None and lane.queue not in self._memory.limits:
            raise KeyError(f"no limit was set for the queue {lane.queue}")
        self._memory.rows.setdefault(workflow_id, Row(workflow, arguments, lane))
        self._loop.call_soon_threadsafe(self._dispatch)

    def running(self, workflow_id: str) -> bool:
        """Whether it waits or runs."""
        row = self._memory.rows.get(workflow_id)
        return row is not None and row.state in ("queued", "running")

    def drop_queued(self, workflow_id: str) -> bool:
        """Only what has not begun."""
        row = self._memory.rows.get(workflow_id)
        if row is None or row.state != "queued" or row.answers:
            return False
        row.state = "dropped"
        return True

    def limit(self, queue: str, limit: int, partition_limit: int | None = None) -> None:
        """Set."""
        self._memory.limits[queue] = (limit, partition_limit)
        self._loop.call_soon_threadsafe(self._dispatch)

    def lane_states(self) -> list[LaneState]:
        """Counted now."""
        states = []
        for queue, (limit, partition_limit) in sorted(self._memory.limits.items()):
            lanes = [row.lane for row in self._memory.rows.values() if row.lane and row.lane.queue == queue]
            for partition in sorted({lane.partition for lane in lanes} | {""}):
                held = limit if not partition or partition_limit is None else partition_limit
                running, waiting = self._count(queue, partition, "running"), self._count(queue, partition, "queued")
                states.append(LaneState(queue, partition, held, running, waiting))
        return states

    def prune(self, ended_before: datetime) -> int:
        """All that have ended: this engine keeps no times."""
        ended = [key for key, row in self._memory.rows.items() if row.state not in ("queued", "running")]
        for key in ended:
            del self._memory.rows[key]
        return len(ended)

    async def settle(self, longest_seconds: float = 7 * 24 * 3600.0) -> None:
        """Until nothing runs or waits, or the machine died."""
        deadline_seconds = self._loop.time() + longest_seconds
        while not self.dead and any(row.state in ("queued", "running") for row in self._memory.rows.values()):
            if self._loop.time() > deadline_seconds:
                raise TimeoutError(f"still running: {list(self._tasks)}")
            await asyncio.sleep(0.25)

    async def die(self) -> None:
        """End everything where it stands."""
        self.dead = True
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _count(self, queue: str, partition: str, state: str) -> int:
        return sum(
            row.state == state
            and row.lane is not None
            and row.lane.queue == queue
            and partition in ("", row.lane.partition)
            for row in self._memory.rows.values()
        )

    def _dispatch(self) -> None:
        if self.dead:
            return
        running: dict[tuple[str, str], int] = {}
        for row in self._memory.rows.values():
            if row.state == "running" and row.lane is not None:
                for key in {(row.lane.queue, ""), (row.lane.queue, row.lane.partition)}:
                    running[key] = running.get(key, 0) + 1
        for workflow_id, row in list(self._memory.rows.items()):
            if row.state == "queued" and self._admits(row.lane, running):
                row.state = "running"
                if row.lane is not None:
                    for key in {(row.lane.queue, ""), (row.lane.queue, row.lane.partition)}:
                        running[key] = running.get(key, 0) + 1
                        self.peak[key] = max(self.peak.get(key, 0), running[key])
                task = self._loop.create_task(self._workflows[row.workflow](_Steps(self, row).step, *row.arguments))
                self._tasks[workflow_id] = task
                task.add_done_callback(lambda task, name=workflow_id: self._ended(name, task))  # type: ignore[misc]

    def _admits(self, lane: Lane | None, running: dict[tuple[str, str], int]) -> bool:
        if lane is None:
            return True
        limit, partition_limit = self._memory.limits[lane.queue]
        if running.get((lane.queue, ""), 0) >= limit:
            return False
        return partition_limit is None or running.get((lane.queue, lane.partition), 0) < partition_limit

    def _ended(self, workflow_id: str, task: asyncio.Task[None]) -> None:
        del self._tasks[workflow_id]
        if task.cancelled():
            return
        failure = task.exception()
        if self.dead or isinstance(failure, MachineDiedError):
            return
        row = self._memory.rows[workflow_id]
        row.answers.clear()
        row.state = "ended" if failure is None else "failed"
        if failure is not None:
            self.failures.append(failure)
        self._dispatch()

    def cross(self, what: str) -> None:
        """A boundary of a step; here the machine may die."""
        self.boundaries += 1
        if self._boundary is not None:
            try:
                self._boundary(self.boundaries, what)
            except MachineDiedError:
                self.kill()
                raise

    def kill(self) -> None:
        """The machine died: whatever runs stands still where it is."""
        self.dead = True
        for task in list(self._tasks.values()):
            task.cancel()


class _Steps:
    """The `step` of one execution of one workflow."""

    def __init__(self, engine: MemoryEngine, row: Row) -> None:
        self._engine = engine
        self._row = row
        self._number = 0

    async def step(self, effect: Callable[..., Any], *arguments: Any) -> Any:
        """Remembered answers first; a new one is remembered as JSON."""
        number, self._number = self._number, self._number + 1
        if number < len(self._row.answers):
            return opened(json.loads(self._row.answers[number]))
        self._engine.cross(f"before {effect.__name__}")
        try:
            answer = effect(*arguments)
            remembered = {"answer": await answer if asyncio.iscoroutine(answer) else answer}
        except HoldfastError as error:
            remembered = {"error": to_document(ItemError.of(error))}
        except MachineDiedError:
            self._engine.kill()
            raise
        self._engine.cross(f"after {effect.__name__}")
        text = json.dumps(remembered)
        self._row.answers.append(text)
        return opened(json.loads(text))
