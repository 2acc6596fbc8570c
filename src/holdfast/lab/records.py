"""What the lab remembers of a volume and of a snapshot, and the folder of JSON documents it remembers them in."""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

# What DescribeSnapshots names as the volume of a snapshot that was written through the EBS direct APIs.
NO_VOLUME = "vol-ffffffff"


@dataclass(frozen=True, slots=True)
class VolumeRecord:
    """A volume; times are seconds since the epoch in the lab, `lineage` is the id of its first ancestor. One that
    `vanishes` is gone when it would be available.
    """

    id: str
    account: str
    region: str
    size_gib: int
    lineage: str
    created_at: float
    available_at: float
    zone: str
    volume_type: str
    iops: int | None = None
    throughput: int | None = None
    encrypted: bool = False
    kms_key_id: str | None = None
    multi_attach_enabled: bool | None = None
    snapshot_id: str | None = None
    vanishes: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    """A snapshot. `completed_at` is None while blocks may be put, and may lie in the future: pending until then; where
    there is a `failure` it is an error from then on.
    """

    id: str
    account: str
    region: str
    volume_id: str
    size_gib: int
    lineage: str
    started_at: float
    completed_at: float | None
    description: str = ""
    parent_id: str | None = None
    encrypted: bool = False
    kms_key_id: str | None = None
    archived: bool = False
    timeout_seconds: int = 3600
    shared_with: tuple[str, ...] = ()
    failure: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


Record = TypeVar("Record", VolumeRecord, SnapshotRecord)


class RecordFolder(Generic[Record]):
    """All records of one kind, each in its own document; they are read once, when the lab starts."""

    suffix: ClassVar[str] = ".json"

    def __init__(self, folder: Path, kind: type[Record]) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.records: dict[str, Record] = {}
        make: Callable[..., Record] = kind
        known = {f.name for f in dataclasses.fields(kind)}
        for path in sorted(folder.glob(f"*{self.suffix}")):
            document = json.loads(path.read_text())
            facts = {name: tuple(v) if isinstance(v, list) else v for name, v in document.items() if name in known}
            self.records[path.stem] = make(**facts)

    def save(self, record: Record) -> None:
        """Remember the record, in place of an earlier one with its id."""
        unfinished = self._folder / f"{record.id}.unfinished"
        unfinished.write_text(json.dumps(dataclasses.asdict(record), indent=1, sort_keys=True))
        os.replace(unfinished, self._folder / f"{record.id}{self.suffix}")
        self.records[record.id] = record

    def forget(self, record_id: str) -> None:
        """Drop the record; one that is gone already does not matter."""
        (self._folder / f"{record_id}{self.suffix}").unlink(missing_ok=True)
        self.records.pop(record_id, None)
