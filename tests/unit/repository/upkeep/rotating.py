"""A small repository whose key is rotated, and what befalls who does it: death, a wrong answer, others at work."""

import dataclasses

from holdfast.domain.errors import ObjectNotFoundError
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


class Answering(PassingStore):
    """What GET of names that begin so comes to is made of what is there by `answer`, so many times; `wrong` counts."""

    def __init__(self, inner, prefix, answer, times=1):
        super().__init__(inner)
        self._prefix, self._answer, self._times, self.wrong = prefix, answer, times, 0

    def get(self, key, offset=0, length=None, version=None):
        data = super().get(key, offset, length, version)
        if not key.startswith(self._prefix) or self.wrong == self._times:
            return data
        self.wrong += 1
        return self._answer(key, bytes(data))


def torn(_key, data):
    return data[: len(data) // 2]


def unseen(key, _data):
    raise ObjectNotFoundError(key)


class Meanwhile(PassingStore):
    """Just before a ledger batch is written something happens, so many times; `left` of them are to come."""

    def __init__(self, inner, act, times=1):
        super().__init__(inner)
        self._act, self.left = act, times

    def create(self, key, body, sha256, terms=ORDINARY):
        if key.startswith(names.LEDGER) and self.left:
            self.left -= 1
            self._act()
        super().create(key, body, sha256, terms)
