"""The documents of `holdfast image`: what came of a command, under the stable names of docs/cli.md."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.cli.losses import lost_bytes
from holdfast.cli.made_of import made_of, made_of_table
from holdfast.cli.quantities import human_size, short_time, to_the_minute
from holdfast.cli.tables import facts_table, listed_id, rows_table
from holdfast.domain.numerals import counted

if TYPE_CHECKING:
    from holdfast.repository.format.manifest import Manifest
    from holdfast.repository.format.origin import Backup
    from holdfast.repository.health.checking.verify import VerifyReport
    from holdfast.repository.reading.restore import RestoreReport
    from holdfast.repository.sessions.points import PointSummary
    from holdfast.repository.writing.backup import BackupReport

Document = dict[str, Any]

_STREAM_CUT = 1
_CHANGED_BLOCKS = "changed-blocks"


def backup(
    report: "BackupReport", requests: Mapping[str, int], duration_seconds: float, changed_blocks: Path | None
) -> Document:
    """Of `image backup`; `changed_blocks` is the list that was handed in, if one was."""
    finished, manifest = report.finished, report.finished.manifest
    return {
        "restore_point": manifest.session.hex(),
        "workload": manifest.workload,
        "kind": manifest.kind,
        "method": report.method.value,
        "parent": _hex(manifest.parent),
        "keep_until": manifest.keep_until,
        "trusted": _trusted(report, changed_blocks),
        "size_bytes": manifest.size_bytes,
        "changed_bytes": finished.counters.changed_bytes,
        "read_bytes": finished.counters.read_bytes,
        "resumed_bytes": finished.counters.resumed_bytes,
        "new_chunks": finished.counters.new_chunks,
        "new_bytes_plain": finished.counters.new_bytes_plain,
        "stored_bytes": finished.stored_bytes,
        "duration_seconds": round(duration_seconds, 3),
        "requests": dict(requests),
        "warnings": list(report.warnings),
    }


def restore(
    report: "RestoreReport",
    target: str,
    sha256: str | None,
    read_bytes: int,
    requests: Mapping[str, int],
    duration_seconds: float,
) -> Document:
    """Of `image restore`."""
    return {
        "restore_point": report.manifest.session.hex(),
        "workload": report.manifest.workload,
        "volume": report.volume.name,
        "target": target,
        "size_bytes": report.volume.size_bytes,
        "read_bytes": read_bytes,
        "requests": dict(requests),
        "duration_seconds": round(duration_seconds, 3),
        "sha256": sha256,
        "snapshot_id": report.facts.get("snapshot_id"),
        "lost_bytes": lost_bytes(report.lost),
        "lost": [dataclasses.asdict(one) for one in report.lost],
        "warnings": list(report.warnings),
    }


def point(summary: "PointSummary") -> Document:
    """One restore point of `image list`."""
    return {
        "restore_point": summary.id,
        "workload": summary.workload,
        "kind": summary.kind,
        "created": summary.created,
        "size_bytes": summary.size_bytes,
        "parent": _hex(summary.parent),
        "copy_of": _copy_of(summary.origin),
    }


def points_table(points: "list[PointSummary]") -> str:
    """Of `image list`, for people; the last column where there are copies."""
    columns = 7 if any(point.origin is not None for point in points) else 6
    return rows_table(
        ("RESTORE POINT", "WORKLOAD", "KIND", "CREATED", "SIZE", "PARENT", "COPY OF")[:columns],
        [
            (
                point.id,
                point.workload,
                point.kind,
                to_the_minute(point.created),
                human_size(point.size_bytes),
                _short(point.parent),
                _short(None if point.origin is None else point.origin.point),
            )[:columns]
            for point in points
        ],
        spare=("PARENT", "COPY OF")[: columns - 5],
    )


def manifest(found: "Manifest") -> Document:
    """Of `image show`."""
    return {
        "restore_point": found.session.hex(),
        "workload": found.workload,
        "kind": found.kind,
        "tenant": found.tenant,
        "created": found.created,
        "committed": found.committed,
        "parent": _hex(found.parent),
        "copy_of": None if found.origin is None else _copy_of(found.origin.backup),
        "copied_from": None if found.origin is None else found.origin.copied_from.hex(),
        "size_bytes": found.size_bytes,
        "stored_bytes": _stored_bytes(found),
        "writer": found.writer,
        "keep_until": found.keep_until,
        "volumes": [
            {
                "name": volume.name,
                "size_bytes": volume.size_bytes,
                "block_size_bytes": volume.block_size_bytes,
                "cut": "stream" if volume.cut == _STREAM_CUT else "fixed",
                "source": dict(volume.source),
            }
            for volume in found.volumes
        ],
        "packs": [
            {"pack": pack.pack.hex(), "holds": "maps" if pack.holds_maps else "data", "size_bytes": pack.size_bytes}
            for pack in found.packs
        ],
        "statistics": dict(found.statistics),
        "configuration": made_of(found),
    }


def manifest_table(found: "Manifest") -> str:
    """Of `image show`, for people."""
    facts = facts_table(
        {
            "restore point": found.session.hex(),
            "workload": found.workload,
            "kind": found.kind,
            "created": short_time(found.created),
            "committed": short_time(found.committed),
            "parent": _hex(found.parent),
            "copy of": None if found.origin is None else found.origin.backup.point.hex(),
            "copied from": None if found.origin is None else found.origin.copied_from.hex(),
            "size": human_size(found.size_bytes),
            "stored by it": f"{human_size(_stored_bytes(found))} in {counted(len(found.packs), 'pack')}",
            "written by": found.writer,
            **{name.replace("_", " "): _counted(name, value) for name, value in found.statistics.items()},
        }
    )
    volumes = rows_table(
        ("VOLUME", "SIZE", "SOURCE"),
        [
            (volume.name, human_size(volume.size_bytes), " ".join(f"{k}={v}" for k, v in volume.source.items()))
            for volume in found.volumes
        ],
    )
    packs = rows_table(
        ("PACK", "HOLDS", "SIZE"),
        [(pack.pack.hex(), "maps" if pack.holds_maps else "data", human_size(pack.size_bytes)) for pack in found.packs],
    )
    configuration = made_of(found)
    parts = [facts, volumes]
    if configuration is not None:
        parts.append(made_of_table(configuration))
    return "\n".join([*parts, packs] if found.packs else parts)


def verification(report: "VerifyReport", summary: "PointSummary", duration_seconds: float) -> Document:
    """Of `image verify`."""
    return {
        "restore_point": summary.id,
        "workload": summary.workload,
        "volumes": report.volumes,
        "size_bytes": report.size_bytes,
        "read_bytes": report.read_bytes,
        "duration_seconds": round(duration_seconds, 3),
        "warnings": list(report.warnings),
    }


def _trusted(report: "BackupReport", changed_blocks: Path | None) -> str | None:
    """Whose word was taken for blocks that were not read."""
    if report.method.value != _CHANGED_BLOCKS:
        return None
    words = "what EBS does not list as changed" if changed_blocks is None else f"what {changed_blocks} does not list"
    return f"{words} was taken from the parent unread"


def _stored_bytes(found: "Manifest") -> int:
    return sum(pack.size_bytes for pack in found.packs)


def _hex(identifier: bytes | None) -> str | None:
    return None if identifier is None else identifier.hex()


def _short(point: bytes | None) -> str | None:
    return None if point is None else listed_id(point.hex())


def _copy_of(backup: "Backup | None") -> dict[str, str] | None:
    """The backup that a copy is of."""
    return None if backup is None else {"repository": backup.repository.hex(), "restore_point": backup.point.hex()}


def _counted(name: str, value: int) -> str:
    return human_size(value) if "bytes" in name else str(value)
