"""A repository and what one does with it, opened anew each time: back up a file, restore a point to a file."""

import filecmp
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from holdfast.images.changed_blocks import parse_changed_blocks
from holdfast.images.file_source import FileSource
from holdfast.images.file_target import FileTarget
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.sessions.points import find_point
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.writing.backup import BackupOrder, BackupReport, backup_volume
from holdfast.testing.small_repository import SmallRepository

SYSTEM_PATH = os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin"


@dataclass
class Cabinet:
    small: SmallRepository
    surroundings: Surroundings
    folder: Path
    restored: int = field(default=0)

    def back_up(
        self, path: Path, workload: str = "disk", changed: Iterable[str] | None = None, parent: str | None = None
    ) -> BackupReport:
        """Back up a file; `changed` are lines of a changed-block list."""
        source = FileSource(path)
        try:
            return backup_volume(
                self.small.open(self.surroundings),
                source,
                BackupOrder(workload, parent=parent),
                Silence(),
                None if changed is None else lambda size_bytes: parse_changed_blocks(changed, size_bytes),
            )
        finally:
            source.close()

    def restore(self, report: BackupReport) -> Path:
        """The point of that report, in a new file."""
        self.restored += 1
        path = self.folder / f"restored-{self.restored}"
        repository = self.small.open(self.surroundings)
        point = find_point(repository, report.finished.manifest.session.hex(), "default")
        restore_volume(repository, point, FileTarget(path, force=False), Silence())
        return path

    def assert_comes_back(self, report: BackupReport, path: Path) -> Path:
        """The point restored is the same file, size and bytes."""
        restored = self.restore(report)
        assert restored.stat().st_size == path.stat().st_size
        assert filecmp.cmp(restored, path, shallow=False)
        return restored

    def assert_sound(self) -> None:
        """A check that reads everything finds nothing."""
        assert check_repository(self.small.open(self.surroundings), 100, Silence()).damage == ()


def system_tool(*command: str, accepted: tuple[int, ...] = (0,)) -> str:
    """Run a program of the operating system and give what it said; the test is skipped where it is not installed."""
    found = shutil.which(command[0], path=SYSTEM_PATH)
    if found is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run([found, *command[1:]], capture_output=True, text=True, check=False)
    assert done.returncode in accepted, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
