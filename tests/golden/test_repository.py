"""The golden repository, made once by version 1 of the format: the product reads it for ever, and goes on from it."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from holdfast.domain.errors import NotFoundError, WrongKeyError
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.keys.slots import Secret
from holdfast.repository.object_store import Buffer
from holdfast.repository.opening.repository import DEFAULT_TENANT, Repository, open_repository
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.sessions.points import find_point, list_points
from holdfast.repository.stores.directory import DirectoryStore
from holdfast.repository.writing.backup import BackupOrder, backup_volume
from holdfast.repository.writing.parents import Method
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume
from tests.golden.make_repository import second_image

GOLDEN = Path(__file__).with_name("repositories") / "v1"
RECORD = json.loads(GOLDEN.with_suffix(".json").read_text())
LIVE = [point for point in RECORD["points"] if not point["retired"]]
RETIRED = [point for point in RECORD["points"] if point["retired"]]


class DigestTarget:
    """Takes bytes in order and keeps their SHA-256 alone."""

    sequential = True

    def begin(self, size_bytes: int) -> None:
        self.digest = hashlib.sha256()
        self.size_bytes = size_bytes

    def write(self, offset: int, data: Buffer) -> None:
        self.digest.update(data)

    def write_zeros(self, offset: int, length: int) -> None:
        for at in range(0, length, 2**20):
            self.digest.update(bytes(min(2**20, length - at)))

    def finish(self) -> Mapping[str, str]:
        return {}

    def abort(self) -> None:
        raise AssertionError("the restore was given up")


def opened(folder: Path, secret: str) -> Repository:
    surroundings = deterministic_surroundings(seed=1000)
    return open_repository(DirectoryStore(folder), Secret(text=secret.encode()), surroundings)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The repository where it may be written to: a restore sets a pin."""
    return Path(shutil.copytree(GOLDEN, tmp_path / "v1"))


@pytest.fixture
def repository(copied: Path) -> Repository:
    return opened(copied, RECORD["password"])


@pytest.mark.parametrize("point", LIVE, ids=lambda point: f"{point['workload']}-{point['id'][:4]}")
def test_point_is_restored_byte_for_byte(repository, point):
    target = DigestTarget()
    restore_volume(repository, find_point(repository, point["id"], DEFAULT_TENANT), target, Silence())
    assert (target.size_bytes, target.digest.hexdigest()) == (point["size"], point["sha256"])


def test_points_are_listed(repository):
    found = {(point.id, point.workload, point.kind, point.size_bytes) for point in list_points(repository)}
    assert found == {(point["id"], point["workload"], point["kind"], point["size"]) for point in LIVE}


@pytest.mark.parametrize("point", RETIRED, ids=lambda point: point["workload"])
def test_retired_point_is_not_found(repository, point):
    with pytest.raises(NotFoundError):
        find_point(repository, point["id"], DEFAULT_TENANT)


def test_recovery_code_opens_it(copied):
    assert opened(copied, RECORD["recovery_code"]).config.repository


def test_another_password_does_not_open_it(copied):
    with pytest.raises(WrongKeyError):
        opened(copied, "wrong horse")


def test_check_finds_nothing(repository):
    report = check_repository(repository, 100, Silence())
    assert report.damage == ()
    assert report.points == len(LIVE)


def test_backups_go_on_from_its_points(repository):
    before = second_image()
    blocks = dict(before.blocks)
    blocks[3] = b"\1" * len(before.block(3))
    source = MemorySource(MemoryVolume(before.size_bytes, blocks), "wednesday", {"tuesday": before})
    report = backup_volume(repository, source, BackupOrder("web"), Silence())
    assert report.method is Method.CHANGED_BLOCKS
    assert report.finished.counters.new_chunks == 1
