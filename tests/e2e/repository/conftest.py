"""A directory repository as the command line has one: real files, real threads, real time."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.repository.stores.directory import DirectoryStore
from holdfast.testing.small_repository import make_small_repository
from holdfast.wiring.machine import machine_surroundings
from tests.e2e.repository.cabinet import Cabinet

MEMORY_FOLDER = Path("/dev/shm")


@pytest.fixture
def cabinet(tmp_path: Path) -> Iterator[Cabinet]:
    """The repository stands in memory where the machine has such a folder: flushing a disk proves nothing here."""
    place = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else tmp_path
    with tempfile.TemporaryDirectory(dir=place) as folder, machine_surroundings() as surroundings:
        small = make_small_repository(DirectoryStore(Path(folder) / "repository"), surroundings)
        yield Cabinet(small, surroundings, tmp_path)
