"""The same appliance on its durable engine and its real database, in threads and in real time."""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from holdfast.appliance.desk.workflows import make_workflows
from holdfast.appliance.housekeeping import Housekeeping, Rhythm
from holdfast.appliance.ports.surroundings import Surroundings
from holdfast.appliance.service import ApplianceService
from holdfast.appliance.sessions.lanes import Limits
from holdfast.appliance.surface import Patience, Surface
from holdfast.appliance.upkeep.reaper import Reaper
from holdfast.database.appliance_records import appliance_records
from holdfast.database.connection import Database
from holdfast.domain.collection import CollectionWish
from holdfast.domain.errors import CancelledError
from holdfast.domain.infrastructure import Account, RepositoryDefinition
from holdfast.domain.restore import VolumeRestore
from holdfast.domain.session import LogLevel, State
from holdfast.engine.dbos_engine import DbosEngine
from holdfast.patience import Waiting
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.stores.retrying import RetryingStore
from holdfast.testing.faulty_store import Fault, FaultyStore
from holdfast.testing.object_store_contract import put
from holdfast.testing.simulated_cloud import ACCOUNT_ID, SimulatedCloud
from holdfast.testing.simulated_repositories import SimulatedRepositories
from holdfast.testing.simulated_repository import SimulatedRepository
from holdfast.testing.simulated_site import LOCATION, REGION, OpenBox
from tests.unit.sleeping_clock import SleepingClock


def now() -> datetime:
    return datetime.now(UTC)


class NoLocalWorkers:
    async def run(self, pointer, key, report, cancelled):
        raise AssertionError("nobody asked for one")


class Appliance:
    """One that was started; `cloud` and `repository` outlive it."""

    def __init__(self, home: Path, cloud: SimulatedCloud, repository: SimulatedRepository) -> None:
        self.database = Database.open(home / "appliance.sqlite", "appliance")
        self.records = appliance_records(self.database)
        cloud.ledger = self.records.ledger
        self.surface = Surface(
            appliance_id="ap-1",
            region=REGION,
            records=self.records,
            cloud=cloud,
            repositories=SimulatedRepositories({"vault": repository}),
            local_workers=NoLocalWorkers(),
            secrets=OpenBox(),
            surroundings=Surroundings(now, os.urandom, asyncio.sleep),
            patience=Patience(snapshot_poll_seconds=0.2, worker_poll_seconds=0.05, turn_poll_seconds=0.1),
        )
        workflows = make_workflows(self.surface)
        self.engine = DbosEngine(home / "engine", workflows.named, poll_seconds=0.05)
        self.service = ApplianceService(self.surface, workflows)
        self.housekeeping = Housekeeping(
            self.surface,
            workflows,
            self.service,
            Reaper(self.surface),
            Rhythm(schedule_seconds=0.2, pump_wait_seconds=0.1, pump_pause_seconds=0.05, recovery_seconds=1.0),
        )
        self.surface.engine.put(self.engine)
        self.housekeeping.prepare(Limits())
        self.engine.open()
        self.housekeeping.start()

    def stop(self) -> None:
        self.housekeeping.stop()
        self.engine.close(drain_seconds=10)
        self.database.close()

    def wait_for(self, session_id: str) -> State:
        deadline = time.monotonic() + 240
        while not (session := self.records.sessions.get(session_id)).state.final:
            assert time.monotonic() < deadline, self.records.sessions.tasks(session_id)
            time.sleep(0.1)
        return session.state


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[[], Appliance]]:
    cloud = SimulatedCloud(now, None)  # type: ignore[arg-type]
    repository = SimulatedRepository(now, cloud.snapshot_exists)
    cloud.worker_world.repositories[LOCATION] = repository
    cloud.snapshot_seconds = cloud.worker_world.boot_seconds = cloud.worker_world.work_seconds = 0.3
    running: list[Appliance] = []

    def start() -> Appliance:
        running.append(Appliance(tmp_path, cloud, repository))
        return running[-1]

    yield start
    for appliance in running[-1:]:
        appliance.stop()


def document():
    return {
        "apiVersion": "holdfast/v1",
        "kind": "EC2Policy",
        "metadata": {"name": "web"},
        "spec": {
            "account": "main",
            "regions": [REGION],
            "select": {"all": True},
            "snapshot": {"keep": 1},
            "backup": {"repository": "vault", "retention": {"keep": 1}},
        },
    }


def test_backups_retention_and_restore_in_threads(start):
    appliance = start()
    service, cloud = appliance.service, appliance.surface.cloud
    for number in range(6):
        cloud.add_instance(f"web-{number}")
    service.put_account(Account("main", account_id=ACCOUNT_ID))
    service.put_repository(RepositoryDefinition("vault", LOCATION, task_limit=3), "password")
    assert service.apply_policy(document(), False).change == "created"
    for _ in range(2):
        session = service.run_policy("web", ())
        assert appliance.wait_for(session.id) == State.SUCCEEDED, service.get_session(session.id)
    assert cloud.worker_world.peak <= 3
    assert len(service.list_points(before=None, limit=100)) == 12
    assert cloud.count("instance", "role", "queue") == 0
    assert cloud.count("snapshot") == 12
    newest = next(one for one in service.list_points(before=None, limit=100) if one.repository)
    restore = service.start_restore(VolumeRestore(newest.id))
    assert appliance.wait_for(restore.id) == State.SUCCEEDED
    assert cloud.count("volume") == 2
    assert cloud.count("snapshot") == 12


def test_work_goes_on_after_a_restart(start):
    first = start()
    cloud = first.surface.cloud
    cloud.worker_world.work_seconds = 3600
    for number in range(3):
        cloud.add_instance(f"web-{number}")
    first.service.put_account(Account("main", account_id=ACCOUNT_ID))
    first.service.put_repository(RepositoryDefinition("vault", LOCATION), "password")
    first.service.apply_policy(document(), False)
    session = first.service.run_policy("web", ())
    deadline = time.monotonic() + 120
    while cloud.worker_world.living() < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.stop()
    cloud.worker_world.work_seconds = 0.3
    second = start()
    assert second.wait_for(session.id) == State.SUCCEEDED
    assert cloud.worker_world.launches == 3, "the workers outlived the appliance"
    assert cloud.count("instance", "role", "queue") == 0


class Endless:
    """A collection that goes on until it is told to stop."""

    def __init__(self) -> None:
        self.begun, self.ended = threading.Event(), threading.Event()

    def collect(self, name, wish, tell, stopped):
        self.begun.set()
        while not stopped():
            time.sleep(0.01)
        self.ended.set()
        raise CancelledError(f"the work in {name} was stopped", why="it was told to", cure="start it again")


def collecting(appliance, monkeypatch) -> tuple[Endless, str]:
    endless = Endless()
    monkeypatch.setattr(appliance.surface.repositories, "collect", endless.collect)
    appliance.service.put_repository(RepositoryDefinition("vault", LOCATION), "password")
    session = appliance.service.collect_garbage("vault", CollectionWish())
    assert endless.begun.wait(120)
    return endless, session.id


def test_a_session_says_what_its_steps_wait_for(start, monkeypatch):
    appliance = start()
    collect_as_ever = appliance.surface.repositories.collect
    memory, clock = MemoryStore(), SleepingClock()
    put(memory, "a")
    away = FaultyStore(memory, dict.fromkeys(range(7), Fault.ERROR))

    def collect(name, wish, tell, stopped):
        RetryingStore(away, waiting=Waiting(clock.sleep, lambda: 1.0, clock.now)).get("a")
        return collect_as_ever(name, wish, tell, stopped)

    monkeypatch.setattr(appliance.surface.repositories, "collect", collect)
    appliance.service.put_repository(RepositoryDefinition("vault", LOCATION), "password")
    session = appliance.service.collect_garbage("vault", CollectionWish())
    assert appliance.wait_for(session.id) == State.SUCCEEDED
    (line,) = [line for line in appliance.service.session_log(session.id, 0, 100) if "tried again" in line.message]
    assert (line.level, line.task_id) == (LogLevel.WARNING, appliance.service.get_session(session.id).tasks[0].id)
    assert "get of a failed, which is tried again" in line.message


def test_a_collection_is_cancelled_while_it_goes_on(start, monkeypatch):
    appliance = start()
    endless, session_id = collecting(appliance, monkeypatch)
    appliance.service.cancel_session(session_id)
    assert appliance.wait_for(session_id) == State.CANCELLED
    assert endless.ended.is_set()


def test_a_collection_ends_with_the_appliance_and_is_begun_again(start, monkeypatch):
    first = start()
    endless, session_id = collecting(first, monkeypatch)
    first.stop()
    assert endless.ended.wait(120)
    assert start().wait_for(session_id) == State.SUCCEEDED
