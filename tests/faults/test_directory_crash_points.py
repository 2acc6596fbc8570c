"""A directory at the moments that only a directory has: half a file in `incoming/`, a file that has two names.

For every object that an operation creates: the process dies with a part of it written, with all of it written and no
name yet, or with both names. What is left never shows, and a day later it is gone.
"""

import os
import secrets
import tempfile
import time
from enum import Enum
from pathlib import Path

import pytest

from holdfast.repository.object_store import ORDINARY
from holdfast.repository.stores.directory import LEFTOVER_AGE_SECONDS, DirectoryStore
from holdfast.repository.stores.object_keys import INCOMING_FOLDER
from holdfast.testing.faulty_store import FaultyStore, Request, SimulatedCrash
from holdfast.testing.small_repository import copy_to, put
from tests.faults.operations import Attempt, run
from tests.faults.test_crash_points import attempted, inspect, inspect_again
from tests.faults.world import world

MEMORY_FOLDER = Path("/dev/shm")
WRITERS = ("changed blocks", "stream", "delete", "restore")


class Death(Enum):
    """How far the write had come."""

    EMPTY = "the file is made and empty"
    TORN = "half of it is written"
    NAMELESS = "all is written, the name is not there yet"
    TWO_NAMES = "the object stands, the unfinished file's name is not removed"


class DyingStore(FaultyStore):
    """Over a DirectoryStore: the process dies in the middle of its create number `number`."""

    def __init__(self, root: Path, number: int, death: Death) -> None:
        super().__init__(DirectoryStore(root), {})
        self._root = root
        self._number = number
        self._death = death

    def create(self, key, body, sha256, terms=ORDINARY):
        request, _fault = self._arrive("create", key)
        if request.number != self._number:
            self._inner.create(key, body, sha256, terms)
            return
        unfinished = self._root / INCOMING_FOLDER / secrets.token_hex(16)
        unfinished.parent.mkdir(exist_ok=True)
        written = {Death.EMPTY: 0, Death.TORN: len(body) // 2}.get(self._death, len(body))
        unfinished.write_bytes(bytes(body[:written]))
        if self._death is Death.TWO_NAMES:
            (self._root / key).parent.mkdir(parents=True, exist_ok=True)
            os.link(unfinished, self._root / key)
        self._dead = True
        raise SimulatedCrash


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None) as name:
        yield Path(name)


def creates(name: str) -> list[Request]:
    world_ = world(with_plan=False)
    store = FaultyStore(world_.small.copied().store, {})
    run(name, store, world_, 7, Attempt())
    return [request for request in store.requests if request.kind == "create"]


@pytest.mark.parametrize("death", Death)
@pytest.mark.parametrize("name", WRITERS)
def test_a_writer_dies_in_the_middle_of_a_file(name, death, folder, count_crash_point):
    world_ = world(with_plan=False)
    for request in creates(name):
        root = folder / str(request.number)
        copy_to(DirectoryStore(root), world_.small.store)
        attempt, succeeded = attempted(name, DyingStore(root, request.number, death), world_, 7)
        try:
            assert not succeeded
            store = DirectoryStore(root)
            inspect(store, world_, attempt, succeeded=False)
            inspect_again(name, store, world_, 8, attempt)
            assert len(list((root / INCOMING_FOLDER).iterdir())) == 1
            later = DirectoryStore(root, clock=lambda: time.time() + LEFTOVER_AGE_SECONDS + 60)
            put(later, "sessions/probe", b"")
            assert list((root / INCOMING_FOLDER).iterdir()) == []
            inspect_again(name, store, world_, 9, attempt)
        except BaseException as error:
            error.add_note(f"{name}: {death.name} at {request}")
            raise
        count_crash_point()
