"""A check waits for several objects at once, and finds what it finds one by one."""

import itertools
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
    """The first that read a point meet, or nobody goes on."""

    def __init__(self, inner):
        super().__init__(inner)
        self.barrier = threading.Barrier(TOGETHER, timeout=60)
        self.coming = itertools.count()

    def get(self, key, offset=0, length=None, version=None):
        if key.startswith(names.POINTS) and next(self.coming) < TOGETHER:
            self.barrier.wait()
        return super().get(key, offset, length, version)


def test_several_manifests_are_read_at_once_and_the_answers_are_the_same():
    small = world(with_plan=True).small
    expected = check_repository(small.open(deterministic_surroundings(3)), None, Silence())
    with ThreadPoolExecutor(TOGETHER) as transfer:
        surroundings = replace(deterministic_surroundings(3), transfer=transfer, transfer_width=TOGETHER)
        meeting = Meeting(small.store)
        found = check_repository(small.open(surroundings, meeting), None, Silence())
    assert found == expected
    assert next(meeting.coming) >= TOGETHER
