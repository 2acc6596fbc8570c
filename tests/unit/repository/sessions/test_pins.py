"""Who cannot hold on to what is read reads all the same, and is told what that means."""

import pytest

from holdfast.domain.errors import IntegrityError, OutOfSpaceError, PermissionDeniedError
from holdfast.repository.object_store import ORDINARY
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.pins import pinned
from holdfast.repository.stores.memory import MemoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore
from holdfast.testing.small_repository import make_small_repository


class Listener(Silence):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.mark.parametrize(
    ("refused", "note"),
    [
        (OutOfSpaceError, "the repository's place is full; do not collect garbage meanwhile"),
        (PermissionDeniedError, "this key may only read; do not collect garbage meanwhile"),
        (IntegrityError, "the ledger is damaged; run `holdfast repository check`"),
    ],
)
def test_who_cannot_pin_is_told(refused, note):
    class Refusing(FaultyStore):
        def create(self, key, body, sha256, terms=ORDINARY):
            raise refused("no", why="planned", cure="none")

    small = make_small_repository(MemoryStore(), deterministic_surroundings(1))
    repository = small.open(deterministic_surroundings(2), Refusing(small.store, {}))
    listener = Listener()
    with pinned(repository, [], listener) as progress:
        assert progress is listener
    assert listener.notes == [f"reading without a pin: {note}"]
