"""Volumes and snapshots of moto's EC2 with the block store behind them.

`install` makes moto build its EC2 from `LabEC2Backend`. What moto decides (ids, validation, filters, tags) stays
moto's; what has content or takes time is looked up in the store, and a backend that is built anew takes up what the
store knows.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.elastic_block_store import Snapshot, Volume, VolumeAttachment
from moto.ec2.utils import random_snapshot_id
from moto.kms.models import Key, kms_backends

from holdfast.lab.block_store import BlockStore
from holdfast.lab.records import NO_VOLUME, SnapshotRecord, VolumeRecord

MAX_VOLUME_GIB = 65_536
# AWS's own key for EBS, which each account has in each region.
AWS_OWN_KEY = "alias/aws/ebs"


@dataclass(frozen=True, slots=True)
class BlockService:
    """What the backends share: the store, the lab's time in seconds, and how long new things stay pending."""

    store: BlockStore
    now: Callable[[], float]
    pending_seconds: float


@dataclass(frozen=True, slots=True)
class SnapshotVolume:
    """The volume that moto's snapshot refers to, as it was: the volume itself may be larger by now, or gone."""

    id: str
    size: int  # moto's name; in GiB


class LabAttachment(VolumeAttachment):
    """Where a volume is: `attaching` until one moment of the lab's time and, once that is set, gone from another."""

    def __init__(self, volume: "LabVolume", instance: Any, device: str, now: Callable[[], float], attached_at: float):
        super().__init__(volume, instance, device, "")
        self.gone_at: float | None = None
        self._now = now
        self._attached_at = attached_at

    @property
    def status(self) -> str:
        """As DescribeVolumes says it."""
        if self.gone_at is not None:
            return "detaching"
        return "attaching" if self._now() < self._attached_at else "attached"

    @status.setter
    def status(self, value: str) -> None:
        """moto sets what follows from the time."""

    @property
    def delete_on_termination(self) -> bool:
        """Whether the volume goes with the instance."""
        block = self.instance.block_device_mapping.get(self.device)
        return bool(block and block.delete_on_termination)


class LabVolume(Volume):
    """A volume that is `creating` for a moment; one that `vanishes` is gone then."""

    @property
    def attachment(self) -> VolumeAttachment | None:
        """Where it is attached; `detaching` lasts a moment."""
        attachment = self._attachment
        gone_at = attachment.gone_at if isinstance(attachment, LabAttachment) else None
        return None if gone_at is not None and self.ec2_backend.service.now() >= gone_at else attachment

    @attachment.setter
    def attachment(self, attachment: VolumeAttachment | None) -> None:
        self._attachment = attachment

    def __init__(self, backend: "LabEC2Backend", record: VolumeRecord) -> None:
        super().__init__(
            backend,
            volume_id=record.id,
            size=record.size_gib,
            zone=backend.get_zone_by_name(record.zone),
            snapshot_id=record.snapshot_id,
            encrypted=record.encrypted,
            kms_key_id=record.kms_key_id,
            volume_type=record.volume_type,
            iops=record.iops,
            throughput=record.throughput,
            multi_attach_enabled=record.multi_attach_enabled,
        )
        self.create_time = moto_time(record.created_at)
        self.vanishes = record.vanishes
        self._available_at = record.available_at

    @property
    def status(self) -> str:
        """As DescribeVolumes says it; one that vanishes is never available, however late its answer is written."""
        if self.vanishes or (self.attachment is None and self.ec2_backend.service.now() < self._available_at):
            return "creating"
        return str(super().status)


class LabSnapshot(Snapshot):
    """A snapshot whose state is the store's."""

    def __init__(self, backend: "LabEC2Backend", record: SnapshotRecord, from_ami: str | None = None) -> None:
        super().__init__(
            backend,
            snapshot_id=record.id,
            volume=SnapshotVolume(record.volume_id, record.size_gib),
            description=record.description,
            encrypted=record.encrypted,
            kms_key_id=record.kms_key_id,
            owner_id=record.account,
            from_ami=from_ami,
        )
        self.start_time = moto_time(record.started_at)
        self.create_volume_permission_userids = set(record.shared_with)
        if record.archived:
            self.storage_tier = "archive"

    @property
    def status(self) -> str:
        """As DescribeSnapshots says it."""
        store = self.ec2_backend.service.store
        record = store.snapshot(self.id)
        return "completed" if record is None else str(store.state(record))

    @status.setter
    def status(self, value: str) -> None:
        """moto's constructor sets a first value; the store knows better."""

    @property
    def state_message(self) -> str | None:
        """Why a copy failed."""
        record = self.ec2_backend.service.store.snapshot(self.id)
        return record.failure if record is not None and record.failure and self.status == "error" else None

    @property
    def progress(self) -> str:
        """In percent, as text."""
        service = self.ec2_backend.service
        record = service.store.snapshot(self.id)
        if self.status == "completed" or record is None:
            return "100%"
        if record.completed_at is None:
            return "0%"
        passed, whole = service.now() - record.started_at, record.completed_at - record.started_at
        return f"{min(99, int(100 * passed / whole)) if whole > 0 else 99}%"


class LabEC2Backend(EC2Backend):
    """moto's EC2 in one account and region."""

    service: ClassVar[BlockService]

    def __init__(self, region_name: str, account_id: str) -> None:
        self._vanishing: dict[str, float] = {}
        super().__init__(region_name, account_id)
        for volume in self.service.store.volumes(account_id, region_name):
            self._show_volume(volume)
        for snapshot in self.service.store.snapshots(account_id, region_name):
            self.adopt(snapshot)

    def _show_volume(self, record: VolumeRecord) -> LabVolume:
        # moto marks what CloudFormation would call as abstract, and leaves it so in Volume itself.
        volume = LabVolume(self, record)  # type: ignore[abstract]
        self.volumes[record.id] = volume
        if record.vanishes:
            self._vanishing[record.id] = record.available_at
        if record.tags:
            self.tags[record.id] = dict(record.tags)
        return volume

    def adopt(self, record: SnapshotRecord, from_ami: str | None = None) -> LabSnapshot:
        """Show a snapshot that the store has."""
        snapshot = LabSnapshot(self, record, from_ami)
        self.snapshots[record.id] = snapshot
        if record.tags:
            self.tags[record.id] = dict(record.tags)
        return snapshot

    # ------------------------------------------------------------------------------------------------------- volumes

    @property
    def volumes(self) -> dict[str, Volume]:
        """moto's volumes: each look at them finds those gone whose time has come."""
        now = self.service.now()
        for volume_id in [one for one, moment in list(self._vanishing.items()) if moment <= now]:
            if self._vanishing.pop(volume_id, None) is not None:
                self._volumes.pop(volume_id, None)
                self.tags.pop(volume_id, None)
                self.service.store.delete_volume(volume_id)
        return self._volumes

    @volumes.setter
    def volumes(self, volumes: dict[str, Volume]) -> None:
        self._volumes = volumes

    def create_volume(self, *arguments: Any, **options: Any) -> LabVolume:
        """Create a volume with a file behind it, and the snapshot's data in the file. A key that cannot be used shows
        later, when the volume vanishes.
        """
        named_key = options.get("kms_key_id")
        source = self.usable_snapshot(options.get("snapshot_id"))
        wanted_gib = options.get("size")
        if wanted_gib is not None and not 1 <= int(wanted_gib) <= MAX_VOLUME_GIB:
            raise EC2ClientError("InvalidParameterValue", f"A volume has 1 to {MAX_VOLUME_GIB} GiB.")
        if source is not None and wanted_gib is not None and int(wanted_gib) < source.size_gib:
            raise EC2ClientError(
                "InvalidParameterValue", f"The volume size is smaller than the snapshot size of {source.size_gib} GiB."
            )
        if source is not None and source.encrypted and not options.get("kms_key_id"):
            options |= {"encrypted": True, "kms_key_id": source.kms_key_id}
        elif self.get_ebs_encryption_by_default():
            options["encrypted"] = True
        made = super().create_volume(*arguments, **options)
        now = self.service.now()
        record = VolumeRecord(
            id=made.id,
            account=self.account_id,
            region=self.region_name,
            size_gib=int(made.size),
            lineage=source.lineage if source else made.id,
            created_at=now,
            available_at=now + self.service.pending_seconds,
            zone=made.zone.name if made.zone else f"{self.region_name}a",
            volume_type=made.volume_type,
            iops=made.iops,
            throughput=made.throughput,
            encrypted=bool(made.encrypted),
            kms_key_id=made.kms_key_id,
            multi_attach_enabled=made.multi_attach_enabled,
            snapshot_id=made.snapshot_id,
            vanishes=bool(made.encrypted) and not self._opens(named_key, made.kms_key_id, source),
        )
        self.service.store.create_volume(record)
        return self._show_volume(record)

    def modify_volume(self, volume_id: str, *arguments: Any, **options: Any) -> Volume:
        """Modify a volume; one that grows has a larger file at once."""
        before_gib = self.get_volume(volume_id).size
        target_gib = arguments[0] if arguments else options.get("target_size")
        if target_gib is not None and target_gib < before_gib:
            raise EC2ClientError(
                "InvalidParameterValue", f"New size cannot be smaller than existing size: {target_gib} < {before_gib}"
            )
        volume = super().modify_volume(volume_id, *arguments, **options)
        if volume.size > before_gib:
            self.service.store.grow_volume(volume_id, volume.size)
        return volume

    def delete_volume(self, volume_id: str) -> Volume:
        """Delete a volume and its file."""
        volume = super().delete_volume(volume_id)
        self.service.store.delete_volume(volume_id)
        return volume

    # ----------------------------------------------------------------------------------------------------- snapshots

    def create_snapshot(
        self, volume_id: str, description: str, owner_id: str | None = None, from_ami: str | None = None
    ) -> Snapshot:
        """Take a snapshot of what is in the volume's file now."""
        made = super().create_snapshot(volume_id, description, owner_id, from_ami)
        # Nobody sees the snapshot before its blocks are safe.
        del self.snapshots[made.id]
        volume = self.service.store.volume(volume_id)
        if volume is None:
            raise EC2ClientError("InvalidVolume.NotFound", f"The volume '{volume_id}' does not exist.")
        now = self.service.now()
        record = SnapshotRecord(
            id=made.id,
            account=made.owner_id,
            region=self.region_name,
            volume_id=volume_id,
            size_gib=volume.size_gib,
            lineage=volume.lineage,
            started_at=now,
            completed_at=now + self.service.pending_seconds,
            description=description or "",
            encrypted=volume.encrypted,
            kms_key_id=volume.kms_key_id,
        )
        self.service.store.capture(record)
        return self.adopt(record, from_ami)

    def copy_snapshot(
        self,
        source_snapshot_id: str,
        source_region: str,
        description: str,
        kms_key_id: str | None,
        encrypted: bool = False,
    ) -> Snapshot:
        """Copy a snapshot with its blocks, as the first of a lineage of its own. It may be another account's that is
        shared with this one. A key that cannot be used is found out later, when the copy fails.
        """
        source = self.service.store.snapshot(source_snapshot_id)
        if source is None or source.region != source_region or not self._may_read(source):
            raise EC2ClientError("InvalidSnapshot.NotFound", f"The snapshot '{source_snapshot_id}' does not exist.")
        self.usable_snapshot(source.id)
        encrypted = encrypted or source.encrypted or self.get_ebs_encryption_by_default()
        if kms_key_id and not encrypted:
            words = "The parameter KmsKeyId requires the parameter Encrypted to be set."
            raise EC2ClientError("InvalidParameterDependency", words)
        key = self._usable_key(kms_key_id) if kms_key_id else self.default_key() if encrypted else ""
        now, copy_id = self.service.now(), random_snapshot_id()
        record = SnapshotRecord(
            id=copy_id,
            account=self.account_id,
            region=self.region_name,
            volume_id=NO_VOLUME,
            size_gib=source.size_gib,
            lineage=copy_id,
            started_at=now,
            completed_at=now + self.service.pending_seconds,
            description=description or "",
            encrypted=encrypted,
            kms_key_id=key or kms_key_id,
            failure="" if key or not encrypted else "Given key ID is not accessible",
        )
        self.service.store.copy(source.id, record)
        return self.adopt(record)

    # ------------------------------------------------------------------------------------------------------ encryption

    def default_key(self) -> str:
        """The ARN of the key that encrypts where none is named: AWS's own until somebody sets another."""
        return self.default_kms_key_id or self._create_default_encryption_key()

    def default_key_name(self) -> str:
        """The same as GetEbsDefaultKmsKeyId tells it: AWS's own by its alias."""
        return AWS_OWN_KEY if self.default_key() == self._create_default_encryption_key() else self.default_key()

    def _create_default_encryption_key(self) -> str:
        """The ARN of AWS's own key, which moto would make the default whatever that was."""
        chosen = self.default_kms_key_id
        own = str(super()._create_default_encryption_key())
        self.default_kms_key_id = chosen or own
        return own

    def _may_read(self, record: SnapshotRecord) -> bool:
        return self.account_id in (record.account, *record.shared_with)

    def _usable_key(self, kms_key_id: str) -> str:
        """The ARN of a key, empty where it is not there or disabled."""
        key = self._key(kms_key_id)
        return str(key.arn) if key is not None and key.enabled else ""

    def _opens(self, named: str | None, chosen: str | None, source: SnapshotRecord | None) -> bool:
        """Whether EBS can use the keys of a new volume and of its snapshot. One that nobody named may be forgotten: the
        lab keeps volumes and snapshots in its state, and no keys.
        """
        if named and not self._usable_key(named):
            return False
        keys = [self._key(one) for one in (chosen, source.kms_key_id if source else None) if one]
        return all(key is None or key.enabled for key in keys)

    def _key(self, kms_key_id: str) -> Key | None:
        """A key of this region, by its id, alias or ARN, which may name another account's."""
        parts = kms_key_id.split(":")
        account = parts[4] if len(parts) > 4 else self.account_id
        if len(parts) > 4 and parts[3] != self.region_name:
            return None
        keys = kms_backends[account][self.region_name]
        alias = keys.get_alias_name(kms_key_id)
        if alias == AWS_OWN_KEY and account == self.account_id:
            self._create_default_encryption_key()
        known = keys.alias_exists(alias) if alias.startswith("alias/") else keys.get_key_id(kms_key_id) in keys.keys
        return keys.describe_key(kms_key_id) if known else None

    def delete_snapshot(self, snapshot_id: str) -> Snapshot:
        """Delete a snapshot, and the blocks that no other one has."""
        snapshot = super().delete_snapshot(snapshot_id)
        if self.service.store.snapshot(snapshot_id) is not None:
            self.service.store.delete_snapshot(snapshot_id)
        return snapshot

    def modify_snapshot_tier(self, snapshot_id: str, storage_tier: str) -> Snapshot:
        """Archive a snapshot: the EBS direct APIs do not read it any more."""
        snapshot = super().modify_snapshot_tier(snapshot_id, storage_tier)
        self.service.store.amend(snapshot_id, archived=True)
        return snapshot

    def restore_snapshot_tier(self, snapshot_id: str, *arguments: Any, **options: Any) -> Snapshot:
        """Take a snapshot out of the archive."""
        snapshot = super().restore_snapshot_tier(snapshot_id, *arguments, **options)
        self.service.store.amend(snapshot_id, archived=False)
        return snapshot

    def add_create_volume_permission(self, snapshot_id: str, *arguments: Any, **options: Any) -> None:
        """Share a snapshot; what is encrypted under AWS's own key cannot be."""
        record = self.service.store.snapshot(snapshot_id)
        if record is not None and record.encrypted and record.kms_key_id == self._create_default_encryption_key():
            words = "Encrypted snapshots with EBS default key cannot be shared"
            raise EC2ClientError("OperationNotPermitted", words)
        super().add_create_volume_permission(snapshot_id, *arguments, **options)
        self._remember_sharing(snapshot_id)

    def remove_create_volume_permission(self, snapshot_id: str, *arguments: Any, **options: Any) -> None:
        """Share a snapshot no longer."""
        super().remove_create_volume_permission(snapshot_id, *arguments, **options)
        self._remember_sharing(snapshot_id)

    def _remember_sharing(self, snapshot_id: str) -> None:
        shared_with = self.get_snapshot(snapshot_id).create_volume_permission_userids
        self.service.store.amend(snapshot_id, shared_with=shared_with)

    def usable_snapshot(self, snapshot_id: str | None) -> SnapshotRecord | None:
        """The snapshot that a volume or a copy is made from; None where none is named or moto will refuse it."""
        record = self.service.store.snapshot(snapshot_id) if snapshot_id else None
        if record is not None and self.service.store.state(record) != "completed":
            raise EC2ClientError("IncorrectState", f"Snapshot is in invalid state - {self.service.store.state(record)}")
        return record

    # ---------------------------------------------------------------------------------------------------------- tags

    def create_tags(self, resource_ids: list[str], tags: dict[str, str]) -> bool:
        """Tag resources."""
        done = bool(super().create_tags(resource_ids, tags))
        self._remember_tags(resource_ids)
        return done

    def delete_tags(self, resource_ids: list[str], tags: dict[str, str]) -> bool:
        """Remove tags of resources."""
        done = bool(super().delete_tags(resource_ids, tags))
        self._remember_tags(resource_ids)
        return done

    def delete_tag_keys(self, resource_ids: list[str], tag_keys: list[str]) -> bool:
        """Remove tags of resources by their keys."""
        done = bool(super().delete_tag_keys(resource_ids, tag_keys))
        self._remember_tags(resource_ids)
        return done

    def _remember_tags(self, resource_ids: Iterable[str]) -> None:
        for resource_id in resource_ids:
            self.service.store.retag(resource_id, self.tags.get(resource_id, {}))


# moto finds the URLs of a backend next to the module that its class says it is from.
LabEC2Backend.__module__ = "moto.ec2.models"


def install(service: BlockService) -> None:
    """From now on, moto builds its EC2 with `service` behind it. To be called before EC2 is first used."""
    LabEC2Backend.service = service
    ec2_backends.clear()
    ec2_backends.backend = LabEC2Backend


def show_snapshot(record: SnapshotRecord) -> None:
    """Make a snapshot of the store known to EC2 in its account and region."""
    backend = ec2_backends[record.account][record.region]
    if isinstance(backend, LabEC2Backend) and record.id not in backend.snapshots:
        backend.adopt(record)


def key_of_new(account: str, region: str, encrypted: bool) -> str | None:
    """The ARN of the key of a new snapshot for which none is named; None where it is not to be encrypted."""
    backend = ec2_backends[account][region]
    asked = encrypted or backend.get_ebs_encryption_by_default()
    return backend.default_key() if asked and isinstance(backend, LabEC2Backend) else None


def moto_time(seconds: float) -> datetime:
    """moto's times have no zone and mean UTC."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
