"""What a worker is given to do (section 16): keys, places and orders, sealed as one scratch object.

A backup task holds the tenant's id, index and map keys and ONE session's data key: it names and finds chunks, and opens
no data but its own. A restore task holds the data keys of exactly the sessions whose packs its volumes need, a verify
task those of the packs that it names. A copy is a backup task with a restore task's keys to another repository.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import PermissionDeniedError
from holdfast.repository.crypto.keys import EpochKeys, KeyRing
from holdfast.repository.delegation.facts import Facts
from holdfast.repository.format.epoch import FIRST_EPOCH
from holdfast.repository.format.manifest import VolumeMap
from holdfast.repository.format.origin import Backup
from holdfast.repository.format.places import PackRow
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.trust.lock_terms import locking_from
from holdfast.repository.trust.locking_store import LockingStore
from holdfast.repository.trust.named_versions import NamedVersions
from holdfast.repository.writing.terms import WritingTerms

VOLUMES_LIMIT = 1024


@dataclass(frozen=True, slots=True, repr=False)
class TenantPart:
    """Whose data it is, and the keys that every worker of the tenant's holds: ids, places and maps, no data."""

    repository: bytes
    suite: int
    kid: int
    tenant: bytes
    id_key: bytes
    epochs: Mapping[int, EpochKeys]

    @classmethod
    def of(cls, ring: KeyRing) -> "TenantPart":
        """All of a ring but its data keys; of key epochs, that under which it writes and those before it."""
        epochs = {kid: ring.epoch(kid) for kid in range(FIRST_EPOCH, ring.kid + 1)}
        return cls(ring.repository, ring.suite, ring.kid, ring.tenant, ring.id_key, epochs)

    def access(
        self,
        store: ObjectStore,
        surroundings: Surroundings,
        data_keys: Mapping[bytes, bytes],
        index_runs: tuple[str, ...],
        pack_size_bytes: int = 0,
        archive_class: ArchiveClass | None = None,
        versions: Mapping[str, tuple[str, ...]] | None = None,
    ) -> TenantAccess:
        """The way to the tenant's data with these data keys and no others; `versions` as tasks name them."""
        if versions:
            store = NamedVersions(store, versions)
        ring = KeyRing(
            repository=self.repository,
            suite=self.suite,
            kid=self.kid,
            tenant=self.tenant,
            id_key=self.id_key,
            epoch=self._epoch,
            data_key=partial(_held, dict(data_keys)),
        )
        return TenantAccess(store, surroundings, ring, pack_size_bytes, lambda: index_runs, archive_class)

    def _epoch(self, kid: int) -> EpochKeys:
        try:
            return self.epochs[kid]
        except KeyError as error:
            raise PermissionDeniedError(
                f"the keys of key epoch {kid} are not held here",
                why=f"the task holds those up to epoch {self.kid}",
                cure="prepare the task again: a newer epoch has begun since",
            ) from error


def _held(data_keys: Mapping[bytes, bytes], _kid: int, session: bytes) -> bytes | None:
    """All packs of a session are of one epoch (section 3)."""
    return data_keys.get(session)


@dataclass(frozen=True, slots=True)
class VolumeOrder:
    """A volume to back up: `source` says what to read, e.g. {"kind": "ebs", "snapshot": "snap-...", "region": "..."};
    `parent` is its map in the earlier point, whose `source` facts say since when changes are asked for. With
    `size_bytes` a source of another size is refused.
    """

    name: str
    source: Facts
    parent: VolumeMap | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class VolumeToCopy:
    """A volume of the point that is copied, and the earlier one of the same repository whose copy is its parent."""

    volume: VolumeMap
    earlier: VolumeMap | None


@dataclass(frozen=True, slots=True, repr=False)
class CopySource:
    """Where the volumes of a copy are read, in the task's order: the restore point `point`, which is the `backup` or a
    copy of it, of the repository at `location`. `reader` is the id under which it is pinned there, `scratch_key` its
    SS: a sign of life is left with it, and nothing else. `earlier_stands`: the earlier volumes' point is a point still.
    `versions` as of a restore.
    """

    location: str
    owner: TenantPart
    point: bytes
    backup: Backup
    reader: bytes
    scratch_key: bytes
    data_keys: Mapping[bytes, bytes]
    index_runs: tuple[str, ...]
    volumes: tuple[VolumeToCopy, ...]
    earlier_stands: bool
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def access(self, store: ObjectStore, surroundings: Surroundings) -> TenantAccess:
        """What this worker may open there."""
        return self.owner.access(store, surroundings, self.data_keys, self.index_runs, versions=self.versions)


@dataclass(frozen=True, slots=True, repr=False)
class BackupTask:
    """A session's writing, done by a worker. `data_key` is SD of that session. `further_runs`: index runs that say
    where nodes of the parent's map lie now, and are not built upon. `limits` are for who reads the source. `locked`:
    whether packs are locked, until a generation after `keep_until` where the point has a promise. `archive_class`:
    where data packs go, in an archive. `copied_from`: of a copy, what its volumes are read from.

    `proof` is the appliance's mark that it made the task: a worker can write scratch objects, but none that bear it.
    """

    owner: TenantPart
    session: bytes
    attempt: int
    data_key: bytes
    pack_size_bytes: int
    workload: str
    terms: WritingTerms
    volumes: tuple[VolumeOrder, ...]
    parent: bytes | None
    further_runs: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    proof: bytes = bytes(32)
    locked: bool = False
    keep_until: datetime | None = None
    archive_class: ArchiveClass | None = None
    copied_from: CopySource | None = None

    @property
    def reads_versions(self) -> bool:
        """Whether it needs the right to: in the repository that it copies from."""
        return self.copied_from is not None and bool(self.copied_from.versions)

    def access(self, store: ObjectStore, surroundings: Surroundings) -> TenantAccess:
        """What this worker may open and write; packs are locked where the task says so (rule 9.6)."""
        if self.locked:
            store = LockingStore(store, locking_from(surroundings.now, self.keep_until))
        runs = (*(offer.key for offer in self.terms.index_runs), *self.further_runs)
        data_keys = {self.session: self.data_key}
        return self.owner.access(store, surroundings, data_keys, runs, self.pack_size_bytes, self.archive_class)


@dataclass(frozen=True, slots=True)
class RestoreOrder:
    """A volume to restore, and where to: `target` e.g. {"kind": "ebs", "region": "...", "description": "..."}."""

    volume: VolumeMap
    target: Facts


@dataclass(frozen=True, slots=True, repr=False)
class RestoreTask:
    """Volumes of one point to be restored by a worker; `session` is the reader's own id, under which the point is
    pinned; `data_keys` are SD by session; `index_runs` say where chunks that moved lie now. `versions`: by key those of
    packs and index runs that others have hidden or put something over, the newest first. `archive_class`: where data
    packs may be cold.
    """

    owner: TenantPart
    session: bytes
    attempt: int
    data_keys: Mapping[bytes, bytes]
    index_runs: tuple[str, ...]
    volumes: tuple[RestoreOrder, ...]
    limits: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    archive_class: ArchiveClass | None = None
    proof: bytes = bytes(32)

    @property
    def reads_versions(self) -> bool:
        """Whether it needs the right to."""
        return bool(self.versions)

    def access(self, store: ObjectStore, surroundings: Surroundings) -> TenantAccess:
        """What this worker may open."""
        return self.owner.access(
            store,
            surroundings,
            self.data_keys,
            self.index_runs,
            archive_class=self.archive_class,
            versions=self.versions,
        )


@dataclass(frozen=True, slots=True)
class PackOrder:
    """A data pack to be read whole. Size and SHA-256, of the whole object, as its manifest recorded them: 0 and zeros
    where that is no more.
    """

    row: PackRow
    size_bytes: int = 0
    sha256: bytes = bytes(32)

    @property
    def recorded(self) -> bool:
        """Whether a manifest says what the pack must be."""
        return self.sha256 != bytes(32)


@dataclass(frozen=True, slots=True, repr=False)
class VerifyTask:
    """Packs of one point to be read by a worker; `session` is the reader's own id, under which the point is pinned;
    `data_keys` are SD by session; `versions`: of these packs, as of a restore.
    """

    owner: TenantPart
    session: bytes
    attempt: int
    data_keys: Mapping[bytes, bytes]
    packs: tuple[PackOrder, ...]
    limits: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    proof: bytes = bytes(32)

    @property
    def reads_versions(self) -> bool:
        """Whether it needs the right to."""
        return bool(self.versions)

    def access(self, store: ObjectStore, surroundings: Surroundings) -> TenantAccess:
        """What this worker may open."""
        return self.owner.access(store, surroundings, self.data_keys, (), versions=self.versions)


Task = BackupTask | RestoreTask | VerifyTask
