"""Many runs at twelve bytes a row: what one of them knows is found, and few are kept whole."""

import random

import pytest

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA, CHUNK_TYPE_MAP
from holdfast.repository.format.index_run import IndexRun
from holdfast.repository.format.places import PackRow, PackTable, Place
from holdfast.repository.packs import begins, run_shelf
from holdfast.repository.packs.run_shelf import RunShelf
from holdfast.repository.packs.sorted_run import rows_of


def place(number, run):
    return Place(PackRow(1, bytes([run]) * 16, bytes([run, number]) * 8), number, 0, 10, 10, 0)


def run_of(run, numbers, maps=()):
    table: dict[PackRow, int] = {}
    chunks = [(numbers, CHUNK_TYPE_DATA), (maps, CHUNK_TYPE_MAP)]
    rows = rows_of([(bytes([one]) * 32, kind, place(one, run)) for of, kind in chunks for one in of], table)
    return IndexRun(bytes(16), bytes(16), True, 0, PackTable.of(table), rows)


@pytest.fixture
def reads():
    return []


@pytest.fixture
def shelf(reads, monkeypatch):
    monkeypatch.setattr(run_shelf, "_KEPT_ROWS", 3)
    runs = {
        "a": run_of(1, [1, 2, 3]),
        "b": run_of(2, [3, 4], [5, 6]),
        "empty": run_of(3, []),
        "maps": run_of(4, [], [3]),
    }

    def read(key):
        reads.append(key)
        return runs[key]

    shelf = RunShelf(read, CHUNK_TYPE_DATA)
    for key, run in runs.items():
        shelf.take(key, run)
    return shelf


def test_every_run_that_knows_a_chunk_says_where_it_lies(shelf):
    assert len(shelf) == 2
    assert list(shelf.places(b"\3" * 32)) == [place(3, 1), place(3, 2)]
    assert list(shelf.places(b"\3" * 31 + b"\4")) == []
    assert list(shelf.places(b"\5" * 32)) == []  # of the other type


def test_runs_are_asked_from_one_number_to_another(shelf):
    assert list(shelf.places(b"\3" * 32, 1)) == [place(3, 2)]
    assert list(shelf.places(b"\3" * 32, 0, 1)) == [place(3, 1)]


def test_few_runs_are_kept_and_the_others_read_again_for_a_hit_alone(shelf, reads):
    for chunk, expected in ((4, []), (9, []), (1, ["a"]), (2, []), (4, ["b"])):
        reads.clear()
        list(shelf.places(bytes([chunk]) * 32))
        assert reads == expected


def test_an_id_that_begins_nearly_as_a_known_one_is_no_hit(shelf, reads):
    """All eight bytes count, of which a float would hold fewer."""
    assert list(shelf.places(b"\1" * 7 + b"\2" + b"\1" * 24)) == []
    assert reads == []


def test_runs_are_kept_that_have_as_many_rows_as_may_stay(shelf, reads, monkeypatch):
    monkeypatch.setattr(run_shelf, "_KEPT_ROWS", 5)
    for chunk in (1, 4, 1):
        list(shelf.places(bytes([chunk]) * 32))
    assert reads == ["a"]


def test_one_run_is_kept_however_many_rows_it_has(shelf, reads, monkeypatch):
    monkeypatch.setattr(run_shelf, "_KEPT_ROWS", 0)
    for chunk, expected in ((1, ["a"]), (2, []), (4, ["b"])):
        reads.clear()
        list(shelf.places(bytes([chunk]) * 32))
        assert reads == expected


@pytest.mark.parametrize(
    "error", [ObjectNotFoundError("a"), IntegrityError("it is damaged", why="it does not open", cure="repair it")]
)
def test_a_run_that_cannot_be_read_again_knows_nothing(shelf, monkeypatch, error):
    def fail(key):
        raise error

    monkeypatch.setattr(shelf, "_read", fail)
    assert list(shelf.places(b"\1" * 32)) == []
    assert list(shelf.places(b"\3" * 32)) == [place(3, 2)]


@pytest.mark.parametrize("limit", [1, 20, 1 << 20])
def test_many_runs_say_what_each_of_them_says(monkeypatch, limit):
    """However their beginnings were joined."""
    monkeypatch.setattr(begins, "_JOINED", limit)
    dice = random.Random(limit)
    known = {run: dice.sample(range(100), dice.randrange(1, 12)) for run in range(40)}
    shelf = RunShelf[str](lambda key: run_of(int(key), known[int(key)]), CHUNK_TYPE_DATA)
    for run, numbers in known.items():
        shelf.take(str(run), run_of(run, numbers))
    for chunk in range(100):
        expected = [place(chunk, run) for run, numbers in known.items() if chunk in numbers]
        assert list(shelf.places(bytes([chunk]) * 32)) == expected
