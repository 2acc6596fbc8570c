"""What a backup warns of though it succeeded: nothing to read, and a point of tomorrow."""

import io
from typing import ClassVar

import pytest

from holdfast.repository.format.manifest import Manifest
from holdfast.repository.progress import Silence
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.writing.backup import BackupOrder, backup_stream, backup_volume
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume
from holdfast.testing.small_repository import make_small_repository


@pytest.fixture
def small():
    return make_small_repository(MemoryStore(), deterministic_surroundings(1))


def of_volume(repository, workload="w"):
    return backup_volume(repository, MemorySource(MemoryVolume(1 << 20, {}), "s"), BackupOrder(workload), Silence())


def of_stream(repository, data):
    return backup_stream(repository, io.BytesIO(data), BackupOrder("w"), Silence())


def test_empty_stream_is_a_warning(small):
    repository = small.open(deterministic_surroundings(2))
    assert of_stream(repository, b"x").warnings == ()
    [warning] = of_stream(repository, b"").warnings
    assert "empty" in warning


def test_point_that_is_yet_to_come_is_a_warning_for_its_workload_alone(small):
    """Each seed has its day: the clock of the first backup is a week ahead."""
    ahead = of_volume(small.open(deterministic_surroundings(9))).finished.manifest

    def warned(report):
        return [warning for warning in report.warnings if f"a restore point of {ahead.created}" in warning]

    for day, made in enumerate((of_volume, lambda repository: of_stream(repository, b"x")), start=2):
        [warning] = warned(made(small.open(deterministic_surroundings(day))))
        assert "latest:w" in warning
    assert warned(of_volume(small.open(deterministic_surroundings(4)), "other")) == []
    assert warned(of_volume(small.open(deterministic_surroundings(10)))) == []


def test_backup_that_began_later_and_was_done_before_is_nothing_to_warn_of(small):
    surroundings = deterministic_surroundings(2)

    class Watched(MemorySource):
        """Another backup of the workload begins and ends when this one is read."""

        others: ClassVar[list[Manifest]] = []

        def read(self, blocks):
            self.others.append(of_volume(small.open(surroundings)).finished.manifest)
            return super().read(blocks)

    source = Watched(MemoryVolume(1 << 20, {}), "s")
    report = backup_volume(small.open(surroundings), source, BackupOrder("w"), Silence())
    [other] = source.others
    assert other.created > report.finished.manifest.created
    assert report.warnings == ()
