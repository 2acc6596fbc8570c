"""Workers of the simulated cloud: they boot, take their pointer, move what a simulated repository holds, and report.

What becomes of one is its fate, which a test chooses by attempt.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from holdfast.appliance.ports.cloud import Ownership, Worker, WorkerOrder
from holdfast.domain.errors import ConflictError, HoldfastError, QuotaReachedError
from holdfast.domain.time import format_time
from holdfast.protocol.worker_messages import (
    EventError,
    EventType,
    TaskPointer,
    WorkerEvent,
    decode_pointer,
    encode_event,
)
from holdfast.testing.simulated_objects import CloudObjects
from holdfast.testing.simulated_repository import SimulatedRepository

GIB = 1024**3
# What becomes of a worker: works, never-boots, dies, mute (works, but is not heard), repeats (each event comes twice),
# not-launched (ends before it runs, as another one would), ends-when-asked (works unheard between two looks).
Fate = Callable[[Ownership], str]


def works(owner: Ownership) -> str:
    """The fate of most."""
    return "works"


@dataclass
class _Life:
    """One worker between launch and end."""

    owner: Ownership
    region: str
    launched_at: datetime
    fate: str
    message: str = ""
    started: bool = False
    ended: bool = False
    dead: bool = False
    sequence: int = 0
    events: int = 0


@dataclass
class WorkerWorld:
    """All workers, and the queues of events by region."""

    repositories: dict[str, SimulatedRepository] = field(default_factory=dict)
    boot_seconds: float = 40.0
    work_seconds: float = 120.0
    quota: int = 1000
    fate: Fate = works
    lives: dict[str, _Life] = field(default_factory=dict)
    queues: dict[str, dict[str, str]] = field(default_factory=dict)
    receipts: int = 0
    peak: int = 0
    launches: int = 0
    orders: list[WorkerOrder] = field(default_factory=list)
    turn: threading.RLock = field(default_factory=threading.RLock)

    def living(self, region: str | None = None) -> int:
        """How many instances run."""
        return sum(not life.dead and region in (None, life.region) for life in self.lives.values())

    def advance(self, cloud: CloudObjects) -> None:
        """What every worker has done by now."""
        with self.turn:
            self._advance(cloud)

    def _advance(self, cloud: CloudObjects) -> None:
        for instance_id, life in list(self.lives.items()):
            if life.dead or life.ended or not life.message or life.fate in ("never-boots", "ends-when-asked"):
                continue
            if life.fate == "not-launched":
                life.dead = True
                cloud.objects[instance_id].facts["state"] = "terminated"
                continue
            began = life.launched_at + timedelta(seconds=self.boot_seconds)
            if began > cloud.now():
                continue
            pointer = decode_pointer(life.message)
            if not life.started:
                life.started = True
                self._tell(life, pointer, EventType.STARTED, cloud.now())
            if began + timedelta(seconds=self.work_seconds) > cloud.now():
                continue
            if life.fate == "dies":
                life.dead = True
                cloud.objects[instance_id].facts["state"] = "terminated"
                continue
            self._work(cloud, life, pointer)

    def asked(self, cloud: CloudObjects, instance_id: str) -> None:
        """Somebody asks for its state: whose fate is so writes its result at this moment, and ends."""
        with self.turn:
            life = self.lives.get(instance_id)
            if life is not None and life.fate == "ends-when-asked" and life.message and not life.ended:
                self._work(cloud, life, decode_pointer(life.message))
                life.dead = True
                cloud.objects[instance_id].facts["state"] = "terminated"

    def _work(self, cloud: CloudObjects, life: _Life, pointer: TaskPointer) -> None:
        life.ended = True
        repository = self.repositories[pointer.location]

        if not repository.has_task(pointer.session, pointer.attempt):
            return
        try:
            repository.do_task(pointer.session, pointer.attempt, cloud.worker_snapshot)
        except HoldfastError as error:
            self._tell(life, pointer, EventType.FAILED, cloud.now(), error)
            return
        self._tell(life, pointer, EventType.PROGRESS, cloud.now())
        self._tell(life, pointer, EventType.DONE, cloud.now())

    def _tell(
        self,
        life: _Life,
        pointer: TaskPointer,
        kind: EventType,
        now: datetime,
        error: HoldfastError | None = None,
    ) -> None:
        life.sequence += 1
        event = WorkerEvent(
            session=pointer.session,
            attempt=pointer.attempt,
            sequence=life.sequence,
            time=format_time(now),
            type=kind,
            done_bytes=GIB,
            total_bytes=GIB,
            error=None if error is None else EventError.of(error),
            appliance=pointer.appliance,
        )
        if life.fate in ("mute", "ends-when-asked"):
            return
        for _ in range(2 if life.fate == "repeats" else 1):
            self.receipts += 1
            self.queues.setdefault(life.region, {})[str(self.receipts)] = encode_event(event)


@dataclass
class SimulatedWorkers:
    """Implements WorkerInstances."""

    cloud: CloudObjects
    world: WorkerWorld
    region: str

    def launch(self, order: WorkerOrder) -> Worker:
        self.cloud.allow("ec2:RunInstances")
        world, owner = self.world, order.owner
        token = f"{owner.task_id}/{owner.attempt}"
        role = self.cloud.create("role", "", self.region, owner, token)
        queue = self.cloud.create("queue", "", self.region, owner, token)
        if world.living(self.region) >= world.quota:
            raise QuotaReachedError("no vCPU is left", why=f"{world.quota} workers run", cure="raise the quota")
        facts = {"state": "running", "keys": " ".join(order.kms_key_arns)}
        instance = self.cloud.create("instance", "", self.region, owner, token, facts)
        if instance.id not in world.lives:
            world.launches += 1
            world.orders.append(order)
            fate = world.fate(owner)
            world.lives[instance.id] = _Life(owner, self.region, self.cloud.now(), fate)
            world.peak = max(world.peak, world.living())
        kind = order.instance_type or "c5.large"
        return Worker(instance.id, kind, role.id, "AROA", queue.id, self.region, f"{self.region}a")

    def send(self, worker: Worker, message: str) -> None:
        self.world.lives[worker.instance_id].message = message

    def wrap_key(self, worker: Worker, key: bytes, context: Mapping[str, str]) -> tuple[str, bytes]:
        return "arn:aws:kms:key", json.dumps([key.hex()[::-1], sorted(context.items())]).encode()

    def state(self, worker: Worker) -> str | None:
        self.world.advance(self.cloud)
        self.world.asked(self.cloud, worker.instance_id)
        found = self.cloud.objects.get(worker.instance_id)
        return None if found is None or found.facts["state"] == "terminated" else found.facts["state"]

    def why_ended(self, worker: Worker) -> str:
        if self.world.lives[worker.instance_id].fate == "not-launched":
            raise ConflictError("it has ended", why="client error on launch", cure="see what the key allows")
        return "the host failed"

    def console(self, worker: Worker) -> str:
        return "no route to host"

    def terminate(self, worker: Worker) -> None:
        self.world.advance(self.cloud)
        for object_id in (worker.instance_id, worker.queue_url, worker.role_name):
            self.cloud.delete(object_id)
        life = self.world.lives.get(worker.instance_id)
        if life is not None:
            life.dead = True


@dataclass
class SimulatedEvents:
    """Implements EventQueue: at least once; what is not done comes again."""

    cloud: CloudObjects
    world: WorkerWorld
    region: str

    @property
    def url(self) -> str:
        return f"queue of {self.region}"

    def receive(self, wait_seconds: float) -> list[tuple[str, str]]:
        self.world.advance(self.cloud)
        return list(self.world.queues.get(self.region, {}).items())[:10]

    def done(self, receipts: list[str]) -> None:
        for receipt in receipts:
            self.world.queues[self.region].pop(receipt, None)
