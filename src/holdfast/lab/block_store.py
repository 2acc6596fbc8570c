"""The disk behind the lab's volumes and snapshots: sparse files, blocks by content, and a map for each snapshot.

Everything lies in one folder and survives the process: a lab that is started on it again has the same volumes and
snapshots under the same ids. Rules of AWS are not here (`ebs_direct.py`, `ec2_volumes.py`); data goes when the last
snapshot that refers to it goes.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from holdfast.lab.blobs import Blobs, digest_of
from holdfast.lab.block_map import BlockMap, overlaid, write_map
from holdfast.lab.open_snapshot import OpenSnapshot
from holdfast.lab.records import RecordFolder, SnapshotRecord, VolumeRecord
from holdfast.lab.volume_files import VolumeFiles


class NotOpenError(Exception):
    """Blocks can be put into a snapshot only between its start and its completion."""


class BlockStore:
    """Volumes, snapshots and their blocks in `folder`; `now` tells the lab's time in seconds. Safe for threads."""

    def __init__(self, folder: Path, now: Callable[[], float]) -> None:
        self._now = now
        self._blobs = Blobs(folder / "blobs")
        self._files = VolumeFiles(folder / "volumes")
        self._maps = folder / "maps"
        self._maps.mkdir(parents=True, exist_ok=True)
        self._volumes = RecordFolder(folder / "volume-records", VolumeRecord)
        self._snapshots = RecordFolder(folder / "snapshot-records", SnapshotRecord)
        self._open: dict[str, OpenSnapshot] = {}
        self._loaded: dict[str, BlockMap] = {}
        self._held: list[BlockMap] = []
        self._lock = threading.RLock()
        self._recover()

    # ------------------------------------------------------------------------------------------------------- volumes

    def volumes(self, account: str, region: str) -> list[VolumeRecord]:
        """All volumes of an account in a region, oldest first."""
        found = [v for v in list(self._volumes.records.values()) if (v.account, v.region) == (account, region)]
        return sorted(found, key=lambda volume: volume.created_at)

    def volume(self, volume_id: str) -> VolumeRecord | None:
        """The volume, or None."""
        return self._volumes.records.get(volume_id)

    def volume_path(self, volume_id: str) -> Path:
        """The raw file that holds the volume's content."""
        return self._files.path(volume_id)

    def create_volume(self, record: VolumeRecord) -> None:
        """Make the volume, with the blocks of its snapshot where it names one."""
        if record.snapshot_id is None:
            self._files.create(record.id, record.size_gib, ())
        else:
            with self._holding(record.snapshot_id) as blocks:
                content = ((number, self._blobs.read(digest)) for number, digest in blocks.entries())
                self._files.create(record.id, record.size_gib, content)
        with self._lock:
            self._volumes.save(record)

    def grow_volume(self, volume_id: str, size_gib: int) -> None:
        """Make the volume larger."""
        self._files.grow(volume_id, size_gib)
        with self._lock:
            self._volumes.save(replace(self._volumes.records[volume_id], size_gib=size_gib))

    def delete_volume(self, volume_id: str) -> None:
        """Remove the volume and its file; its snapshots stay."""
        with self._lock:
            self._volumes.forget(volume_id)
        self._files.delete(volume_id)

    # ----------------------------------------------------------------------------------------------------- snapshots

    def snapshots(self, account: str, region: str) -> list[SnapshotRecord]:
        """All snapshots of an account in a region, oldest first."""
        found = [s for s in list(self._snapshots.records.values()) if (s.account, s.region) == (account, region)]
        return sorted(found, key=lambda snapshot: snapshot.started_at)

    def shared_snapshots(self, account: str, region: str) -> list[SnapshotRecord]:
        """All snapshots in a region that others share with an account."""
        return [s for s in list(self._snapshots.records.values()) if s.region == region and account in s.shared_with]

    def snapshot(self, snapshot_id: str) -> SnapshotRecord | None:
        """The snapshot, or None."""
        return self._snapshots.records.get(snapshot_id)

    def state(self, record: SnapshotRecord) -> str:
        """`pending`, `completed` or `error`, as DescribeSnapshots says it."""
        if record.completed_at is not None:
            ended = "error" if record.failure else "completed"
            return ended if self._now() >= record.completed_at else "pending"
        opened = self._open.get(record.id)
        return "error" if opened and self._now() > opened.written_at + record.timeout_seconds else "pending"

    def blocks(self, snapshot_id: str) -> BlockMap:
        """The block map of a snapshot that nobody writes to any more; KeyError where there is none."""
        with self._lock:
            if snapshot_id not in self._snapshots.records:
                raise KeyError(snapshot_id)
            if snapshot_id not in self._loaded:
                self._loaded[snapshot_id] = BlockMap(self._map_path(snapshot_id))
            return self._loaded[snapshot_id]

    def read(self, digest: bytes) -> bytes:
        """One block; FileNotFoundError where the last snapshot that had it is gone."""
        return self._blobs.read(digest)

    def capture(self, record: SnapshotRecord) -> None:
        """Make a snapshot of a volume as it is now; blocks of zeros are not kept."""
        opened = OpenSnapshot(None, None, self._now())
        with self._lock:
            self._open[record.id] = opened
        try:
            for number, data in self._files.blocks(record.volume_id):
                self._keep(record.id, number, digest_of(data), data)
            self._seal(record)
        except BaseException:
            with self._lock:
                self._open.pop(record.id, None)
                self._collect(set(opened.blocks.values()))
            raise

    def copy(self, source_id: str, record: SnapshotRecord) -> None:
        """Make a snapshot with the blocks of another."""
        with self._lock:
            os.link(self._map_path(source_id), self._map_path(record.id))
            self._snapshots.save(record)

    def start(self, record: SnapshotRecord) -> None:
        """Begin a snapshot that is written block by block, over the blocks of its parent where it names one."""
        with self._lock:
            base = None
            if record.parent_id is not None:
                # The child has its own name for the parent's map: the parent may be deleted meanwhile.
                base = self._base_path(record.id)
                os.link(self._map_path(record.parent_id), base)
            self._open[record.id] = OpenSnapshot(self._journal_path(record.id), base, self._now())
            self._snapshots.save(record)

    def put(self, snapshot_id: str, number: int, digest: bytes, data: bytes) -> None:
        """Write a block into a snapshot that was started; the last of several for one number counts."""
        self._keep(snapshot_id, number, digest, data)

    def written(self, snapshot_id: str) -> Mapping[int, bytes]:
        """Number and digest of every block put so far into a snapshot that was started (not those of its parent)."""
        opened = self._open.get(snapshot_id)
        if opened is None:
            raise NotOpenError(snapshot_id)
        return opened.blocks

    def open_count(self, account: str, region: str) -> int:
        """How many snapshots of an account in a region are started and not completed."""
        return sum(record.completed_at is None for record in self.snapshots(account, region))

    def complete(self, snapshot_id: str, completed_at: float) -> SnapshotRecord:
        """No more blocks will come; from `completed_at` on the snapshot can be read."""
        with self._lock:
            record = replace(self._snapshots.records[snapshot_id], completed_at=completed_at)
            self._seal(record)
            return record

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Remove the snapshot, and every block that no other one has."""
        with self._lock:
            opened = self._open.pop(snapshot_id, None)
            if opened is not None:
                candidates = set(opened.digests())
                opened.close()
            else:
                candidates = set(self.blocks(snapshot_id).digests())
            self._snapshots.forget(snapshot_id)
            self._loaded.pop(snapshot_id, None)
            for path in (self._map_path(snapshot_id), self._base_path(snapshot_id), self._journal_path(snapshot_id)):
                path.unlink(missing_ok=True)
            self._collect(candidates)

    def amend(
        self, snapshot_id: str, *, archived: bool | None = None, shared_with: Iterable[str] | None = None
    ) -> None:
        """Remember that a snapshot moved to another tier, or whom it is shared with."""
        with self._lock:
            record = self._snapshots.records[snapshot_id]
            if archived is not None:
                record = replace(record, archived=archived)
            if shared_with is not None:
                record = replace(record, shared_with=tuple(sorted(shared_with)))
            self._snapshots.save(record)

    def retag(self, resource_id: str, tags: Mapping[str, str]) -> None:
        """Remember the tags of a volume or snapshot; ids of anything else are ignored."""
        with self._lock:
            if volume := self._volumes.records.get(resource_id):
                self._volumes.save(replace(volume, tags=dict(tags)))
            if snapshot := self._snapshots.records.get(resource_id):
                self._snapshots.save(replace(snapshot, tags=dict(tags)))

    # ------------------------------------------------------------------------------------------------------ the disk

    def _map_path(self, snapshot_id: str) -> Path:
        return self._maps / f"{snapshot_id}.map"

    def _base_path(self, snapshot_id: str) -> Path:
        return self._maps / f"{snapshot_id}.base"

    def _journal_path(self, snapshot_id: str) -> Path:
        return self._maps / f"{snapshot_id}.journal"

    def _keep(self, snapshot_id: str, number: int, digest: bytes, data: bytes) -> None:
        self._blobs.write(digest, data)
        with self._lock:
            opened = self._open.get(snapshot_id)
            if opened is None:
                self._collect({digest})
                raise NotOpenError(snapshot_id)
            # Another snapshot's end may have swept the block between the two lines above; under the lock none can.
            self._blobs.write(digest, data)
            opened.add(number, digest, self._now())

    def _seal(self, record: SnapshotRecord) -> None:
        with self._lock:
            opened = self._open[record.id]
            write_map(self._map_path(record.id), overlaid(opened.base_entries(), opened.blocks))
            self._snapshots.save(record)
            del self._open[record.id]
            opened.close()
            self._base_path(record.id).unlink(missing_ok=True)
            self._journal_path(record.id).unlink(missing_ok=True)

    @contextmanager
    def _holding(self, snapshot_id: str) -> Iterator[BlockMap]:
        """The snapshot's map, none of whose blocks goes before the end, even if the snapshot does."""
        with self._lock:
            held = self.blocks(snapshot_id)
            self._held.append(held)
        try:
            yield held
        finally:
            with self._lock:
                self._held.remove(held)
                if snapshot_id not in self._snapshots.records:
                    self._collect(set(held.digests()))

    def _collect(self, candidates: set[bytes]) -> None:
        """Remove those of the candidates that nothing refers to."""
        sealed = (self.blocks(record.id) for record in self._snapshots.records.values() if record.id not in self._open)
        for blocks in (*self._held, *sealed):
            candidates.difference_update(blocks.digests())
        for opened in self._open.values():
            candidates.difference_update(opened.digests())
        self._blobs.remove(candidates)

    def _recover(self) -> None:
        """Take up what an earlier lab left in the folder, and clear away what it did not finish."""
        for record in list(self._snapshots.records.values()):
            if record.completed_at is None:
                base = self._base_path(record.id)
                self._open[record.id] = OpenSnapshot(
                    self._journal_path(record.id), base if base.exists() else None, self._now()
                )
            elif not self._map_path(record.id).exists():
                self._snapshots.forget(record.id)
        for path in self._maps.iterdir():
            if path.stem not in self._snapshots.records:
                path.unlink()
        for volume_id in [v for v in self._volumes.records if not self.volume_path(v).exists()]:
            self._volumes.forget(volume_id)
        for path in self._files.stray(self._volumes.records):
            path.unlink()
        self._collect(set(self._blobs.stored()))
