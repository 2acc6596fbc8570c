"""A check waits for several objects at once, and finds what it finds one by one."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from holdfast.repository.format import names
from holdfast.repository.format.map_node import FANOUT
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.packs.pack_directory import read_header
from holdfast.repository.progress import Silence
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.stores.passing import PassingStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import make_small_repository
from tests.faults.world import DISK, back_up, publish_plan, volume_of, world

TOGETHER = 3


class Listener(Silence):
    """Keeps what is said."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


class Collected(PassingStore):
    """A pack goes when the first point is read."""

    def __init__(self, inner, pack):
        super().__init__(inner)
        self.pack = pack

    def get(self, key, offset=0, length=None, version=None):
        if key.startswith(names.POINTS):
            self._inner.delete(self.pack)
        return super().get(key, offset, length, version)


class TornAtFirst(PassingStore):
    """Half of what is asked of one object comes at first, so many times."""

    def __init__(self, inner, key, times):
        super().__init__(inner)
        self.key, self.left = key, times

    def get(self, key, offset=0, length=None, version=None):
        data = super().get(key, offset, length, version)
        if key != self.key or not self.left:
            return data
        self.left -= 1
        return data[: len(data) // 2]


class Meeting(PassingStore):
    """The first that read a point meet, or nobody goes on."""

    def __init__(self, inner):
        super().__init__(inner)
        self.barrier = threading.Barrier(TOGETHER, timeout=60)
        self.coming = itertools.count()

    def get(self, key, offset=0, length=None, version=None):
        if key.startswith(names.POINTS) and next(self.coming) < TOGETHER:
            self.barrier.wait()
        return super().get(key, offset, length, version)


def test_several_manifests_are_read_at_once_and_the_answers_are_the_same():
    small = world(with_plan=True).small
    expected = check_repository(small.open(deterministic_surroundings(3)), None, Silence())
    with ThreadPoolExecutor(TOGETHER) as transfer:
        surroundings = replace(deterministic_surroundings(3), transfer=transfer, transfer_width=TOGETHER)
        meeting = Meeting(small.store)
        found = check_repository(small.open(surroundings, meeting), None, Silence())
    assert found == expected
    assert next(meeting.coming) >= TOGETHER


@pytest.mark.parametrize("times", [2, 3, 4])
def test_a_map_that_opens_again_after_it_did_not_is_named_with_whom_it_hurt(times):
    """The pack is read first; then its root is, and what is below; and once more for what is bad, when it is whole."""
    small = make_small_repository(MemoryStore(), deterministic_surroundings(1))
    two_levels = volume_of(1, *[0] * FANOUT, 2)
    (volume,) = back_up(small.open(deterministic_surroundings(2)), DISK, two_levels, "s").finished.manifest.volumes
    assert volume.root is not None
    pack = names.pack(volume.root.place.pack.pack)
    torn = TornAtFirst(small.store, pack, times)
    found = check_repository(small.open(deterministic_surroundings(3), torn), 100, Silence())
    assert volume.depth == 2
    assert [(one.object, [hurt.volumes for hurt in one.hurt]) for one in found.damage] == [(pack, [(volume.name,)])]


def condemned_pack(*, needed):
    """A repository with a plan that condemns one of its packs, and that pack."""
    scene = world(with_plan=False)
    small = scene.small.copied()
    packs = [bytes.fromhex(info.key[-32:]) for info in small.store.list(names.PACKS)]
    pack = next(pack for pack in packs if (read_header(small.store, pack).session in scene.contents) == needed)
    publish_plan(small.open(deterministic_surroundings(3)), scene.contents, condemned=[pack])
    return small, names.pack(pack)


def test_what_a_collection_removes_meanwhile_is_no_damage():
    small, pack = condemned_pack(needed=False)
    listener = Listener()
    found = check_repository(small.open(deterministic_surroundings(4), Collected(small.store, pack)), 100, listener)
    assert found.damage == ()
    assert listener.notes == ["a collection or a repair was at work meanwhile: the check begins again"]


def test_what_was_condemned_and_gone_before_is_missing_and_nobody_was_at_work():
    small, pack = condemned_pack(needed=True)
    small.store.delete(pack)
    listener = Listener()
    found = check_repository(small.open(deterministic_surroundings(4)), 100, listener)
    assert pack in [one.object for one in found.harmful]
    assert listener.notes == []


def test_a_batch_that_a_checkpoint_sums_up_is_missed():
    """Where the checkpoint is damaged later on, nothing could be written without it."""
    small = world(with_plan=True).small.copied()
    assert list(small.store.list(names.CHECKPOINTS))
    small.store.delete(names.ledger(3))
    repository = small.open(deterministic_surroundings(9))
    assert repository.ledger.damage == []
    assert [one.object for one in check_repository(repository, None, Silence()).harmful] == [names.ledger(3)]


def test_a_key_slot_that_is_taken_away_during_a_check_is_no_damage():
    small = world(with_plan=False).small.copied()
    slot = next(info.key for info in small.store.list(names.KEYS))

    class Removed(PassingStore):
        def get(self, key, offset=0, length=None, version=None):
            if key == slot and repository is not None:
                self._inner.delete(slot)
            return super().get(key, offset, length, version)

    repository = None
    repository = small.open(deterministic_surroundings(9), Removed(small.store))
    assert check_repository(repository, None, Silence()).damage == ()
