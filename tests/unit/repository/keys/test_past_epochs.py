"""What somebody with a past master key has put there is not built upon where it is met by who deletes or opens."""

import dataclasses

import pytest

from holdfast.domain.errors import FormatError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA
from holdfast.repository.format import names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.places import Located
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.packs.sorted_run import place_in
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.moved import MovedChunks
from tests.faults.test_past_keys import Site
from tests.faults.thief import misleading


@pytest.fixture
def site():
    return Site()


def test_index_run_in_the_place_of_one_that_a_collection_looks_into(site):
    """Where a chunk has moved is not taken from it: what it leads to would stay, and what is needed would go."""
    access, plan = site.open().access(), newest_plan(site.open().sealed)
    packs = StandingPacks(site.store)
    chunks = [
        Located(row["id"].tobytes(), place_in(row, run.packs[int(row["pack"])]))
        for run in map(access.read_index_run, sorted(plan.index_runs))
        for row in run.rows[run.rows["type"] == CHUNK_TYPE_DATA]
    ]
    known = [one for one in chunks if MovedChunks(access, plan, packs).known_of(one, CHUNK_TYPE_DATA)]
    assert known == [one for one in chunks if packs.stands(one.place.pack.pack)] != []
    for key in sorted(plan.index_runs):
        site.thief.run(site.store, key, misleading(access.read_index_run(key)))
    assert not any(MovedChunks(access, plan, packs).known_of(one, CHUNK_TYPE_DATA) for one in known)
    site.goes_on()


def test_epoch_in_the_place_of_the_one_that_has_begun(site):
    site.thief.master = dataclasses.replace(site.thief.master, kid=2)
    site.thief.forge(site.store, Kind.EPOCH, names.epoch(2), b"")
    told = f"^{names.epoch(2)} is of another rotation .it is not sealed under this key.$"
    with pytest.raises(FormatError, match=told) as caught:
        site.open()
    assert caught.value.objects == (names.epoch(2),)


def test_config_of_an_epoch_to_which_no_slot_leads(site):
    site.thief.master = dataclasses.replace(site.thief.master, kid=9)
    site.thief.config(site.store)
    with pytest.raises(FormatError, match=r"^config is of key epoch 9 \(no slot leads there\)") as caught:
        site.open()
    assert caught.value.objects == (names.CONFIG,)
