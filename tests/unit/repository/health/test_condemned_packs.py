"""A pack that a plan condemns is to be removed: what a point needs of it must lie in a sound pack before it goes."""

import pytest

from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.opening.repository import DEFAULT_TENANT
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.session import end_session, open_session
from tests.faults.test_repair import spoil
from tests.unit.repository.upkeep.test_collection import Site


@pytest.fixture
def waiting():
    """(site, the session that a collection waits for, the packs into which it has copied): the rest is condemned."""
    site = Site(3000)
    gone = site.back_up("a", 1, 2, 3, 4, 5, 6)
    site.back_up("b", 1)
    site.delete(gone)
    before = site.packs()
    slow = open_session(site.open(), DEFAULT_TENANT, "slow")
    assert site.collect().waiting
    copies = site.packs() - before
    assert copies
    return site, slow, copies


def test_a_repair_copies_out_of_a_condemned_pack_what_is_damaged_where_it_was_copied_to(waiting):
    site, slow, copies = waiting
    for key in copies:
        spoil(site.store, key)
    report = repair(site.open(), none, Silence())
    assert report.left == ()
    assert any(one.mended_chunks for one in report.packs)
    assert "the plan condemns it, and what was to replace it is damaged" in {one.why for one in report.packs}
    end_session(site.open(), slow.session, slow.point_key)
    assert site.collect().deleted > 0
    site.all_is_there()


def test_a_repair_copies_nothing_out_of_a_condemned_pack_whose_copies_are_sound(waiting):
    site, slow, _ = waiting
    report = repair(site.open(), none, Silence())
    assert (report.packs, report.written_packs) == ((), 0)
    end_session(site.open(), slow.session, slow.point_key)
    site.collect()
    site.all_is_there()
