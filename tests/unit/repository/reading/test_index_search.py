"""A search asks for each index run once, and for each of its versions once."""

import dataclasses

import pytest

from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA
from holdfast.repository.format import names
from holdfast.repository.reading.index_search import IndexSearch
from tests.faults.immutable_site import Site


@pytest.fixture
def site():
    site = Site()
    site.back_up(bytes(range(250)))
    return site


def test_what_no_run_knows_is_looked_for_again_without_asking_for_runs(site):
    access, asked = site.open().access(), []

    def index_runs():
        asked.extend(access.index_runs())
        return asked

    search = IndexSearch(dataclasses.replace(access, index_runs=index_runs))
    for _each in range(3):
        assert search.locate(bytes(32), CHUNK_TYPE_DATA) is None
    assert len(asked) == 1


def test_of_a_run_with_several_versions_none_is_taken_twice(site):
    access = site.open().access()
    [key] = access.index_runs()
    for _each in range(2):
        site.bucket.put(key, bytes(site.store.get(key)))
    [chunk] = [row["id"].tobytes() for row in access.read_index_run(key).rows if row["type"] == CHUNK_TYPE_DATA]
    places = list(IndexSearch(access).places(chunk, CHUNK_TYPE_DATA))
    assert len(places) == 3
    assert len(set(places)) == 1
    assert names.pack(places[0].pack.pack) in {one.key for one in site.bucket.listed()}
