"""A cloud of one process: instances, snapshots, workers and restored things as objects that can be counted.

Time is handed in; what takes time is done when somebody looks later. Every creation goes through the ledger first, and
bears its tags from the beginning, as the ports ask of a real cloud. `on_call` is told before and after each change: a
test lets the machine die there.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from holdfast.appliance.ports.cloud import OwnedObject, Ownership
from holdfast.domain import ownership
from holdfast.domain.cloud_ledger import CloudLedger, LedgerRow
from holdfast.domain.errors import NotFoundError, PermissionDeniedError, SourceGoneError
from holdfast.domain.infrastructure import Account
from holdfast.domain.workload import (
    FoundInstance,
    InstanceConfiguration,
    InterfaceConfiguration,
    VolumeConfiguration,
)
from holdfast.testing.simulated_restore_site import SimulatedRestoreSite
from holdfast.testing.simulated_workers import Fate, SimulatedEvents, SimulatedWorkers, WorkerWorld, works

GIB = 1024**3
ACCOUNT_ID = "123456789012"


@dataclass
class CloudObject:
    """Anything that was created, by whom, and whether it is still there."""

    kind: str
    id: str
    account: str
    region: str
    owner: Ownership
    created_at: datetime
    facts: dict[str, str] = field(default_factory=dict)


@dataclass
class SimulatedCloud:
    """Implements Cloud."""

    now: Callable[[], datetime]
    ledger: CloudLedger
    snapshot_seconds: float = 20.0
    denied: set[str] = field(default_factory=set)
    on_call: Callable[[str], None] = lambda name: None
    instances: dict[str, InstanceConfiguration] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    objects: dict[str, CloudObject] = field(default_factory=dict)
    fate: Fate = works
    worker_world: WorkerWorld = field(default_factory=WorkerWorld)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def add_instance(
        self, name: str, region: str = "eu-central-1", volumes: int = 2, tags: Mapping[str, str] | None = None
    ) -> str:
        """An instance that somebody else runs; its id."""
        number = next(self._numbers)
        instance_id = f"i-{number:017x}"
        self.instances[instance_id] = InstanceConfiguration(
            instance_id=instance_id,
            account_id=ACCOUNT_ID,
            region=region,
            zone=f"{region}a",
            instance_type="t3.micro",
            architecture="x86_64",
            image_id="ami-1",
            root_device="/dev/xvda",
            volumes=tuple(
                VolumeConfiguration(
                    volume_id=f"vol-{number:08x}{place:02x}",
                    device="/dev/xvda" if place == 0 else f"/dev/sd{'fghijk'[place - 1]}",
                    size_gib=8,
                    volume_type="gp3",
                    root=place == 0,
                    tags={"disk": str(place)},
                )
                for place in range(volumes)
            ),
            interfaces=(InterfaceConfiguration(0, "subnet-1", "vpc-1", (f"10.0.0.{number % 250}",), ("sg-1",)),),
            tags={"Name": name, **(tags or {})},
        )
        self.states[instance_id] = "running"
        return instance_id

    def count(self, *kinds: str) -> int:
        """How many objects of ours there are."""
        self.advance()
        return sum(one.kind in kinds for one in self.objects.values()) if kinds else len(self.objects)

    def snapshot_exists(self, snapshot_id: str) -> bool:
        """Whether it is there."""
        return snapshot_id in self.objects

    def advance(self) -> None:
        """Let happen what has happened by now."""
        self.worker_world.advance(self)

    def create(
        self, kind: str, account: str, region: str, owner: Ownership, token: str, facts: Mapping[str, str] | None = None
    ) -> CloudObject:
        """Intent, then the object; what was made for that token comes back."""
        row = self.ledger.intend(
            LedgerRow(
                id=hashlib.sha256(f"{kind}{token}".encode()).hexdigest()[:32],
                kind=kind,
                account=account,
                region=region,
                session_id=owner.session_id,
                task_id=owner.task_id,
                attempt=owner.attempt,
                purpose=owner.purpose,
                token=token,
                object_id="",
                intended_at=self.now(),
                created_at=None,
                gone_at=None,
            )
        )
        known = next((one for one in self.objects.values() if (one.kind, one.facts["token"]) == (kind, token)), None)
        if known is None:
            self.on_call(f"before create {kind}")
            prefix = {"instance": "i", "snapshot": "snap", "volume": "vol", "image": "ami"}.get(kind, kind)
            known = CloudObject(
                kind=kind,
                id=f"{prefix}-{next(self._numbers):017x}",
                account=account,
                region=region,
                owner=owner,
                created_at=self.now(),
                facts={**(facts or {}), "token": token},
            )
            self.objects[known.id] = known
            self.on_call(f"after create {kind}")
        self.ledger.created(row.id, known.id, self.now())
        return known

    def worker_snapshot(self, target: Mapping[str, Any]) -> str:
        """What a restoring worker makes: it bears the tags that its order names, and writes into no ledger."""
        tags = target["tags"]
        owner = Ownership(
            tags[ownership.APPLIANCE],
            tags[ownership.SESSION],
            tags[ownership.TASK],
            int(tags[ownership.ATTEMPT]),
            tags[ownership.PURPOSE],
        )
        made = CloudObject(
            "snapshot", f"snap-{next(self._numbers):017x}", "", str(target["region"]), owner, self.now(), {"token": ""}
        )
        self.objects[made.id] = made
        return made.id

    def delete(self, object_id: str) -> None:
        """Gone already is no error."""
        self.on_call("before delete")
        found = self.objects.pop(object_id, None)
        self.on_call("after delete")
        if found is not None:
            self.ledger.gone(found.kind, object_id, self.now())

    def allow(self, action: str) -> None:
        """Raises PermissionDeniedError for what a test has denied."""
        if action in self.denied:
            raise PermissionDeniedError(f"{action} is denied", why="no policy allows it", cure=f"allow {action}")

    def identity(self, account: Account) -> str:
        return account.account_id or ACCOUNT_ID

    def compute(self, account: Account, region: str) -> "SimulatedCompute":
        return SimulatedCompute(self, account.name, region)

    def restore_site(self, account: Account, region: str) -> SimulatedRestoreSite:
        return SimulatedRestoreSite(self, account.name, region)

    def workers(self, region: str) -> SimulatedWorkers:
        return SimulatedWorkers(self, region)

    def events(self, region: str) -> SimulatedEvents:
        return SimulatedEvents(self, region)

    def belongings(self, account: Account, region: str) -> "SimulatedBelongings":
        return SimulatedBelongings(self, account.name, region)


@dataclass
class SimulatedCompute:
    """Implements Compute."""

    cloud: SimulatedCloud
    account: str
    region: str

    def instances(self) -> Iterator[FoundInstance]:
        self.cloud.allow(f"ec2:DescribeInstances in {self.region}")
        for one in list(self.cloud.instances.values()):
            if one.region == self.region and self.cloud.states[one.instance_id] != "terminated":
                yield FoundInstance(
                    id=one.instance_id,
                    region=one.region,
                    state=self.cloud.states[one.instance_id],
                    tags=one.tags,
                    volume_ids=tuple(volume.volume_id for volume in one.volumes),
                    volume_bytes=sum(volume.size_gib * GIB for volume in one.volumes),
                )

    def configuration(self, instance_id: str) -> InstanceConfiguration:
        if self.cloud.states.get(instance_id, "terminated") == "terminated":
            raise NotFoundError(f"{instance_id} is gone", why="it was terminated", cure="exclude it")
        return self.cloud.instances[instance_id]

    def create_snapshots(
        self,
        owner: Ownership,
        instance_id: str,
        volume_ids: tuple[str, ...],
        tags: Mapping[str, str],
        description: str,
        *,
        copy_tags: bool,
    ) -> dict[str, str]:
        self.cloud.allow("ec2:CreateSnapshots")
        made = {}
        for volume_id in volume_ids:
            token = f"{owner.task_id}/{owner.attempt}/{volume_id}"
            facts = {"volume": volume_id, **{f"tag:{key}": value for key, value in tags.items()}}
            made[volume_id] = self.cloud.create("snapshot", self.account, self.region, owner, token, facts).id
        return made

    def snapshots_completed(self, snapshot_ids: tuple[str, ...]) -> bool:
        for snapshot_id in snapshot_ids:
            if snapshot_id not in self.cloud.objects:
                raise SourceGoneError(f"{snapshot_id} is gone", why="somebody deleted it", cure="run it again")
        wait = timedelta(seconds=self.cloud.snapshot_seconds)
        return all(self.cloud.objects[one].created_at + wait <= self.cloud.now() for one in snapshot_ids)

    def share_snapshots(self, snapshot_ids: tuple[str, ...], account_id: str) -> None:
        for snapshot_id in snapshot_ids:
            self.cloud.objects[snapshot_id].facts["shared"] = account_id

    def delete_snapshots(self, snapshot_ids: tuple[str, ...]) -> None:
        self.cloud.allow("ec2:DeleteSnapshot")
        for snapshot_id in snapshot_ids:
            self.cloud.delete(snapshot_id)


@dataclass
class SimulatedBelongings:
    """Implements Belongings."""

    cloud: SimulatedCloud
    account: str
    region: str

    def owned(self) -> Iterator[OwnedObject]:
        self.cloud.advance()
        for one in list(self.cloud.objects.values()):
            if (one.account, one.region) == (self.account, self.region):
                yield OwnedObject(one.kind, one.id, one.region, one.owner, one.created_at)

    def remove(self, one: OwnedObject) -> None:
        self.cloud.delete(one.id)


def renamed(configuration: InstanceConfiguration, instance_id: str) -> InstanceConfiguration:
    """The same instance under another id: what a restore makes."""
    return replace(configuration, instance_id=instance_id)
