"""The index of chunks against a dict: loaded runs, own chunks frozen and merged, what is condemned left out."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.repository.format import index_run
from holdfast.repository.format.index_run import ROW, IndexRun
from holdfast.repository.format.places import PackRow, PackTable, Place
from holdfast.repository.packs import chunk_index
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.packs.sorted_run import SortedRun, merged_rows, rows_of, sorted_rows
from holdfast.repository.scratch import ScratchFile

PACKS = [PackRow(1, b"s" * 16, bytes([number]) * 16) for number in range(5)]
# Few beginnings and few ends, so that many ids agree in their first 8 bytes and some in all but the last.
chunk_ids = st.builds(
    lambda start, middle, end: start * 8 + middle * 16 + end * 8,
    st.sampled_from([b"\0", b"a", b"\xff"]),
    st.sampled_from([b"\0", b"\xff"]),
    st.binary(min_size=1, max_size=1),
)
places = st.builds(
    Place,
    st.sampled_from(PACKS),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0, 1]),
)
Model = dict[tuple[bytes, int], Place]
models = st.dictionaries(st.tuples(chunk_ids, st.sampled_from([1, 2])), places, max_size=60)


def run_of(model: Model, *, session: bytes = b"s" * 16) -> IndexRun:
    """The model as a stored run."""
    table: dict[PackRow, int] = {}
    rows = rows_of(((chunk, kind, place) for (chunk, kind), place in model.items()), table)
    run = IndexRun(session, b"w" * 16, True, 0, PackTable.of(table), rows)
    return index_run.decode(index_run.encode(run)) if model else run


def agree(index: ChunkIndex, model: Model, asked: set[tuple[bytes, int]]) -> None:
    """Index and model say the same of everything asked."""
    for chunk, kind in asked | model.keys():
        assert index.find(chunk, kind) == model.get((chunk, kind))
        assert index.find(chunk, 3) is None


everything = st.sets(st.tuples(chunk_ids, st.sampled_from([1, 2])), max_size=20)


def small_limits(patch: pytest.MonkeyPatch, filed: int = 9) -> None:
    """Frozen after four chunks, runs of nine rows in scratch, stored in parts of seven."""
    patch.setattr(chunk_index, "_RECENT_LIMIT", 4)
    patch.setattr(chunk_index, "_FILED_ROWS", filed)
    patch.setattr(chunk_index, "_PART_ROWS", 7)


def add_all(index: ChunkIndex, model: Model) -> None:
    for (chunk, kind), place in model.items():
        index.add(chunk, kind, place)


def test_small_limits_are_in_force(monkeypatch):
    small_limits(monkeypatch)
    index = ChunkIndex()
    add_all(index, {(bytes([number]) * 32, 1): Place(PACKS[0], number, 0, 0, 0, 0) for number in range(9)})
    assert [len(rows) for rows, _packs in index.own_rows()] == [7, 2]


def test_merged_rows_keep_the_byte_order_of_the_format(monkeypatch):
    small_limits(monkeypatch)
    index = ChunkIndex()
    model = {(bytes([number]) * 32, 1): Place(PACKS[number % 5], number, 0, 0, 0, 0) for number in range(7)}
    add_all(index, model)
    [(rows, packs)] = index.own_rows()
    assert rows.dtype == ROW
    native = rows.astype([(name, rows.dtype[name].newbyteorder("=")) for name in rows.dtype.names or ()])
    for form in (rows, native):
        found = index_run.decode(index_run.encode(IndexRun(bytes(16), bytes(16), True, 0, packs, form)))
        run = SortedRun.of(found.rows, found.packs)
        assert {key: run.find(*key) for key in model} == model


@settings(max_examples=80, deadline=None)
@given(models, everything)
def test_own_chunks_are_found(model, asked):
    with pytest.MonkeyPatch.context() as patch:
        small_limits(patch)
        index, known = ChunkIndex(), Model()
        for (chunk, kind), place in model.items():
            index.add(chunk, kind, place)
            known[chunk, kind] = place
            assert index.find(chunk, kind) == place
        agree(index, known, asked)


@settings(max_examples=100, deadline=None)
@given(models, st.sampled_from([1, 5, 9, 1000]))
def test_own_rows_are_what_was_added_sorted_and_in_parts(model, filed):
    with pytest.MonkeyPatch.context() as patch:
        small_limits(patch, filed)
        index = ChunkIndex()
        add_all(index, model)
        parts = list(index.own_rows())
    found: Model = {}
    order: list[bytes] = []
    for rows, packs in parts:
        assert 1 <= len(rows) <= 7
        assert len(set(packs)) == len(packs) == len(np.unique(rows["pack"]))
        again = ChunkIndex()
        again.load(index_run.decode(index_run.encode(IndexRun(b"s" * 16, b"w" * 16, True, 0, packs, rows))))
        for row in rows:
            chunk, kind = row["id"].tobytes(), int(row["type"])
            order.append(chunk)
            place = again.find(chunk, kind)
            assert place is not None
            found[chunk, kind] = place
    assert found == model
    assert order == sorted(order)


@settings(max_examples=60, deadline=None)
@given(models, models, models, everything, st.sampled_from([1, 20, 1000]))
def test_loaded_runs_are_found_and_own_chunks_come_first(first, second, own, asked, filed):
    with pytest.MonkeyPatch.context() as patch:
        small_limits(patch, filed)
        index, model = ChunkIndex(), Model()
        for run in (first, second):
            index.load(run_of(run))
        add_all(index, own)
        model = {**first, **second, **own}
        for chunk, kind in first.keys() & second.keys() - own.keys():  # which of the two is asked first is left open
            found = index.find(chunk, kind)
            assert found is not None
            assert found in (first[chunk, kind], second[chunk, kind])
            assert all(index.holds(chunk, kind, run[chunk, kind]) for run in (first, second))
            model[chunk, kind] = found
        agree(index, model, asked)


@settings(max_examples=60, deadline=None)
@given(models, st.frozensets(st.sampled_from([pack.pack for pack in PACKS])), everything)
def test_condemned_packs_are_as_if_they_were_not(model, condemned, asked):
    index = ChunkIndex(condemned)
    index.load(run_of(model))
    agree(index, {key: place for key, place in model.items() if place.pack.pack not in condemned}, asked)


@settings(max_examples=60, deadline=None)
@given(models.filter(bool))
def test_rows_ascend_and_hold_every_place(model):
    table: dict[PackRow, int] = {}
    rows = rows_of(((chunk, kind, place) for (chunk, kind), place in model.items()), table)
    ids = [row["id"].tobytes() for row in rows]
    assert ids == sorted(ids)
    run = SortedRun.of(rows, PackTable.of(table))
    assert {key: run.find(*key) for key in model} == model


def test_large_runs_that_are_loaded_are_in_memory_once_more_and_not_joined():
    dice, packs = np.random.default_rng(1), PackTable.of(PACKS)
    runs = []
    for count in (20_000, 150_000, 160_000, 170_000):
        rows = np.zeros(count, ROW)
        rows["id"] = np.frombuffer(dice.bytes(count * 32), "V32")
        rows["type"] = 1
        runs.append(IndexRun(b"s" * 16, b"w" * 16, True, 0, packs, sorted_rows(rows)))
    index = ChunkIndex(scratch=ScratchFile)
    tracemalloc.start()
    for run in runs:
        index.load(run)
    _now, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    known_bytes = 12 * sum(len(run.rows) for run in runs)
    assert peak_bytes <= 2 * known_bytes + max(run.rows.nbytes for run in runs)
    asked = [(run, at) for run in runs for at in (0, len(run.rows) // 2, len(run.rows) - 1)]
    assert all(index.find(run.rows["id"][at].tobytes(), 1) is not None for run, at in asked)


def test_a_run_without_rows_adds_none_to_what_it_is_merged_with():
    empty, full = run_of({}), run_of({(b"a" * 32, 1): Place(PACKS[0], 0, 0, 0, 0, 0)})
    rows, packs = merged_rows((run.rows, run.packs) for run in (empty, full))
    assert (rows.tobytes(), packs) == (full.rows.tobytes(), full.packs)


def test_nothing_added_makes_no_rows():
    assert list(ChunkIndex().own_rows()) == []
    assert ChunkIndex().find(bytes(32), 1) is None


def test_a_chunk_that_two_attempts_stored_is_known_in_both_places():
    first, second = (Place(pack, 0, 96, 100, 90, 0) for pack in PACKS[:2])
    index = ChunkIndex()
    index.add(b"c" * 32, 1, first)
    index.add(b"d" * 32, 1, first)
    index.add(b"c" * 32, 1, second)
    assert index.holds(b"c" * 32, 1, first)
    assert index.holds(b"c" * 32, 1, second)
    assert index.find(b"c" * 32, 1) == second
    [(rows, packs)] = index.own_rows()
    assert len(rows) == 3
    assert set(packs) == set(PACKS[:2])
