"""Every object that a restore will touch, before it touches any; and the orders that are then carried out.

The plan that a person sees and the work that is done come from the same lines.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from holdfast.appliance.points.configurations import Configurations
from holdfast.appliance.ports.cloud import (
    DefaultEncryption,
    InstanceOrder,
    InterfaceOrder,
    RestoreSite,
    VolumeOrder,
)
from holdfast.appliance.restores.encryption import SnapshotEncryption, encryption_of, key_problems, key_warnings
from holdfast.appliance.surface import OWN_ACCOUNT, Surface
from holdfast.domain.errors import HoldfastError, NotFoundError, PermissionDeniedError
from holdfast.domain.policy import WorkerMode
from holdfast.domain.restore import (
    LONGEST_KEEP_HOURS,
    Change,
    InstanceRestore,
    Place,
    PlannedObject,
    RestorePlan,
    VolumeRestore,
)
from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.retrieval import ColdData, RetrievalEstimate, estimate, offered
from holdfast.domain.workload import InstanceConfiguration, VolumeConfiguration

GIB = 1024**3
# Stands in an order for a snapshot that a worker is still to make.
TO_BE_MADE = "to-be-made"
_REMOVED_AFTER = "removed when the restore has ended"


@dataclass(frozen=True, slots=True)
class Source:
    """A point, how its instance was made up, and its volumes by device; snapshot ids where they are there already."""

    point: RestorePoint
    configuration: InstanceConfiguration
    snapshots: Mapping[str, str]
    sizes_bytes: Mapping[str, int]

    @property
    def needs_worker(self) -> bool:
        """Whether the data lies in a repository."""
        return self.point.repository is not None

    def volumes(self) -> list[VolumeConfiguration]:
        """Those that are in the point."""
        return [volume for volume in self.configuration.volumes if volume.device in self.snapshots]

    def with_snapshots(self, snapshots: Mapping[str, str]) -> "Source":
        """With the snapshots that a worker made."""
        return replace(self, snapshots=snapshots)


class RestorePlanner:
    """Makes plans and orders."""

    def __init__(self, surface: Surface) -> None:
        self._surface = surface
        self._configurations = Configurations(surface)

    def source(self, point_id: str) -> Source:
        """A point by its id or the beginning of it. Raises NotFoundError, UsageError."""
        point = self._surface.records.points.get(point_id)
        configuration = self._configurations.of_point(point.id)
        if point.repository is None:
            devices = {volume.volume_id: volume for volume in configuration.volumes}
            chosen = {devices[one].device: snapshot for one, snapshot in point.snapshots.items() if one in devices}
            sizes = {volume.device: volume.size_gib * GIB for volume in configuration.volumes}
            return Source(point, configuration, chosen, sizes)
        tenant = self._surface.tenant(point.workload.account)
        with self._surface.repositories.open(point.repository) as repository:
            volumes, _ = repository.point_volumes(point.id, tenant)
        made = {volume.name: TO_BE_MADE for volume in volumes}
        return Source(point, configuration, made, {volume.name: volume.size_bytes for volume in volumes})

    def standing(self, order: InstanceRestore, source: Source) -> str | None:
        """The instance that stands where the restore is to go."""
        if order.place != Place.ORIGINAL or source.point.place is not None:
            return None
        instance_id = source.configuration.instance_id
        return instance_id if self._site(source, None).instance_state(instance_id) is not None else None

    def plan_instance(self, order: InstanceRestore) -> RestorePlan:
        """What bringing an instance back would do."""
        source = self.source(order.point)
        standing = self.standing(order, source)
        wanted = self.instance_order(order, source)
        objects = _worker_objects(source, order.worker_mode, wanted.volumes)
        name = wanted.tags.get("Name") or source.configuration.instance_id
        about_keys, key_faults = self._about_keys(source, wanted.volumes, order.new.region)
        warnings = [*_left_out(source), *_other_keys(source, wanted.volumes), *_lost_profile(source, wanted)]
        warnings += about_keys
        problems = [*_region_problem(source, order.new.region), *_place_problem(source, order), *_missing(source)]
        if standing is not None:
            objects.append(PlannedObject(Change.STOP, "instance", standing, "stopped while its volumes are exchanged"))
            # Restored before, it has other volumes than the point's.
            now = self._site(source, None).standing_instance(standing).configuration.volumes
            objects += [_old_volume(order, volume) for volume in now if volume.device in wanted.volumes]
            if not order.replace:
                warnings.append(f"{standing} still stands: it is stopped and its volumes exchanged only with your yes")
        objects += [
            PlannedObject(Change.CREATE, "volume", device, f"{one.size_gib} GiB {one.volume_type}")
            for device, one in wanted.volumes.items()
        ]
        if standing is None:
            warnings += _lost_platform(source)
            objects += [
                PlannedObject(Change.CREATE, "network-interface", f"{one.device_index}", _addresses(one))
                for one in wanted.interfaces
            ]
            objects.append(PlannedObject(Change.CREATE, "image", name, _REMOVED_AFTER, temporary=True))
            objects.append(PlannedObject(Change.CREATE, "instance", name, f"{wanted.instance_type} in {wanted.zone}"))
        if source.configuration.root_device not in source.snapshots:
            problems.append("the root volume is not in this restore point: restore its volumes instead")
        problems += [*_keep_problem(order), *key_faults]
        problems += self._problems(source, order, wanted, standing)
        retrieval = self._retrieval(source, order, wanted.volumes)
        return RestorePlan(tuple(objects), tuple(warnings), tuple(problems), retrieval)

    def plan_volumes(self, order: VolumeRestore) -> RestorePlan:
        """What bringing volumes back would do."""
        source = self.source(order.point)
        wanted = self.volume_orders(order, source)
        objects = _worker_objects(source, order.worker_mode, wanted)
        objects += [
            PlannedObject(Change.CREATE, "volume", device, f"{one.size_gib} GiB {one.volume_type} in {one.zone}")
            for device, one in wanted.items()
        ]
        about_keys, key_faults = self._about_keys(source, wanted, order.region)
        warnings = [*_other_keys(source, wanted), *about_keys]
        problems = [*_region_problem(source, order.region), *key_faults]
        retrieval = self._retrieval(source, order, wanted)
        return RestorePlan(tuple(objects), tuple(warnings), tuple(problems), retrieval)

    def volumes(self, order: InstanceRestore | VolumeRestore, source: Source) -> Mapping[str, VolumeOrder]:
        """The volumes that are made, by device."""
        if isinstance(order, InstanceRestore):
            return self.instance_order(order, source).volumes
        return self.volume_orders(order, source)

    def snapshot_encryption(self, orders: Mapping[str, VolumeOrder], region: str) -> dict[str, SnapshotEncryption]:
        """How a worker in that region encrypts what it writes for these volumes."""
        default = DefaultEncryption()
        if any(one.kms_key_id is None for one in orders.values()):
            default = self._surface.cloud.compute(OWN_ACCOUNT, region).default_encryption()
        return {device: encryption_of(one, default) for device, one in orders.items()}

    def instance_order(self, order: InstanceRestore, source: Source) -> InstanceOrder:
        """The instance as it was, but for what the person wants otherwise."""
        was, new = source.configuration, order.new if order.place == Place.NEW else None
        zone = was.zone if new is None else new.zone or _zone_in(new.region or source.point.lies_in.region, was)
        tags = dict(was.tags)
        if new is not None and new.name is not None:
            tags["Name"] = new.name
        volumes = {
            volume.device: _volume_order(volume, source, zone, None if new is None else new.kms_key_id)
            for volume in source.volumes()
        }
        return InstanceOrder(
            configuration=was,
            zone=zone,
            instance_type=(None if new is None else new.instance_type) or was.instance_type,
            root_device=was.root_device,
            volumes=volumes,
            interfaces=_interfaces(order, was),
            tags=tags,
            key_name=was.key_name if new is None or new.key_name is None else new.key_name,
            instance_profile_arn=(None if new is None else new.instance_profile_arn) or _own_profile(source),
            power_on=order.power_on,
        )

    def volume_orders(self, order: VolumeRestore, source: Source) -> dict[str, VolumeOrder]:
        """By device. Raises NotFoundError for a volume that the point does not have."""
        there = {volume.device: volume for volume in source.volumes()}
        by_id = {volume.volume_id: volume.device for volume in source.volumes()}
        devices = [by_id.get(name, name) for name in order.volumes] or list(there)
        missing = [name for name in devices if name not in there]
        if missing or not devices:
            raise NotFoundError(
                f"restore point {source.point.id} has no volume {', '.join(missing)}",
                why=f"it has {', '.join(f'{one.device} ({one.volume_id})' for one in there.values()) or 'none'}",
                cure="name one of these, or none for all of them",
            )
        zone = order.zone or _zone_in(order.region or source.point.lies_in.region, source.configuration)
        wanted = {}
        for device in devices:
            made = _volume_order(there[device], source, zone, order.kms_key_id)
            if order.volume_type not in (None, made.volume_type):
                # Each type has its own bounds of these: AWS's default for the new one is always good.
                made = replace(made, volume_type=order.volume_type, iops=None, throughput=None)
            wanted[device] = replace(made, tags={**made.tags, **order.tags})
        return wanted

    def _retrieval(
        self, source: Source, order: InstanceRestore | VolumeRestore, devices: Iterable[str]
    ) -> RetrievalEstimate | None:
        """What has to be retrieved first, where there is anything cold. Raises UsageError for an order of a retrieval
        that there is not.
        """
        point, data = source.point, ColdData(storage_class=None)
        if point.repository is not None:
            with self._surface.repositories.open(point.repository) as repository:
                data = repository.cold_data(point.id, self._surface.tenant(point.workload.account), tuple(devices))
        if order.retrieval is not None:
            offered(order.retrieval, data.storage_class, f"restore point {point.id}")
        elif data.storage_class is None:
            return None
        return estimate(data, None if order.retrieval is None else order.retrieval.days)

    def _problems(
        self, source: Source, order: InstanceRestore, wanted: InstanceOrder, standing: str | None
    ) -> list[str]:
        try:
            return self._site(source, order.new.region).problems(wanted, standing)
        except PermissionDeniedError:
            raise
        except HoldfastError as error:
            return [f"{error.what}: {error.why}"]

    def _about_keys(
        self, source: Source, orders: Mapping[str, VolumeOrder], region: str | None
    ) -> tuple[list[str], list[str]]:
        """(warnings, problems) of the keys under which a worker writes."""
        if not source.needs_worker:
            return [], []
        place = source.point.lies_in
        snapshots = self.snapshot_encryption(orders, region or place.region)
        is_own = self._surface.account(place.account).role_arn is None
        warnings = list(key_warnings(snapshots, place.account, is_own_account=is_own))
        return warnings, list(key_problems(snapshots, place.account, is_own_account=is_own))

    def _site(self, source: Source, region: str | None) -> RestoreSite:
        place = source.point.lies_in
        return self._surface.cloud.restore_site(self._surface.account(place.account), region or place.region)


def _old_volume(order: InstanceRestore, volume: VolumeConfiguration) -> PlannedObject:
    """What becomes of a volume that a standing instance has."""
    hours = order.keep_old_volumes_hours
    if not order.power_on:
        detail = "kept, because nothing shows that the new ones run; yours to remove"
    elif hours:
        detail = f"kept for {hours} h after the new ones have proved to run, then removed"
    else:
        detail = "once the new ones have proved to run"
    change = Change.KEEP if hours or not order.power_on else Change.REMOVE
    return PlannedObject(change, "volume", volume.volume_id, f"{volume.device}, {detail}")


def _keep_problem(order: InstanceRestore) -> list[str]:
    hours = order.keep_old_volumes_hours
    if not 0 <= hours <= LONGEST_KEEP_HOURS:
        return [f"old volumes are kept for 0 to {LONGEST_KEEP_HOURS} h, not {hours}"]
    return ["another instance has no old volumes to keep"] if hours and order.place == Place.NEW else []


def _interfaces(order: InstanceRestore, was: InstanceConfiguration) -> tuple[InterfaceOrder, ...]:
    new = order.new if order.place == Place.NEW else None
    made = []
    for one in was.interfaces:
        addresses, allocation = one.private_addresses, one.allocation_id
        subnet, groups = one.subnet_id, one.security_groups
        if new is not None:
            # Elsewhere the old addresses are not ours to take, and a subnet stands in one zone.
            is_first = one.device_index == 0
            addresses = (new.private_address,) if new.private_address and is_first else ()
            allocation = None
            subnet = new.subnet_id or subnet
            groups = new.security_group_ids or groups
            if new.subnet_id is not None and not is_first:
                continue
        made.append(
            InterfaceOrder(
                device_index=one.device_index,
                subnet_id=subnet,
                security_group_ids=groups,
                private_addresses=addresses,
                description=one.description,
                source_dest_check=one.source_dest_check,
                delete_on_termination=one.delete_on_termination,
                allocation_id=allocation,
                tags=one.tags,
            )
        )
    return tuple(made)


def _volume_order(volume: VolumeConfiguration, source: Source, zone: str, kms_key_id: str | None) -> VolumeOrder:
    least_gib = -(-source.sizes_bytes.get(volume.device, 0) // GIB)
    return VolumeOrder(
        snapshot_id=source.snapshots[volume.device],
        size_gib=max(volume.size_gib, least_gib),
        volume_type=volume.volume_type,
        zone=zone,
        iops=volume.iops,
        throughput=volume.throughput,
        kms_key_id=kms_key_id or (volume.kms_key_id if _is_key_for(volume.kms_key_id, zone) else None),
        encrypted=volume.encrypted or kms_key_id is not None,
        tags=volume.tags,
    )


def _is_key_for(kms_key_id: str | None, zone: str) -> bool:
    """A KMS key serves its own region alone, which its ARN names."""
    parts = (kms_key_id or "").split(":")
    return len(parts) < 4 or zone.startswith(parts[3])


def _other_keys(source: Source, orders: Mapping[str, VolumeOrder]) -> list[str]:
    return [
        f"{volume.device} will be encrypted under the default key of the region: {volume.kms_key_id} does not serve it"
        for volume in source.volumes()
        if volume.kms_key_id and volume.device in orders and orders[volume.device].kms_key_id is None
    ]


def _zone_in(region: str, was: InstanceConfiguration) -> str:
    """The same letter in another region: the person may say otherwise."""
    return f"{region}{was.zone.removeprefix(was.region)}"


def _worker_objects(source: Source, mode: str, devices: Iterable[str]) -> list[PlannedObject]:
    """What moving the data takes: where it does not, the snapshots are there already."""
    if not source.needs_worker:
        return []
    kinds = ("role", "instance-profile", "queue", "instance") if mode == WorkerMode.EC2 else ()
    details = {"instance": f"moves the data; {_REMOVED_AFTER}"}
    return [
        *(
            PlannedObject(Change.CREATE, kind, "worker", details.get(kind, _REMOVED_AFTER), temporary=True)
            for kind in kinds
        ),
        *(PlannedObject(Change.CREATE, "snapshot", device, _REMOVED_AFTER, temporary=True) for device in devices),
    ]


def _left_out(source: Source) -> list[str]:
    volumes = [
        f"{volume.volume_id} ({volume.device}) is not in this restore point and will be missing"
        for volume in source.configuration.volumes
        if volume.device not in source.snapshots and volume.volume_id not in source.point.missing
    ]
    tagged = "the point was found by the tags of its snapshots, which had no room for them: they will be missing"
    return [*volumes, *(f"{what}: {tagged}" for what in source.configuration.left_out)]


def _missing(source: Source) -> list[str]:
    gone = ", ".join(source.point.missing)
    whole = "restore the volumes that are there instead"
    return [f"the snapshots of {gone} are gone, and an instance is not made without them: {whole}"] if gone else []


def _region_problem(source: Source, region: str | None) -> list[str]:
    own = source.point.lies_in.region
    if source.needs_worker or region in (None, own):
        return []
    return [f"the snapshots of this point are in {own}: only an image backup restores into {region}"]


def _place_problem(source: Source, order: InstanceRestore) -> list[str]:
    place = source.point.place
    if place is None or order.place == Place.NEW:
        return []
    return [f"the snapshots of this point are in {place.region} of {place.account}: restore into a new place there"]


def _own_profile(source: Source) -> str | None:
    """A profile belongs to an account: in another one nobody has it."""
    was, place = source.configuration, source.point.place
    return was.instance_profile_arn if place is None or place.account == source.point.workload.account else None


def _lost_profile(source: Source, wanted: InstanceOrder) -> list[str]:
    was = source.configuration.instance_profile_arn
    if was is None or wanted.instance_profile_arn is not None:
        return []
    return [f"it will have no instance profile: {was} is another account's"]


def _lost_platform(source: Source) -> list[str]:
    """EC2 takes it from the root volume's snapshot, and no EBS direct API writes it there (RegisterImage)."""
    was = source.configuration
    if not (source.needs_worker and was.is_licensed):
        return []
    then = "it is not made then: restore its volumes" if was.is_windows else "it is billed as Linux/UNIX then"
    return [f"EC2 may not know the restored instance as {was.platform}: {then}"]


def _addresses(interface: InterfaceOrder) -> str:
    return f"{interface.subnet_id}, {', '.join(interface.private_addresses) or 'an address that AWS chooses'}"
