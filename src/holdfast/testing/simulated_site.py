"""A whole appliance on a simulated cloud, in virtual time: what it knows outlives it; it can die and come back."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.appliance.desk.recovery import Recovery
from holdfast.appliance.desk.workflows import Workflows, make_workflows
from holdfast.appliance.ports.records import Records
from holdfast.appliance.ports.surroundings import Surroundings
from holdfast.appliance.service import ApplianceService
from holdfast.appliance.sessions.lanes import Limits, set_limits, set_repository_limit
from holdfast.appliance.surface import Patience, Surface
from holdfast.appliance.upkeep.collection_clock import CollectionClock, CollectionRhythm
from holdfast.appliance.upkeep.reaper import Reaper
from holdfast.appliance.workers.event_pump import EventPump
from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import HoldfastError, IntegrityError
from holdfast.domain.infrastructure import Account, RepositoryDefinition
from holdfast.domain.policy import (
    BackupTarget,
    Ec2Policy,
    Retention,
    Selection,
    SnapshotTarget,
    WorkerChoice,
)
from holdfast.domain.session import Session
from holdfast.domain.time import format_time
from holdfast.protocol.worker_messages import EventError, EventType, WorkerEvent, decode_pointer, encode_event
from holdfast.testing.memory_engine import Boundary, EngineMemory, MemoryEngine
from holdfast.testing.memory_records import memory_records
from holdfast.testing.simulated_cloud import ACCOUNT_ID, SimulatedCloud
from holdfast.testing.simulated_repositories import SimulatedRepositories
from holdfast.testing.simulated_repository import SimulatedRepository
from holdfast.testing.virtual_time import VirtualTimeLoop, run_virtually

REGION = "eu-central-1"
LOCATION, ARCHIVE_LOCATION = "s3://bucket/prefix", "s3://bucket/cold"


class OpenBox:
    """A TravellingBox that shows that it was used: what is sealed begins with its purpose."""

    def seal(self, plain: bytes, purpose: str) -> bytes:
        return purpose.encode() + b"\0" + bytes(byte ^ 0x5A for byte in plain)

    def open(self, sealed: bytes, purpose: str) -> bytes:
        found, _, hidden = sealed.partition(b"\0")
        if found != purpose.encode():
            raise IntegrityError("the box does not open", why="it was sealed for something else", cure="none")
        return bytes(byte ^ 0x5A for byte in hidden)

    def seal_to_travel(self, plain: bytes, purpose: str) -> bytes:
        return self.seal(plain, purpose)

    def open_travelled(self, sealed: bytes, purpose: str) -> bytes:
        return self.open(sealed, purpose)


class SimulatedLocalWorkers:
    """Implements LocalWorkers: does the task after a while."""

    def __init__(self, site: "SimulatedSite") -> None:
        self._site = site

    async def run(self, pointer: str, key: bytes, report: Callable[[str], None], cancelled: Callable[[], bool]) -> None:
        self._site.local_runs.append(pointer)
        await self._site.run_locally(pointer, report)


@dataclass
class SimulatedSite:
    """One appliance, one account, one repository; `run` makes an engine, does something, and lets it settle."""

    loop: VirtualTimeLoop = field(default_factory=VirtualTimeLoop)
    records: Records = field(default_factory=memory_records)
    memory: EngineMemory = field(default_factory=EngineMemory)
    limits: Limits = field(default_factory=Limits)
    patience: Patience = field(default_factory=Patience)
    local_runs: list[str] = field(default_factory=list)
    # What the next local workers fail with, one after the other.
    local_failures: list[HoldfastError] = field(default_factory=list)
    appliance_id: str = "ap-1"
    # The appliance of the latest `run`.
    last: "RunningAppliance" = field(init=False)

    def __post_init__(self) -> None:
        self.cloud = SimulatedCloud(self.loop.now, self.records.ledger)
        self.repository = SimulatedRepository(self.loop.now, self.cloud.snapshot_exists)
        self.repositories = {"vault": self.repository}
        self.cloud.worker_world.repositories[LOCATION] = self.repository
        self.records.accounts.put(Account("main", account_id=ACCOUNT_ID))
        self.records.repositories.put(RepositoryDefinition("vault", LOCATION, task_limit=8), None)
        self._drawn = 0

    def add_archive(self) -> SimulatedRepository:
        """A second repository, `cold`, in Deep Archive."""
        archive = SimulatedRepository(self.loop.now, self.cloud.snapshot_exists, ARCHIVE_LOCATION)
        archive.archive_class = ArchiveClass.DEEP_ARCHIVE
        self.repositories["cold"] = self.cloud.worker_world.repositories[ARCHIVE_LOCATION] = archive
        self.records.repositories.put(RepositoryDefinition("cold", ARCHIVE_LOCATION, task_limit=8), None)
        return archive

    def policy(self, name: str = "web", **changed: Any) -> Ec2Policy:
        """A policy with both targets that takes every instance; put into the records."""
        policy = replace(
            Ec2Policy(
                name=name,
                account="main",
                regions=(REGION,),
                select=Selection(all=True),
                snapshot=SnapshotTarget(keep=2),
                backup=BackupTarget("vault", Retention(2)),
                worker=WorkerChoice(),
            ),
            **changed,
        )
        self.records.policies.put(policy, self.loop.now())
        return policy

    def run(self, act: Callable[["RunningAppliance"], Any], boundary: Boundary | None = None) -> Any:
        """Start the appliance, let `act` use it, and go on until nothing runs any more, or it died."""

        async def life() -> Any:
            appliance = RunningAppliance(self, boundary)
            answer = act(appliance)
            if asyncio.iscoroutine(answer):
                answer = await answer
            pumping = asyncio.get_running_loop().create_task(appliance.pump_for_ever())
            await appliance.engine.settle()
            pumping.cancel()
            await asyncio.gather(pumping, return_exceptions=True)
            await appliance.engine.die()
            self.last = appliance
            return answer

        return run_virtually(life(), self.loop)

    def run_policy(self, name: str = "web", *targets: str, boundary: Boundary | None = None) -> Session:
        """Run a policy to its end; the session then."""
        chosen = targets or ("snapshot", "backup")
        opened: Session = self.run(lambda appliance: appliance.service.run_policy(name, chosen), boundary)
        return self.records.sessions.get(opened.id)

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        run_virtually(asyncio.sleep(seconds), self.loop)

    async def run_locally(self, pointer: str, report: Callable[[str], None]) -> None:
        """What a local worker does."""
        task = decode_pointer(pointer)
        await asyncio.sleep(30.0)
        now = format_time(self.loop.now())
        if self.local_failures:
            told = EventError.of(self.local_failures.pop(0))
            report(encode_event(WorkerEvent(task.session, task.attempt, 1, now, EventType.FAILED, error=told)))
            return
        self.cloud.worker_world.repositories[task.location].do_task(
            task.session, task.attempt, self.cloud.worker_snapshot
        )
        report(encode_event(WorkerEvent(task.session, task.attempt, 1, now, EventType.DONE)))

    def random_bytes(self, count: int) -> bytes:
        """The next of one sequence."""
        self._drawn += 1
        return hashlib.shake_128(f"{self._drawn}".encode()).digest(count)


class RunningAppliance:
    """The appliance between two deaths."""

    def __init__(self, site: SimulatedSite, boundary: Boundary | None) -> None:
        self.site = site

        async def aside(call: Callable[..., Any], *arguments: Any) -> Any:
            return call(*arguments)

        self.surface = Surface(
            appliance_id=site.appliance_id,
            region=REGION,
            records=site.records,
            cloud=site.cloud,
            repositories=SimulatedRepositories(site.repositories),
            local_workers=SimulatedLocalWorkers(site),
            secrets=OpenBox(),
            surroundings=Surroundings(site.loop.now, site.random_bytes, asyncio.sleep, aside),
            patience=site.patience,
        )
        self.workflows: Workflows = make_workflows(self.surface)
        self.engine = MemoryEngine(site.memory, self.workflows.named, boundary)
        self.surface.engine.put(self.engine)
        set_limits(self.engine, site.limits)
        for repository in site.records.repositories.all():
            set_repository_limit(self.engine, repository)
        self.pump: EventPump = self.workflows.pump
        self.reaper = Reaper(self.surface)
        self.recovery = Recovery(self.surface, self.workflows.book)
        self.service = ApplianceService(self.surface, self.workflows)
        self.collections = CollectionClock(self.surface, self.service.start_collection, CollectionRhythm())

    async def pump_for_ever(self) -> None:
        """As the housekeeping of a real one does."""
        while True:
            self.pump.pump(REGION, 0.0)
            await asyncio.sleep(1.0)
