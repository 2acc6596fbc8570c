"""A process of its own for one operation on a huge sparse file; says at its end how much memory it had at most.

python -m tests.e2e.repository.huge_volume backup|restore REPOSITORY CODE FILE [CHANGED-LINE ...]
"""

import json
import re
import sys
from pathlib import Path

from holdfast.images.changed_blocks import parse_changed_blocks
from holdfast.images.file_source import FileSource
from holdfast.images.file_target import FileTarget
from holdfast.repository.keys.slots import Secret
from holdfast.repository.opening.repository import open_repository
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.sessions.points import find_point
from holdfast.repository.stores.directory import DirectoryStore
from holdfast.repository.writing.backup import BackupOrder, backup_volume
from holdfast.wiring.machine import machine_surroundings


def peak_bytes() -> int:
    """The most memory that this process has had (VmHWM, which unlike ru_maxrss knows nothing of who started it)."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


def main(verb: str, folder: str, code: str, file: str, *changed: str) -> None:
    said: dict[str, object] = {}
    with machine_surroundings() as surroundings:
        repository = open_repository(DirectoryStore(folder), Secret(text=code.encode()), surroundings)
        if verb == "backup":
            source = FileSource(Path(file))
            listed = (lambda size_bytes: parse_changed_blocks(changed, size_bytes)) if changed else None
            report = backup_volume(repository, source, BackupOrder("huge"), Silence(), listed)
            source.close()
            said["read_bytes"] = report.finished.counters.read_bytes
            said["stored_bytes"] = report.finished.stored_bytes
            said["map_bytes"] = sum(pack.size_bytes for pack in report.finished.manifest.packs if pack.holds_maps)
        else:
            point = find_point(repository, "latest:huge", "default")
            restore_volume(repository, point, FileTarget(Path(file), force=False), Silence())
    sys.stdout.write(json.dumps({**said, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
