"""The port `Compute`: what backups need of EC2 in one account and region."""

from collections.abc import Iterator, Mapping

from holdfast.appliance.ports.cloud import DefaultEncryption, DescribedSnapshot, Ownership
from holdfast.aws.clients import PatientClient
from holdfast.aws.ec2 import snapshots
from holdfast.aws.ec2.configuration import read_configuration
from holdfast.aws.ec2.default_encryption import read_default_encryption
from holdfast.aws.ec2.discovery import find_instances
from holdfast.aws.ec2.snapshot_copies import copy_snapshots
from holdfast.aws.written_down import Book
from holdfast.domain.workload import FoundInstance, InstanceConfiguration
from holdfast.patience import REAL_WAITING, Waiting


class Ec2Compute:
    """Fits `holdfast.appliance.ports.cloud.Compute`, which says what each method promises."""

    def __init__(self, ec2: PatientClient, book: Book, account_id: str, waiting: Waiting = REAL_WAITING) -> None:
        self._ec2 = ec2
        self._book = book
        self._account_id = account_id
        self._waiting = waiting

    def instances(self) -> Iterator[FoundInstance]:
        """Every instance that is not terminated."""
        return find_instances(self._ec2)

    def configuration(self, instance_id: str) -> InstanceConfiguration:
        """How an instance is made up now."""
        return read_configuration(self._ec2, instance_id, self._account_id)

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
        """Volume id -> snapshot id, all of one moment."""
        return snapshots.create_snapshots(
            self._ec2, self._book, owner, instance_id, volume_ids, tags, description, copy_tags=copy_tags
        )

    def snapshots_percent(self, snapshot_ids: tuple[str, ...]) -> int:
        """How far they are together."""
        return snapshots.snapshots_percent(self._ec2, snapshot_ids)

    def default_encryption(self) -> DefaultEncryption:
        """What EBS does where nobody names a key."""
        return read_default_encryption(self._ec2)

    def foreign_snapshots(self, owner: Ownership, snapshot_ids: tuple[str, ...]) -> tuple[str, ...]:
        """Those of them that were not made here for `owner`."""
        return snapshots.foreign_snapshots(self._ec2, self._waiting, owner, snapshot_ids)

    def share_snapshots(self, snapshot_ids: tuple[str, ...], account_id: str) -> None:
        """Let another account read them."""
        snapshots.share_snapshots(self._ec2, snapshot_ids, account_id)

    def copy_snapshots(
        self,
        owner: Ownership,
        sources: Mapping[str, str],
        source_region: str,
        tags: Mapping[str, Mapping[str, str]],
        description: str,
        kms_key_id: str | None,
    ) -> dict[str, str]:
        """Copies of these in this account and region, by volume id."""
        return copy_snapshots(self._ec2, self._book, owner, sources, source_region, tags, description, kms_key_id)

    def tag_snapshots(self, snapshot_ids: tuple[str, ...], tags: Mapping[str, str]) -> None:
        """Give them these tags, too."""
        snapshots.tag_snapshots(self._ec2, snapshot_ids, tags)

    def described_snapshots(self) -> Iterator[DescribedSnapshot]:
        """Those that say of which restore point they are."""
        return snapshots.described_snapshots(self._ec2)

    def delete_snapshots(self, snapshot_ids: tuple[str, ...]) -> None:
        """Delete them."""
        snapshots.delete_snapshots(self._ec2, self._book, snapshot_ids)
