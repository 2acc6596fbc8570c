"""Who may write packs puts junk under the name of one that is gone: its chunks' other copies stay."""

import dataclasses
import hashlib

import pytest

from holdfast.repository.opening.plans import newest_plan, publish
from holdfast.repository.sessions.points import list_points
from holdfast.repository.upkeep.collection.run_merging import Tidiness
from holdfast.testing.small_repository import restored
from tests.unit.repository.upkeep.test_collection import Site

ALL_READ = Tidiness(runs=1, gone=0)


@pytest.mark.parametrize("survivors", ["as they are", "moved again since"])
def test_a_name_that_was_condemned_is_never_good_again(survivors):
    site = Site(700)
    gone = site.back_up("a", 1, 2, 3, 4, 5, 6)
    site.back_up("b", 1, 12, 3, 14, 5, 16)
    stood = site.packs()
    site.delete(gone)
    for _time in range(4):
        site.collect(tidiness=ALL_READ)  # runs are merged: they name what is gone no more
    repository = site.open()
    plan = newest_plan(repository.sealed)
    if survivors == "moved again since":
        elsewhere = dict.fromkeys(plan.condemned, frozenset({bytes(16)}))
        assert publish(repository.sealed, dataclasses.replace(plan, epoch=plan.epoch + 1, survivors=elsewhere))
    for key in stood - site.packs():
        site.store.create(key, b"junk", hashlib.sha256(b"junk").digest())
    for _time in range(2):
        site.collect(tidiness=ALL_READ)
    repository = site.open()
    assert {point.session: restored(repository, point) for point in list_points(repository)} == site.contents
