"""A small repository whose key is rotated, and a party that dies at it."""

import dataclasses

from holdfast.repository.format import names
from holdfast.repository.object_store import ORDINARY
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.stores.passing import PassingStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import SimulatedCrash
from holdfast.testing.small_repository import make_small_repository
from tests.faults.world import DISK, FIRST, back_up


def small_with_a_point():
    small = make_small_repository(MemoryStore(), deterministic_surroundings(1), 400)
    back_up(open_(small), DISK, FIRST, "s1")
    return small


def open_(small, seed=50, secret=None):
    if secret is not None:
        small = dataclasses.replace(small, secret=secret)
    return small.open(deterministic_surroundings(seed))


class Dying(PassingStore):
    """Whoever writes such a name, as a rule that of a key epoch, dies with it: just before, or when it stands."""

    def __init__(self, inner, prefix=names.EPOCHS, *, before):
        super().__init__(inner)
        self._prefix, self._before = prefix, before

    def create(self, key, body, sha256, terms=ORDINARY):
        is_last = key.startswith(self._prefix)
        if is_last and self._before:
            raise SimulatedCrash
        super().create(key, body, sha256, terms)
        if is_last:
            raise SimulatedCrash
