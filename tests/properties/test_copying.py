"""Whatever happened in two repositories, a copy of all gives in the one what the other holds, and nothing twice."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.copying.backups_here import backup_of
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.testing.small_repository import restored
from tests.faults.world import collect, pattern
from tests.unit.repository.copying.copied import Place, copy, two_places

volumes = st.lists(st.integers(0, 3), max_size=4)  # blocks, by what they hold; 0 is zeros
sizes = st.integers(0, 1000)  # bytes behind the last whole block
sides = st.booleans()
deeds = st.one_of(
    st.tuples(st.just("back up"), sides, st.sampled_from("ab"), volumes, sizes),
    st.tuples(st.just("dump"), sides, st.integers(0, 3), st.integers(0, 9)),
    st.tuples(st.just("delete"), sides, st.integers(0, 5)),
    st.tuples(st.just("collect"), sides),
    st.tuples(st.just("copy"), sides),
)


def content(blocks: list[int], tail_bytes: int) -> bytes:
    pieces = [pattern(seed) if seed else bytes(BLOCK_SIZE_BYTES) for seed in blocks]
    return b"".join(pieces) + random.Random(tail_bytes).randbytes(tail_bytes)


def do(deed, source: Place, target: Place) -> None:
    place, other = (source, target) if deed[1] else (target, source)
    match deed:
        case ("back up", _side, workload, blocks, tail_bytes):
            place.back_up(workload, content(blocks, tail_bytes))
        case ("dump", _side, seed, moved):
            place.dump("dump", bytes(moved) + random.Random(seed).randbytes(2_000_000))
        case ("delete", _side, number):
            points = list_points(place.open())
            if points:
                place.delete(points[number % len(points)].session)
        case ("collect", _side):
            collect(place.open())
        case ("copy", _side):
            assert copy(place, other).failed == []


def backups(place: Place) -> dict[bytes, bytes]:
    repository = place.open()
    points = list_points(repository)
    found = {backup_of(repository, point).encode(): restored(repository, point) for point in points}
    assert len(found) == len(points)
    return found


@settings(max_examples=30, deadline=None)
@given(st.lists(deeds, max_size=10))
def test_a_copy_of_all_has_all(history):
    source, target = two_places(1000)
    for deed in history:
        do(deed, source, target)
    assert copy(source, target).failed == []
    there, here = backups(source), backups(target)
    assert {backup: here[backup] for backup in there} == there
    for place in (source, target):
        assert check_repository(place.open(), 100, Silence()).damage == ()
