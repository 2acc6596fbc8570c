"""Whoever moves the bytes, the point is the same: histories of a machine, each point made by a worker or without one.

A volume is backed up again and again, grown, shrunk and changed; each time by a worker or by the command line's way,
and each point is restored both ways. All four must give what was on the volume.
"""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.opening.repository import DEFAULT_TENANT
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import find_point
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.writing.backup import VOLUME_NAME, BackupOrder, backup_volume
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import make_small_repository, restored
from tests.unit.repository.delegation.delegated import WORKLOAD, Disks, back_up, restore

moments = st.tuples(
    st.lists(st.integers(0, 3), max_size=5),  # blocks, by what they hold; 0 is zeros
    st.integers(0, 1000),  # bytes behind the last whole block
    st.booleans(),  # by a worker?
    st.booleans(),  # is the snapshot before still there?
)


def content(blocks: list[int], tail_bytes: int) -> bytes:
    pieces = [(random.Random(seed).randbytes(64) if seed else bytes(64)) * (BLOCK_SIZE_BYTES // 64) for seed in blocks]
    return b"".join(pieces) + random.Random(tail_bytes).randbytes(tail_bytes)


@settings(max_examples=40, deadline=None)
@given(st.lists(moments, min_size=1, max_size=4))
def test_a_point_is_the_same_whoever_made_it(history):
    surroundings = deterministic_surroundings()
    repository = make_small_repository(MemoryStore(), surroundings, 1000).open(surroundings)
    disks, expected = Disks(), {}
    for number, (blocks, tail_bytes, by_worker, keeps) in enumerate(history):
        if not keeps:
            disks.snapshots.clear()
        facts = disks.snapshot(f"s{number}", content(blocks, tail_bytes))
        if by_worker:
            manifest, _result = back_up(repository, disks, {VOLUME_NAME: facts})
        else:
            source = disks.open_source(facts)
            manifest = backup_volume(repository, source, BackupOrder(WORKLOAD), Silence()).finished.manifest
        expected[manifest.session] = content(blocks, tail_bytes)
    for session, wanted in expected.items():
        assert restored(repository, find_point(repository, session.hex(), DEFAULT_TENANT)) == wanted
        assert restore(repository, session, VOLUME_NAME) == {VOLUME_NAME: wanted}
    assert check_repository(repository, 100, Silence()).damage == ()
