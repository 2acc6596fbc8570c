"""Restores in the simulated cloud: volumes and instances that appear, and one that stands getting other volumes."""

from dataclasses import dataclass, replace

from holdfast.appliance.ports.cloud import (
    GoOn,
    InstanceOrder,
    KeptVolume,
    MadeInstance,
    Ownership,
    StandingInstance,
    VolumeOrder,
)
from holdfast.domain.errors import CancelledError, ConflictError, NotFoundError
from holdfast.testing.simulated_objects import CloudObjects


@dataclass
class SimulatedRestoreSite:
    """Implements RestoreSite."""

    cloud: CloudObjects
    account: str
    region: str
    go_on: GoOn

    def instance_state(self, instance_id: str) -> str | None:
        state = self.cloud.states.get(instance_id)
        return None if state == "terminated" else state

    def problems(self, order: InstanceOrder, standing: str | None = None) -> list[str]:
        return ["subnet-gone is not there"] if any(one.subnet_id == "subnet-gone" for one in order.interfaces) else []

    def create_volume(self, owner: Ownership, order: VolumeOrder) -> str:
        volume_id = self._volume(owner, order)
        self._wait("volume", volume_id)
        return volume_id

    def _volume(self, owner: Ownership, order: VolumeOrder) -> str:
        self.cloud.allow("ec2:CreateVolume")
        self._check(order)
        token = f"{owner.task_id}/{order.snapshot_id}"
        return self.cloud.create(
            "volume", self.account, self.region, owner, token, {"snapshot": order.snapshot_id, "zone": order.zone}
        ).id

    def make_instance(self, owner: Ownership, order: InstanceOrder) -> MadeInstance:
        self.cloud.allow("ec2:RunInstances")
        volumes = {device: self._volume(owner, one) for device, one in order.volumes.items()}
        instance = self.cloud.create("instance", self.account, self.region, owner, owner.task_id, {"state": "running"})
        self._wait("instance", instance.id, *volumes.values())
        self.cloud.instances[instance.id] = replace(order.configuration, instance_id=instance.id)
        self.cloud.states[instance.id] = "running" if order.power_on else "stopped"
        return MadeInstance(instance.id, volumes, order.interfaces[0].private_addresses)

    def stop_instance(self, instance_id: str) -> None:
        if self.cloud.instances[instance_id].stop_protection:
            raise ConflictError(f"{instance_id} may not be stopped", why="it is protected", cure="lift the protection")
        self.cloud.states[instance_id] = "stopping"
        self._wait("stop")
        self.cloud.states[instance_id] = "stopped"

    def standing_instance(self, instance_id: str) -> StandingInstance:
        state = self.instance_state(instance_id)
        if state is None:
            raise NotFoundError(
                f"{instance_id} is not there", why="somebody terminated it", cure="restore it elsewhere"
            )
        return StandingInstance(self.cloud.instances[instance_id], state)

    def exchange_volumes(self, owner: Ownership, instance_id: str, order: InstanceOrder) -> MadeInstance:
        self.cloud.allow("ec2:AttachVolume")
        if self.cloud.states[instance_id] == "running" and not self._made(owner):
            raise ConflictError(f"{instance_id} is running", why="it must be stopped", cure="run the restore again")
        made = {device: self.create_volume(owner, one) for device, one in order.volumes.items()}
        now = self.cloud.instances[instance_id]
        volumes = []
        for old in now.volumes:
            new_id = made.get(old.device, old.volume_id)
            if new_id != old.volume_id:
                place = (instance_id, old.device, old.delete_on_termination)
                self.cloud.kept[old.volume_id] = KeptVolume(old.volume_id, *place, attached=False, owner=owner)
                self.cloud.objects[new_id].facts["attached"] = instance_id
                self._say_attached(old.volume_id, "")
            volumes.append(replace(old, volume_id=new_id))
        self.cloud.instances[instance_id] = replace(order.configuration, volumes=tuple(volumes), tags=order.tags)
        self.cloud.allow("ec2:StartInstances")
        self.cloud.states[instance_id] = "pending" if order.power_on else "stopped"
        self._wait("start")
        self.cloud.states[instance_id] = "running" if order.power_on else "stopped"
        return MadeInstance(instance_id, {one.device: one.volume_id for one in volumes}, ())

    def status_checks(self, instance_id: str) -> tuple[str, str]:
        self.cloud.allow("ec2:DescribeInstanceStatus")
        return self.cloud.checks if self.cloud.states[instance_id] == "running" else ("not-applicable",) * 2

    def put_back_volumes(self, owner: Ownership, was: StandingInstance) -> None:
        self.cloud.allow("ec2:DetachVolume")
        instance_id, made = was.configuration.instance_id, self._made(owner)
        kept = self._kept(owner, instance_id)
        now = {one.device: one.volume_id for one in self.cloud.instances[instance_id].volumes}
        there = {(one.device, one.volume_id) for one in kept} | set(now.items())
        gone = {(one.device, one.volume_id) for one in was.configuration.volumes} - there
        if gone:
            raise ConflictError(f"{gone} cannot be put back", why="neither there nor kept", cure="look at the instance")
        if any(now.get(one.device) not in (None, one.volume_id, *made) for one in kept):
            raise ConflictError("another volume is there", why="somebody attached it", cure="look at the instance")
        self.cloud.instances[instance_id] = was.configuration
        self.cloud.states[instance_id] = was.state
        for volume_id in made:
            self.cloud.delete(volume_id)
        for one in kept:
            self._say_attached(one.volume_id, instance_id)
            del self.cloud.kept[one.volume_id]

    def kept_volumes(self, appliance_id: str) -> list[KeptVolume]:
        return [
            one
            for one in self.cloud.kept.values()
            if one.owner.appliance_id == appliance_id and self.cloud.instances[one.instance_id].region == self.region
        ]

    def discard_kept_volumes(self, owner: Ownership, instance_id: str) -> None:
        self.cloud.allow("ec2:DeleteVolume")
        for one in self._kept(owner, instance_id):
            self.cloud.delete(one.volume_id)
            del self.cloud.kept[one.volume_id]

    def _say_attached(self, volume_id: str, instance_id: str) -> None:
        """Of what an earlier restore has made; volumes that other people made are no objects here."""
        if volume_id in self.cloud.objects:
            self.cloud.objects[volume_id].facts["attached"] = instance_id

    def _made(self, owner: Ownership) -> list[str]:
        return [one.id for one in self.cloud.objects.values() if one.kind == "volume" and one.owner == owner]

    def _kept(self, owner: Ownership, instance_id: str) -> list[KeptVolume]:
        return [one for one in self.cloud.kept.values() if (one.owner, one.instance_id) == (owner, instance_id)]

    def delete_snapshots(self, snapshot_ids: tuple[str, ...]) -> None:
        for snapshot_id in snapshot_ids:
            self.cloud.delete(snapshot_id)

    def _wait(self, what: str, *made: str) -> None:
        """Somebody may cancel meanwhile: nothing of what was made for it stays then."""
        self.cloud.on_call(f"wait for {what}")
        try:
            self.go_on()
        except CancelledError:
            for object_id in made:
                self.cloud.delete(object_id)
            raise

    def _check(self, order: VolumeOrder) -> None:
        if order.snapshot_id not in self.cloud.objects:
            raise NotFoundError(f"{order.snapshot_id} is not there", why="somebody deleted it", cure="choose another")
