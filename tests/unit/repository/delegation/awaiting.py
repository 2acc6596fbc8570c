"""An honest result that waits to be accepted, and what a liar would make of it."""

import dataclasses
from typing import Any

from holdfast.repository.delegation.backup_side import PreparedBackup
from holdfast.repository.delegation.results import BackupResult
from holdfast.repository.format.manifest import Manifest, StoredPack, VolumeMap
from holdfast.repository.opening.repository import Repository


@dataclasses.dataclass
class Awaiting:
    """`result` is of the session of `prepared`; `parent` and `foreign` are points that stand already."""

    repository: Repository
    parent: Manifest
    foreign: Manifest
    prepared: PreparedBackup
    result: BackupResult

    @property
    def volume(self) -> VolumeMap:
        return self.result.volumes[0]

    def with_volume(self, **changes: Any) -> BackupResult:
        return dataclasses.replace(self.result, volumes=(dataclasses.replace(self.volume, **changes),))

    def with_packs(self, *packs: StoredPack) -> BackupResult:
        return dataclasses.replace(self.result, packs=packs)
