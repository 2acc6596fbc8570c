"""The engine on DBOS with a SQLite file: workflows, queues and remembered answers live in that one file.

What holds here, each learned from a failure: the version of the application is constant, so that a new program goes on
with the work of the old one; only the own executor's work is recovered, under a lease; the file is in WAL mode, so that
who reads does not stop who writes; a queue's name is fixed by its lane, so that limits survive a restart.
"""

import asyncio
import contextvars
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig

from holdfast.appliance.ports.engine import Lane, Workflow
from holdfast.domain.time import format_time
from holdfast.engine.answers import JsonSerializer, answer_of, opened
from holdfast.engine.lease import Lease
from holdfast.protocol.appliance_answers import LaneState

APPLICATION_VERSION = "1"
EXECUTOR = "holdfast"
_WAITING, _RUNNING = ("ENQUEUED", "DELAYED"), ("PENDING",)
_WITHOUT_LANE = "any"
_DELETED_AT_ONCE = 500
# Steps that block hold one each, and DBOS needs some for its own writes: more than all lanes together let run.
_THREADS = 256


class DbosEngine:
    """Implements the appliance's Engine. One a process: DBOS itself is one."""

    def __init__(self, folder: Path, workflows: Mapping[str, Workflow], *, poll_seconds: float = 0.5) -> None:
        """Nothing runs before `open`. `folder` is on a local disk; it and the files in it are the owner's alone."""
        self._folder = folder
        self._workflows = dict(workflows)
        self._poll_seconds = poll_seconds
        self._limits: dict[str, tuple[int, int | None]] = {}
        self._lease: Lease | None = None
        self._gate = threading.Lock()
        self._begun: set[str] = set()
        self._dropped: set[str] = set()
        self._draining = False
        self._busy_count = 0

    def open(self) -> None:
        """Take the lease, and go on with whatever was cut short. Raises ConflictError when another has the lease.

        To be called outside of an event loop: workflows get a loop of their own.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lease = Lease(self._folder / "engine.lock")
        path = self._folder / "engine.sqlite"
        _prepare_file(path)
        logging.getLogger("dbos").setLevel(logging.WARNING)
        for name, workflow in self._workflows.items():
            DBOS.workflow(name=name, max_recovery_attempts=None)(self._durable(name, workflow))
        config: DBOSConfig = {
            "name": "holdfast",
            "system_database_url": f"sqlite:///{path}",
            "application_version": APPLICATION_VERSION,
            "executor_id": EXECUTOR,
            "enable_otlp": False,
            "log_level": "WARNING",
            "max_executor_threads": _THREADS,
            "serializer": JsonSerializer(),
        }
        DBOS(config=config)
        DBOS.launch()
        DBOS.register_queue(_WITHOUT_LANE, polling_interval_sec=self._poll_seconds, on_conflict="always_update")
        for queue, (limit, partition_limit) in self._limits.items():
            self._register(queue, limit, partition_limit)

    def close(self, drain_seconds: float = 30.0) -> None:
        """No step begins any more; those that run in threads may end, waiting ones are cut short and come again."""
        self._draining = True
        deadline_seconds = time.monotonic() + drain_seconds
        while self._busy_count and time.monotonic() < deadline_seconds:
            time.sleep(0.02)
        DBOS.destroy(destroy_registry=True)
        if self._lease is not None:
            self._lease.release()
            self._lease = None

    def start(self, workflow: str, workflow_id: str, arguments: tuple[str, ...], lane: Lane | None = None) -> None:
        """Queue it; what is there already under that id stays as it is."""
        queue = _WITHOUT_LANE if lane is None else lane.queue
        options: dict[str, Any] = {
            "workflow_name": workflow,
            "queue_name": queue,
            "workflow_id": workflow_id,
            "app_version": APPLICATION_VERSION,
        }
        if lane is not None and self._limits[lane.queue][1] is not None:
            options["queue_partition_key"] = lane.partition
        _apart(lambda: DBOS.enqueue_workflow_with_options(options, workflow_id, *arguments))  # type: ignore[arg-type]

    def running(self, workflow_id: str) -> bool:
        """Whether it waits or runs."""
        return _status_of(workflow_id) in (*_WAITING, *_RUNNING)

    def drop_queued(self, workflow_id: str) -> bool:
        """Under one lock with the beginning of workflows: what has begun is never cancelled from outside."""
        with self._gate:
            if workflow_id in self._begun or _status_of(workflow_id) not in _WAITING:
                return False
            self._dropped.add(workflow_id)
        _apart(lambda: DBOS.cancel_workflow(workflow_id))
        return True

    def limit(self, queue: str, limit: int, partition_limit: int | None = None) -> None:
        """Set before or after `open`; a change counts from the next workflow that is taken."""
        self._limits[queue] = (limit, partition_limit)
        if self._lease is not None:
            self._register(queue, limit, partition_limit)

    def lane_states(self) -> list[LaneState]:
        """As the database has it now."""
        counts: dict[tuple[str, str], list[int]] = {}
        for one in _listed(queue_name=list(self._limits), status=[*_WAITING, *_RUNNING]):
            for partition in {"", one.queue_partition_key or ""}:
                pair = counts.setdefault((one.queue_name, partition), [0, 0])
                pair[one.status in _WAITING] += 1
        states = []
        for queue, (limit, partition_limit) in sorted(self._limits.items()):
            partitions = sorted({partition for name, partition in counts if name == queue} | {""})
            for partition in partitions:
                running, waiting = counts.get((queue, partition), (0, 0))
                held = limit if not partition or partition_limit is None else partition_limit
                states.append(LaneState(queue, partition, held, running, waiting))
        return states

    def prune(self, ended_before: datetime) -> int:
        """Forget workflows that ended before that moment; how many."""
        removed = 0
        while True:
            ended = _listed(
                status=["SUCCESS", "ERROR", "CANCELLED"],
                completed_before=format_time(ended_before),
                limit=_DELETED_AT_ONCE,
            )
            if not ended:
                return removed
            names = [one.workflow_id for one in ended]
            _apart(lambda names=names: DBOS.delete_workflows(names))  # type: ignore[misc]
            removed += len(names)

    def _register(self, queue: str, limit: int, partition_limit: int | None) -> None:
        _apart(
            lambda: DBOS.register_queue(
                queue,
                global_concurrency=limit,
                partition_concurrency=partition_limit,
                polling_interval_sec=self._poll_seconds,
                on_conflict="always_update",
            )
        )

    def _durable(self, name: str, workflow: Workflow) -> Callable[..., Any]:
        async def durable(workflow_id: str, *arguments: str) -> None:
            with self._gate:
                if workflow_id in self._dropped:
                    return
                self._begun.add(workflow_id)
            await workflow(self._step, *arguments)

        durable.__name__ = durable.__qualname__ = name
        return durable

    async def _step(self, effect: Callable[..., Any], *arguments: Any) -> Any:
        if self._draining:
            # Who waits here is cut short by the end of the loop, and begins this step when it is recovered.
            await asyncio.Event().wait()
        return opened(await DBOS.run_step_async({"name": effect.__name__}, self._counted, effect, arguments))

    async def _counted(self, effect: Callable[..., Any], arguments: tuple[Any, ...]) -> dict[str, Any]:
        if asyncio.iscoroutinefunction(effect):
            return await answer_of(effect, arguments)
        with self._gate:
            self._busy_count += 1
        try:
            return await answer_of(effect, arguments)
        finally:
            with self._gate:
                self._busy_count -= 1


def _prepare_file(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


def _apart(call: Callable[[], Any]) -> Any:
    """Outside of any workflow: whoever calls from within a step does not make a child of it."""
    return contextvars.Context().run(call)


def _status_of(workflow_id: str) -> str | None:
    found = _listed(workflow_ids=[workflow_id])
    return found[0].status if found else None


def _listed(**chosen: Any) -> list[Any]:
    found: list[Any] = _apart(lambda: DBOS.list_workflows(**chosen, load_input=False, load_output=False))
    return found
