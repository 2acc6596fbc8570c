"""A scrub holds no key: it names whatever is not as it was written, and leaves everything as it is."""

import random

import pytest

from holdfast.domain.errors import NotFoundError
from holdfast.repository.format import names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.health.checking.scrub import KINDS_UNDER, ScrubReport, scrub
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import create_repository
from holdfast.repository.progress import Silence
from holdfast.repository.stores.memory import MemoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import FaultyStore
from holdfast.testing.small_repository import put
from tests.faults.world import world


@pytest.fixture
def store() -> ObjectStore:
    return world(with_plan=True).small.copied().store


def scrubbed(store: ObjectStore, percent: int = 100, seed: int = 5) -> ScrubReport:
    return scrub(store, deterministic_surroundings(seed), percent, Silence())


def named(store: ObjectStore) -> dict[str, str]:
    return {one.object: one.why for one in scrubbed(store).damage}


def key_of(store: ObjectStore, prefix: str) -> str:
    return next(iter(store.list(prefix))).key


def test_a_whole_repository_is_read_whole_and_nothing_is_named(store):
    infos = list(store.list(""))
    report = scrubbed(store)
    assert report.damage == ()
    assert (report.objects, report.stored_bytes) == (len(infos), sum(info.size_bytes for info in infos))
    assert report.read_bytes == report.stored_bytes
    assert report.packs == report.packs_read == sum(info.key.startswith(names.PACKS) for info in infos)


def test_it_asks_for_reading_alone(store):
    watched = FaultyStore(store, {})
    scrubbed(watched)
    assert {request.kind for request in watched.requests} <= {"get", "head", "list", "versions"}


def test_a_flipped_bit_in_any_object_is_named(store):
    dice = random.Random(4)
    for info in list(store.list("")):
        body = bytearray(store.get(info.key))
        for at in (0, len(body) - 1, *dice.sample(range(len(body)), 5)):
            body[at] ^= 1
            put(store, info.key, bytes(body))
            assert set(named(store)) == {info.key}, at
            body[at] ^= 1
        put(store, info.key, bytes(body))
    assert named(store) == {}


@pytest.mark.parametrize("prefix", ["config", "keys/", "tenants/", "packs/", "points/", "index/", "ledger/"])
def test_words_for_what_is_wrong(store, prefix):
    key = key_of(store, prefix)
    body = bytes(store.get(key))
    put(store, key, b"")
    assert named(store)[key] == "it is empty"
    put(store, key, b"#!/bin/sh\n" * 40)
    assert named(store)[key].startswith("it does not begin as an object of a repository does")
    put(store, key, body[: len(body) // 2])
    cut_short = "cut short" if prefix == names.PACKS else "SHA-256"
    assert cut_short in named(store)[key]
    put(store, key, bytes(store.get("config" if prefix != "config" else key_of(store, "tenants/"))))
    assert named(store)[key]


def test_a_whole_object_under_another_ones_name_is_named(store):
    first, second = [info.key for info in store.list(names.PACKS)][:2]
    put(store, first, bytes(store.get(second)))
    assert named(store) == {first: "it is whole, but another object than its name says"}


def test_what_is_of_another_repository_is_named(store):
    foreign, key = MemoryStore(), key_of(store, names.TENANTS)
    create_repository(foreign, deterministic_surroundings(77))
    put(store, key, bytes(foreign.get(key_of(foreign, names.TENANTS))))
    assert named(store) == {key: "it is whole, but of another repository than `config`"}


def test_what_must_be_there_is_missed(store):
    batches = [info.key for info in store.list(names.LEDGER)]
    store.delete(batches[1])
    assert named(store) == {batches[1]: "it is missing, and later ones are there"}
    store.delete(names.CONFIG)
    assert named(store)[names.CONFIG] == "it is missing, and without it the repository does not open"


def test_files_of_others_are_counted_and_are_no_damage(store):
    put(store, "notes.txt", b"do not delete")
    put(store, "packs/half-a-copy", b"")
    report = scrubbed(store)
    assert (report.foreign, report.foreign_keys) == (2, ("notes.txt", "packs/half-a-copy"))
    assert report.damage == ()


def test_a_share_of_the_packs_is_read_and_every_small_object(store):
    seen = [scrubbed(store, 30, seed) for seed in range(20)]
    assert {report.packs_read for report in seen} != {seen[0].packs}
    assert 0 < sum(report.packs_read for report in seen) < 20 * seen[0].packs / 2
    small = key_of(store, names.INDEX)
    put(store, small, b"")
    assert {one.object for one in scrubbed(store, 1).damage} == {small}


def test_a_place_without_a_repository_is_no_healthy_one():
    empty = MemoryStore()
    put(empty, "notes.txt", b"x")
    with pytest.raises(NotFoundError, match="no repository"):
        scrubbed(empty)


def test_every_kind_of_object_has_its_place():
    assert sorted(kind for kinds in KINDS_UNDER.values() for kind in kinds) == sorted(Kind)
