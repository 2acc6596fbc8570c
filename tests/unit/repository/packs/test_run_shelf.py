"""Many runs at eight bytes a row: what one of them knows is found, and few are kept whole."""

import pytest

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format.index_run import IndexRun
from holdfast.repository.format.places import PackRow, Place
from holdfast.repository.packs import run_shelf
from holdfast.repository.packs.chunk_index import rows_of
from holdfast.repository.packs.run_shelf import RunShelf


def place(number, run):
    return Place(PackRow(1, bytes([run]) * 16, bytes([run]) * 16), number, 0, 10, 10, 0)


def run_of(run, numbers):
    table: dict[PackRow, int] = {}
    rows = rows_of([(bytes([number]) * 32, CHUNK_TYPE_DATA, place(number, run)) for number in numbers], table)
    return IndexRun(bytes(16), bytes(16), True, 0, tuple(table), rows)


@pytest.fixture
def reads():
    return []


@pytest.fixture
def shelf(reads):
    runs = {"a": run_of(1, [1, 2, 3]), "b": run_of(2, [3, 4]), "empty": run_of(3, [])}

    def read(key):
        reads.append(key)
        if key == "damaged":
            raise IntegrityError("it is damaged", why="it does not open", cure="repair it", objects=(key,))
        if key not in runs:
            raise ObjectNotFoundError(key)
        return runs[key]

    return RunShelf(read)


def test_every_run_that_knows_a_chunk_says_where_it_lies(shelf):
    assert all(shelf.take(key) for key in ("a", "b", "empty", "damaged"))
    assert not shelf.take("gone")
    assert shelf.keys == ["a", "b"]
    assert list(shelf.places(b"\3" * 32, CHUNK_TYPE_DATA)) == [place(3, 1), place(3, 2)]
    assert list(shelf.places(b"\3" * 32, CHUNK_TYPE_MAP)) == []
    assert list(shelf.places(b"\3" * 31 + b"\4", CHUNK_TYPE_DATA)) == []


def test_few_runs_are_kept_and_the_others_read_again_for_a_hit_alone(shelf, reads, monkeypatch):
    monkeypatch.setattr(run_shelf, "_KEPT_ROWS", 3)
    for key in ("a", "b"):
        shelf.take(key)
    for chunk, expected in ((4, []), (9, []), (1, ["a"]), (2, []), (4, ["b"])):
        reads.clear()
        list(shelf.places(bytes([chunk]) * 32, CHUNK_TYPE_DATA))
        assert reads == expected


def test_a_run_that_went_meanwhile_knows_nothing(shelf, reads, monkeypatch):
    monkeypatch.setattr(run_shelf, "_KEPT_ROWS", 1)
    for key in ("a", "b"):
        shelf.take(key)
    monkeypatch.setattr(shelf, "_read", lambda key: (_ for _ in ()).throw(ObjectNotFoundError(key)))
    assert list(shelf.places(b"\1" * 32, CHUNK_TYPE_DATA)) == []
