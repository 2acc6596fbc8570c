"""A check waits for several objects at once, and finds what it finds one by one."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.progress import Silence
from holdfast.repository.stores.passing import PassingStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from tests.faults.world import world

TOGETHER = 3


class Meeting(PassingStore):
    """Whoever reads a point meets others that do; alone nobody goes on for a second."""

    def __init__(self, inner):
        super().__init__(inner)
        self.barrier = threading.Barrier(TOGETHER)
        self.met = 0

    def get(self, key, offset=0, length=None, version=None):
        if key.startswith(names.POINTS):
            try:
                self.barrier.wait(1)
                self.met += 1
            except threading.BrokenBarrierError:
                self.barrier.reset()
        return super().get(key, offset, length, version)


def test_several_manifests_are_read_at_once_and_the_answers_are_the_same():
    small = world(with_plan=True).small
    expected = check_repository(small.open(deterministic_surroundings(3)), None, Silence())
    with ThreadPoolExecutor(TOGETHER) as transfer:
        surroundings = replace(deterministic_surroundings(3), transfer=transfer, transfer_width=TOGETHER)
        meeting = Meeting(small.store)
        found = check_repository(small.open(surroundings, meeting), None, Silence())
    assert found == expected
    assert meeting.met >= TOGETHER
