"""Under which keys a worker encrypts the snapshots from which volumes are made.

It writes them in the appliance's own account, whose default therefore counts: the volumes may be another account's.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from holdfast.appliance.ports.cloud import DefaultEncryption, VolumeOrder

# All that StartSnapshot takes, and that a policy of IAM can name (EBS API reference, KmsKeyArn).
_KEY_ARN = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True)
class SnapshotEncryption:
    """Of one snapshot: `key` is None where it is not encrypted, or under AWS's own key. `by_default`: nobody has named
    the key for this volume.
    """

    encrypted: bool
    key: str | None
    by_default: bool

    def words(self) -> dict[str, str | bool]:
        """What the worker is told."""
        if self.key is not None:
            return {"encrypted": True, "kms_key_arn": self.key}
        return {"encrypted": True} if self.encrypted else {}


def encryption_of(volume: VolumeOrder, default: DefaultEncryption) -> SnapshotEncryption:
    """As the volume that is made of the snapshot will be: no block of an encrypted one lies anywhere in clear. The
    default key is named like any other, so that what is written is what the worker was allowed.
    """
    if volume.kms_key_id is not None:
        return SnapshotEncryption(encrypted=True, key=volume.kms_key_id, by_default=False)
    encrypted = volume.encrypted or default.always
    return SnapshotEncryption(encrypted, default.key if encrypted else None, by_default=True)


def key_problems(snapshots: Mapping[str, SnapshotEncryption], account: str, *, is_own_account: bool) -> Iterator[str]:
    """What keeps a worker from encrypting its snapshots, which are by device, or `account` from using them."""
    for key in sorted({one.key for one in snapshots.values() if one.key and not _KEY_ARN.fullmatch(one.key)}):
        yield f"KMS key {key} must be named by its ARN, arn:aws:kms:REGION:ACCOUNT:key/…: a worker writes under it"
    if is_own_account:
        return
    for device, one in snapshots.items():
        if one.encrypted and one.key is None:
            yield f"{device} would be encrypted under AWS's own key, which account {account} cannot use: name a KMS key"


def key_warnings(snapshots: Mapping[str, SnapshotEncryption], account: str, *, is_own_account: bool) -> Iterator[str]:
    """Keys that nobody has named and that another account needs."""
    keys = {one.key for one in snapshots.values() if one.by_default and one.key}
    for key in () if is_own_account else sorted(keys):
        yield f"on its way all is encrypted under {key}, the default of the appliance: let account {account} use it"
