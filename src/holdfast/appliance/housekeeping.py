"""What an appliance does by itself, over and over: each a call that takes a moment, made by a thread of its own."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from holdfast.appliance.desk.recovery import Recovery
from holdfast.appliance.desk.workflows import Workflows
from holdfast.appliance.service import ApplianceService
from holdfast.appliance.sessions.lanes import Limits, set_limits, set_repository_limit
from holdfast.appliance.surface import Surface
from holdfast.appliance.upkeep.collection_clock import CollectionClock, CollectionRhythm
from holdfast.appliance.upkeep.expiry import Expiry
from holdfast.appliance.upkeep.history import Pruning
from holdfast.appliance.upkeep.policy_clock import PolicyClock
from holdfast.appliance.upkeep.reaper import Reaper
from holdfast.appliance.upkeep.scheduler import TRIGGER
from holdfast.appliance.workers.event_pump import EventPump
from holdfast.domain.errors import HoldfastError
from holdfast.domain.policy import WorkerMode
from holdfast.patience import told_to

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often."""

    schedule_seconds: float = 5.0
    pump_wait_seconds: float = 5.0
    pump_pause_seconds: float = 0.2
    recovery_seconds: float = 60.0
    reaper_seconds: float = 300.0
    settle_seconds: float = 300.0
    expiry_seconds: float = 900.0
    prune_seconds: float = 3600.0
    collection_look_seconds: float = 60.0
    collections: CollectionRhythm = field(default_factory=CollectionRhythm)
    after_trouble_seconds: float = 5.0


class Housekeeping:
    """Policies, event pump, recovery of sessions, settlement of backups, reaper, expiry of
    points, pruning, collections of garbage.
    """

    def __init__(
        self,
        surface: Surface,
        workflows: Workflows,
        service: ApplianceService,
        reaper: Reaper,
        rhythm: Rhythm | None = None,
    ) -> None:
        self._surface = surface
        self._pump: EventPump = workflows.pump
        self._recovery = Recovery(surface, workflows.book)
        self._settlement = workflows.settlement
        self._reaper = reaper
        self._pruning = Pruning(surface)
        self._rhythm = rhythm if rhythm is not None else Rhythm()
        start_run = partial(service.start_run, trigger=TRIGGER)
        self._policies = PolicyClock(
            surface, workflows.book, start_run, service.start_health_check, service.start_archive
        )
        self._expiry = Expiry(surface, workflows)
        self._collections = CollectionClock(surface, service.start_collection, self._rhythm.collections)
        self._strange: frozenset[str] = frozenset()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def prepare(self, limits: Limits) -> None:
        """Set the limits: before the engine goes on with what was cut short, for that starts further work at once."""
        engine = self._surface.engine()
        set_limits(engine, limits)
        for repository in self._surface.records.repositories.all():
            set_repository_limit(engine, repository)

    def start(self) -> None:
        """Start what was left, and go on by oneself until `stop`."""
        rhythm = self._rhythm
        self._begin("policies", self._policies.tick, rhythm.schedule_seconds)
        self._begin("recovery", self._recovery.sweep, rhythm.recovery_seconds)
        self._begin("settlement", self._settle, rhythm.settle_seconds)
        self._begin("reaper", self._reap, rhythm.reaper_seconds)
        self._begin("expiry", self._expiry.sweep, rhythm.expiry_seconds)
        self._begin("pruning", self._pruning.prune, rhythm.prune_seconds)
        self._begin("collections", self._collections.tick, rhythm.collection_look_seconds)
        self._begin("events", self._pump_events, rhythm.pump_pause_seconds)

    def stop(self, patience_seconds: float = 15.0) -> None:
        """End the threads."""
        self._stop.set()
        for thread in self._threads:
            thread.join(patience_seconds)

    def _begin(self, name: str, call: Callable[[], object], pause_seconds: float) -> None:
        thread = threading.Thread(target=self._repeat, args=(name, call, pause_seconds), name=name, daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def _repeat(self, name: str, call: Callable[[], object], pause_seconds: float) -> None:
        try:
            while not self._stop.is_set():
                try:
                    with told_to(partial(_log.warning, "%s: %s", name)):
                        call()
                except HoldfastError as error:
                    _log.warning("%s: %s: %s", name, error.what, error.why)
                    self._stop.wait(max(pause_seconds, self._rhythm.after_trouble_seconds))
                self._stop.wait(pause_seconds)
        finally:
            # A defect ends this thread, and Python says so; schedules and reports must not end with it.
            if not self._stop.is_set():
                self._stop.wait(self._rhythm.after_trouble_seconds)
                self._begin(name, call, pause_seconds)

    def _pump_events(self) -> None:
        """Only while a worker on an instance has something to say: an empty queue costs money, too."""
        running = self._surface.records.sessions.running_tasks()
        if any(one.mode == WorkerMode.EC2 and not one.outcome for task in running for one in task.workers):
            self._pump.pump(self._surface.region, self._rhythm.pump_wait_seconds)

    def _settle(self) -> None:
        for line in self._settlement.settle():
            _log.warning("%s", line)

    def _reap(self) -> None:
        report = self._reaper.reap()
        for one in report.removed:
            _log.warning("removed %s %s, which no session needed", one.kind, one.id)
        for line in report.failed:
            _log.warning("could not be removed: %s", line)
        for one in report.strange:
            if one.id not in self._strange:
                _log.warning("%s %s bears our tags, and no record here names it: a person decides", one.kind, one.id)
        self._strange = frozenset(one.id for one in report.strange)
