"""Restores in the simulated cloud: volumes and instances that appear, and one that stands getting other volumes."""

from dataclasses import dataclass, replace

from holdfast.appliance.ports.cloud import InstanceOrder, MadeInstance, Ownership, VolumeOrder
from holdfast.domain.errors import ConflictError, NotFoundError
from holdfast.testing.simulated_objects import CloudObjects


@dataclass
class SimulatedRestoreSite:
    """Implements RestoreSite."""

    cloud: CloudObjects
    account: str
    region: str

    def instance_state(self, instance_id: str) -> str | None:
        state = self.cloud.states.get(instance_id)
        return None if state == "terminated" else state

    def problems(self, order: InstanceOrder, standing: str | None = None) -> list[str]:
        return ["subnet-gone is not there"] if any(one.subnet_id == "subnet-gone" for one in order.interfaces) else []

    def create_volume(self, owner: Ownership, order: VolumeOrder) -> str:
        self.cloud.allow("ec2:CreateVolume")
        self._check(order)
        token = f"{owner.task_id}/{order.snapshot_id}"
        return self.cloud.create(
            "volume", self.account, self.region, owner, token, {"snapshot": order.snapshot_id, "zone": order.zone}
        ).id

    def make_instance(self, owner: Ownership, order: InstanceOrder) -> MadeInstance:
        self.cloud.allow("ec2:RunInstances")
        volumes = {device: self.create_volume(owner, one) for device, one in order.volumes.items()}
        instance = self.cloud.create("instance", self.account, self.region, owner, owner.task_id, {"state": "running"})
        self.cloud.instances[instance.id] = replace(order.configuration, instance_id=instance.id)
        self.cloud.states[instance.id] = "running" if order.power_on else "stopped"
        return MadeInstance(instance.id, volumes, order.interfaces[0].private_addresses)

    def stop_instance(self, instance_id: str) -> None:
        if self.cloud.instances[instance_id].stop_protection:
            raise ConflictError(f"{instance_id} may not be stopped", why="it is protected", cure="lift the protection")
        self.cloud.states[instance_id] = "stopped"

    def exchange_volumes(self, owner: Ownership, instance_id: str, order: InstanceOrder) -> MadeInstance:
        self.cloud.allow("ec2:AttachVolume")
        volumes = {device: self.create_volume(owner, one) for device, one in order.volumes.items()}
        self.cloud.states[instance_id] = "running" if order.power_on else "stopped"
        return MadeInstance(instance_id, volumes, ())

    def put_back_volumes(self, owner: Ownership, instance_id: str) -> None:
        for one in list(self.cloud.objects.values()):
            if one.kind == "volume" and one.owner == owner:
                self.cloud.delete(one.id)
        self.cloud.states[instance_id] = "running"

    def discard_kept_volumes(self, owner: Ownership, instance_id: str) -> None:
        return

    def delete_snapshots(self, snapshot_ids: tuple[str, ...]) -> None:
        for snapshot_id in snapshot_ids:
            self.cloud.delete(snapshot_id)

    def _check(self, order: VolumeOrder) -> None:
        if order.snapshot_id not in self.cloud.objects:
            raise NotFoundError(f"{order.snapshot_id} is not there", why="somebody deleted it", cure="choose another")
