"""Each kind of way in, tried alone: it says which slot opened and reads a block back."""

import dataclasses

import pytest

from holdfast.domain.errors import IntegrityError, WrongKeyError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.format import names
from holdfast.repository.keys.slots import KeySlots, Secret
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.upkeep.drill import drill
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.memory_volumes import MemoryVolume
from holdfast.testing.small_repository import make_small_repository, put
from tests.faults.world import DISK, FIRST, back_up
from tests.unit.repository.upkeep.test_rotation import Wrapper


@pytest.fixture
def small():
    small = make_small_repository(MemoryStore(), deterministic_surroundings(1))
    slots = KeySlots(small.store, deterministic_surroundings(2))
    master = open_(small).master
    slots.add_password(master, b"mine", "mine")
    slots.add_kms(master, Wrapper(), "alias/backup", "ours")
    return small


def open_(small, secret=None, seed=3):
    if secret is not None:
        small = dataclasses.replace(small, secret=secret)
    return small.open(deterministic_surroundings(seed))


@pytest.mark.parametrize("kind", ["password", "recovery", "kms"])
def test_each_kind_opens_alone_and_gives_a_block(small, kind):
    point = back_up(open_(small), DISK, FIRST, "s").finished.manifest.session
    back_up(open_(small, seed=4), "zeros", MemoryVolume(3 * BLOCK_SIZE_BYTES), "z")  # newer, and nothing to read in it
    secret = {"password": Secret(b"mine"), "recovery": small.secret, "kms": Secret(wrapper=Wrapper())}[kind]
    before = [info.key for info in small.store.list("")]
    done = drill(open_(small, secret))
    assert (done.slot.kind, done.point, done.read_bytes) == (kind, point.hex(), BLOCK_SIZE_BYTES)
    assert [info.key for info in small.store.list("")] == before


def test_without_a_point_only_the_opening_counts(small):
    assert drill(open_(small, Secret(b"mine"))).point is None


def test_another_secret_and_lost_data_are_found(small):
    back_up(open_(small), DISK, FIRST, "s")
    with pytest.raises(WrongKeyError):
        open_(small, Secret(b"other"))
    for info in list(small.store.list(names.PACKS)):
        data = bytearray(small.store.get(info.key))
        data[100] ^= 1
        put(small.store, info.key, bytes(data))
    with pytest.raises(IntegrityError):
        drill(open_(small, Secret(b"mine")))
