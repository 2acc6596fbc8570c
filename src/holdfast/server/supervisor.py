"""The processes that the server keeps running for its appliances: started again when they end, each time later.

They end with the server: their standard input does, in whatever way the server goes. What goes wrong with one of them,
foreseen or not, is said where it is shown, and keeps none of the others from being looked after.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from holdfast.domain.errors import HoldfastError
from holdfast.server.ports.processes import Processes, Running
from holdfast.server.ports.surroundings import Surroundings

FIRST_RESTART = timedelta(seconds=0.5)
LONGEST_RESTART = timedelta(seconds=60)
# One that ran so long has forgotten its earlier ends.
STEADY = timedelta(minutes=5)
LOOK_SECONDS = 0.2

_log = logging.getLogger(__name__)


class ServiceHealth(StrEnum):
    """How a process does."""

    RUNNING = "running"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A process as it is shown. `since` is when it began, or ended; `reason` why it does not run."""

    name: str
    appliance: str
    pid: int | None
    state: ServiceHealth
    restarts: int
    since: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A process that shall run. `words` are the plug-in's own; with other words it is another process. `arguments` are
    made anew for each start: they may name a new token's file.
    """

    plugin: str
    appliance: str
    name: str
    words: tuple[str, ...]
    arguments: Callable[[], tuple[str, ...]] = field(compare=False)


@dataclass(slots=True)
class _Kept:
    wanted: Wanted
    since: datetime
    process: Running | None = None
    restarts: int = -1
    pause: timedelta = FIRST_RESTART
    due: datetime | None = None
    reason: str = ""


class Supervisor:
    """Keeps what is wanted running. `run` is its loop, `look` one turn of it."""

    def __init__(self, processes: Processes, surroundings: Surroundings) -> None:
        self._processes = processes
        self._surroundings = surroundings
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._lock = threading.RLock()
        self._stopped = False
        self._thread: threading.Thread | None = None

    def want(self, appliance: str, services: Mapping[str, Wanted]) -> None:
        """These and no others shall run for that appliance."""
        with self._lock:
            for key in [key for key in self._kept if key[0] == appliance]:
                if self._kept[key].wanted != services.get(key[1]):
                    self._end(self._kept.pop(key))
            for name, wanted in services.items():
                if (appliance, name) not in self._kept:
                    self._kept[appliance, name] = _Kept(wanted, self._surroundings.now())

    def look(self) -> None:
        """Start what shall run and does not, and see what has ended."""
        with self._lock:
            for kept in self._kept.values():
                if self._stopped:
                    return
                now = self._surroundings.now()
                try:
                    self._look_at(kept, now)
                except Exception as error:  # noqa: BLE001 - the others, and this one later, need looking after still
                    _log.exception("service %s of appliance %s", kept.wanted.name, kept.wanted.appliance)
                    _put_off(kept, now, f"a fault of the program: {type(error).__name__}: {error}")

    def states(self) -> list[tuple[str, ServiceState]]:
        """(plug-in, state) of each, by appliance and name."""
        with self._lock:
            return [(kept.wanted.plugin, _state(kept)) for _key, kept in sorted(self._kept.items())]

    def start(self) -> None:
        """Look after them in a thread."""
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End them all."""
        with self._lock:
            self._stopped = True
            for kept in self._kept.values():
                self._end(kept)
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped and not self._surroundings.wait(LOOK_SECONDS):
            self.look()

    def _look_at(self, kept: _Kept, now: datetime) -> None:
        if kept.due is not None and now < kept.due:
            return
        if kept.process is not None:
            status = kept.process.ended()
            if status is None:
                kept.due = None
                return
            if now - kept.since >= STEADY:
                kept.pause = FIRST_RESTART
            kept.process.stop()
            kept.process = None
            _put_off(kept, now, f"it ended with status {status}")
            return
        try:
            kept.process = self._processes.start(f"{kept.wanted.appliance}-{kept.wanted.name}", kept.wanted.arguments())
        except HoldfastError as error:
            _put_off(kept, now, str(error))
            return
        kept.restarts, kept.since, kept.due = kept.restarts + 1, now, None

    @staticmethod
    def _end(kept: _Kept) -> None:
        if kept.process is not None:
            kept.process.stop()
            kept.process = None


def _put_off(kept: _Kept, now: datetime, reason: str) -> None:
    """It is looked at again after a while, each time a longer one."""
    kept.since, kept.reason = now, reason
    kept.due = now + kept.pause
    kept.pause = min(LONGEST_RESTART, kept.pause * 2)


def _state(kept: _Kept) -> ServiceState:
    wanted = kept.wanted
    pid = kept.process.pid if kept.process is not None else None
    health = ServiceHealth.RUNNING if pid is not None and kept.due is None else ServiceHealth.WAITING
    reason = "" if health == ServiceHealth.RUNNING else kept.reason
    return ServiceState(wanted.name, wanted.appliance, pid, health, max(kept.restarts, 0), kept.since, reason)
