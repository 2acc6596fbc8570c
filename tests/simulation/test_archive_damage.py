"""An archive that is found damaged counts for none: another one is made, and the session says why."""

from datetime import timedelta

import pytest

from holdfast.domain.archive import Tier
from holdfast.domain.errors import IntegrityError, UnavailableError
from holdfast.domain.restore import VolumeRestore
from holdfast.domain.retrieval import RetrievalOrder
from holdfast.domain.session import State
from holdfast.domain.verification import DamagedObject, Outcome
from tests.simulation.archiving import DAY_SECONDS, YEARLY, archive, archived, copies, look
from tests.simulation.reading import assert_nothing_left, log, points, tasks

PACK = "ab" * 16
KEY = f"packs/ab/{PACK}"
HURT = DamagedObject(KEY, "it is missing", ("/dev/sdf",))
HARMLESS = DamagedObject("packs/cd/" + "cd" * 16, "it is missing")


@pytest.fixture
def once(archiving):
    """Archived, as a policy does that has monthly and yearly archives; the first one may be damaged."""
    site = archiving
    archived(site, yearly=YEARLY)
    site.wait(4 * 3600)
    look(site)
    look(site)
    site.damaged, site.whole = copies(site)
    return site


def restored(site, point):
    order = VolumeRestore(point.id, retrieval=RetrievalOrder(Tier.BULK))
    opened = site.run(lambda appliance: appliance.service.start_restore(order))
    return site.records.sessions.get(opened.id)


def of(site, workload):
    return [one for one in copies(site) if one.workload == workload]


def assert_made_again(site, session):
    assert session.state == State.WARNING
    first, again = of(site, site.damaged.workload)
    assert (first.id, first.verification.outcome) == (site.damaged.id, Outcome.HURT)
    assert (again.copy_of, again.flags) == (first.copy_of, ("M", "Y")), "what it was made for is owed again"
    assert [one.id for one in of(site, site.whole.workload)] == [site.whole.id]
    (said,) = [line for line in log(site, session) if "counts for none" in line]
    assert site.damaged.id in said
    assert "/dev/sdf" in said
    assert any("1 damaged pack" in line for line in log(site, session))
    assert site.archive.avoided_packs == {PACK}


def test_what_a_look_finds_damaged_is_archived_again(once):
    site = once
    site.archive.damage[site.damaged.id] = (HURT,)
    assert_made_again(site, archive(site))
    assert_nothing_left(site)
    looked = len(site.archive.looked_at)
    session = archive(site)
    assert session.state == State.SUCCEEDED, "it was said once"
    assert sum("archived already" in line for line in log(site, session)) == 2
    assert len(site.archive.looked_at) == looked + 2, "what is known is not looked for"
    assert len(copies(site)) == 3


def test_what_a_restore_finds_damaged_is_archived_again(once):
    site = once
    site.archive.cold.takes = timedelta(minutes=1)
    broken = IntegrityError(f"{KEY} is damaged", why="chunk 3 does not open", cure="check it", objects=(KEY,))
    site.archive.broken[site.damaged.id] = broken
    session = restored(site, site.damaged)
    assert [task.error.code for task in tasks(site, session) if task.error] == ["damaged"]
    assert any("nothing new is built upon that" in line for line in log(site, session))
    told = site.records.points.get(site.damaged.id).verification
    assert (told.outcome, told.damaged_packs, told.damage[0].why) == (Outcome.HURT, {PACK}, "chunk 3 does not open")
    assert_made_again(site, archive(site))


def test_a_restore_that_fails_for_another_reason_looks_at_nothing(once):
    site = once
    site.archive.cold.takes = timedelta(minutes=1)
    site.archive.looked_at.clear()
    site.archive.broken[site.damaged.id] = UnavailableError("it does not answer", why="no route", cure="later")
    assert restored(site, site.damaged).state == State.FAILED
    assert site.records.points.get(site.damaged.id).verification is None


def test_damage_beside_whole_copies_hurts_no_archive(once):
    site = once
    site.archive.damage[site.damaged.id] = (HARMLESS,)
    archive(site)
    assert len(copies(site)) == 2
    assert site.records.points.get(site.damaged.id).verification.outcome == Outcome.DAMAGED


def test_the_next_archive_is_built_upon_nothing_that_a_look_finds_damaged(once):
    """Of the next month, when another backup is there to be copied."""
    site = once
    site.archive.damage[site.damaged.id] = (HURT,)
    site.wait(31 * DAY_SECONDS)
    site.run_policy("web", "backup")
    session = archive(site)
    assert session.state == State.WARNING
    assert site.archive.avoided_packs == frozenset(), "of the other instance's"
    assert any("1 damaged pack" in line for line in log(site, session))
    assert [one.flags for one in of(site, site.damaged.workload)[1:]] == [("M", "Y")]
    assert [one.flags for one in of(site, site.whole.workload)[1:]] == [("M",)]


def test_an_archive_that_cannot_be_looked_at_fails_its_task(once):
    site = once
    site.archive.fail_next = [UnavailableError("it does not answer", why="no route", cure="later")]
    session = archive(site)
    assert sorted(task.state for task in tasks(site, session)) == [State.FAILED, State.SUCCEEDED]
    assert len(copies(site)) == 2


def test_no_number_counts_a_damaged_backup(protected):
    """One that is kept by number is no reason to remove whole ones."""
    site = protected
    for _ in range(2):
        site.run_policy("web", "backup")
    first, second = points(site, "image-backup")
    site.repository.damage[second.id] = (HURT,)
    site.run(lambda appliance: appliance.service.verify_point(second.id))
    site.run_policy("web", "backup")
    assert [one.id for one in points(site, "image-backup")][:2] == [first.id, second.id]
    site.run_policy("web", "backup")
    assert [one.id for one in points(site, "image-backup")][:1] != [first.id]
