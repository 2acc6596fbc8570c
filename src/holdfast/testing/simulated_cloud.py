"""A cloud of one process: instances, snapshots, workers and restored things as objects that can be counted.

Time is handed in; what takes time is done when somebody looks later. Every creation goes through the ledger first, and
bears its tags from the beginning, as the ports ask of a real cloud. `on_call` is told before and after each change: a
test lets the machine die there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from holdfast.appliance.ports.cloud import (
    DefaultEncryption,
    DescribedSnapshot,
    GoOn,
    OwnedObject,
    Ownership,
    nobody_cancels,
)
from holdfast.domain.errors import NotFoundError, QuotaReachedError, SourceGoneError
from holdfast.domain.infrastructure import Account
from holdfast.domain.ownership import POINT
from holdfast.domain.workload import (
    FoundInstance,
    InstanceConfiguration,
    InterfaceConfiguration,
    VolumeConfiguration,
)
from holdfast.testing.simulated_objects import CloudObject, CloudObjects
from holdfast.testing.simulated_restore_site import SimulatedRestoreSite
from holdfast.testing.simulated_workers import SimulatedEvents, SimulatedWorkers, WorkerWorld

GIB = 1024**3
ACCOUNT_ID = "123456789012"
# Of these AWS tells no moment of their creation.
AGELESS = ("queue", "network-interface", "security-group")


@dataclass
class SimulatedCloud(CloudObjects):
    """Implements Cloud."""

    snapshot_seconds: float = 20.0
    copies_at_once: int = 20
    default_encryption: DefaultEncryption = field(default_factory=DefaultEncryption)
    worker_world: WorkerWorld = field(default_factory=WorkerWorld)

    def add_instance(
        self, name: str, region: str = "eu-central-1", volumes: int = 2, tags: Mapping[str, str] | None = None
    ) -> str:
        """An instance that somebody else runs; its id."""
        number = next(self.numbers)
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
        return sum(one.kind in kinds for one in list(self.objects.values())) if kinds else len(self.objects)

    def advance(self) -> None:
        """Let happen what has happened by now."""
        self.worker_world.advance(self)

    def identity(self, account: Account) -> str:
        return account.account_id or ACCOUNT_ID

    def compute(self, account: Account, region: str) -> "SimulatedCompute":
        return SimulatedCompute(self, account.name, region)

    def restore_site(self, account: Account, region: str, go_on: GoOn = nobody_cancels) -> SimulatedRestoreSite:
        return SimulatedRestoreSite(self, account.name, region, go_on)

    def workers(self, region: str) -> SimulatedWorkers:
        return SimulatedWorkers(self, self.worker_world, region)

    def events(self, region: str) -> SimulatedEvents:
        return SimulatedEvents(self, self.worker_world, region)

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

    def snapshots_percent(self, snapshot_ids: tuple[str, ...]) -> int:
        for snapshot_id in snapshot_ids:
            if snapshot_id not in self.cloud.objects:
                raise SourceGoneError(f"{snapshot_id} is gone", why="somebody deleted it", cure="run it again")
        now, wait = self.cloud.now(), timedelta(seconds=self.cloud.snapshot_seconds)
        shares = [min(1.0, (now - self.cloud.objects[one].created_at) / wait) for one in snapshot_ids]
        return int(100 * sum(shares) / len(shares)) if shares else 100

    def default_encryption(self) -> DefaultEncryption:
        return self.cloud.default_encryption

    def foreign_snapshots(self, owner: Ownership, snapshot_ids: tuple[str, ...]) -> tuple[str, ...]:
        mine = ("snapshot", self.account, self.region, owner)
        found = self.cloud.objects.values()
        own = {one.id for one in found if (one.kind, one.account, one.region, one.owner) == mine}
        return tuple(sorted(set(snapshot_ids) - own))

    def share_snapshots(self, snapshot_ids: tuple[str, ...], account_id: str) -> None:
        self.cloud.allow("ec2:ModifySnapshotAttribute")
        for snapshot_id in snapshot_ids:
            self.cloud.objects[snapshot_id].facts["shared"] = account_id

    def copy_snapshots(
        self,
        owner: Ownership,
        sources: Mapping[str, str],
        source_region: str,
        tags: Mapping[str, Mapping[str, str]],
        description: str,
        kms_key_id: str | None,
    ) -> dict[str, str]:
        self.cloud.allow("ec2:CopySnapshot")
        made = {}
        for volume_id, source_id in sources.items():
            source = self.cloud.objects.get(source_id)
            if source is None or source.region != source_region or not self._may_read(source):
                raise NotFoundError(f"{source_id} is not there", why="it is of another account", cure="share it")
            facts = {"volume": volume_id, "key": kms_key_id or ""}
            under_way = [one for one in self.cloud.objects.values() if self._is_copying(one)]
            token = f"copy/{owner.task_id}/{owner.attempt}/{source_id}"
            is_new = token not in {one.facts["token"] for one in self.cloud.objects.values()}
            if is_new and len(under_way) >= self.cloud.copies_at_once:
                raise QuotaReachedError("too many copies", why="some are under way", cure="wait")
            facts |= {"copy of": source_id, **{f"tag:{key}": value for key, value in tags[volume_id].items()}}
            made[volume_id] = self.cloud.create("snapshot", self.account, self.region, owner, token, facts).id
        return made

    def _may_read(self, source: CloudObject) -> bool:
        return source.account == self.account or bool(source.facts.get("shared"))

    def _is_copying(self, one: CloudObject) -> bool:
        return "copy of" in one.facts and self.snapshots_percent((one.id,)) < 100

    def tag_snapshots(self, snapshot_ids: tuple[str, ...], tags: Mapping[str, str]) -> None:
        self.cloud.allow("ec2:CreateTags")
        self.cloud.on_call("before tag snapshots")
        for snapshot_id in snapshot_ids:
            self.cloud.objects[snapshot_id].facts.update({f"tag:{key}": value for key, value in tags.items()})
        self.cloud.on_call("after tag snapshots")

    def described_snapshots(self) -> Iterator[DescribedSnapshot]:
        self.cloud.allow("ec2:DescribeSnapshots")
        for one in list(self.cloud.objects.values()):
            tags = {key[4:]: value for key, value in one.facts.items() if key.startswith("tag:")}
            if (one.kind, one.account, one.region) == ("snapshot", self.account, self.region) and POINT in tags:
                yield DescribedSnapshot(one.id, one.owner, self.snapshots_percent((one.id,)) == 100, tags)

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
            if (one.account, one.region) == (self.account, self.region) and not one.facts.get("attached"):
                created_at = None if one.kind in AGELESS else one.created_at
                yield OwnedObject(one.kind, one.id, one.region, one.owner, created_at)

    def remove(self, one: OwnedObject) -> None:
        if one.kind == "volume":
            self.cloud.allow("ec2:DeleteVolume")
        self.cloud.delete(one.id)
