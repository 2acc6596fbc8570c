"""What is written down of instances that are restored into: one restore at a time, and for as long as it is needed."""

import threading
from dataclasses import replace

import pytest

from holdfast.appliance.restores.old_volumes import OldVolumes
from holdfast.appliance.upkeep.history import Pruning
from holdfast.domain.errors import ConflictError
from holdfast.domain.history import SessionHistory
from holdfast.domain.ownership import RESTORED
from holdfast.domain.restore import VolumeRestore
from holdfast.domain.session import SessionKind, State
from holdfast.testing.sample_records import hex_id, session, task
from holdfast.testing.simulated_site import REGION
from tests.simulation.reading import log, points
from tests.simulation.test_standing_restores import (
    DAY_SECONDS,
    claims,
    reap,
    remembered,
    restore,
    stands_as_it_was,
)

INSTANCE = "i-1"


def prune(site):
    """After two days, of which history keeps one."""
    site.run(lambda appliance: appliance.service.put_history(SessionHistory(1)))
    site.wait(2 * DAY_SECONDS)
    site.run(lambda appliance: Pruning(appliance.surface).prune())


def known(site, one):
    return one.id in [each.id for each in site.records.sessions.page(before=None, limit=99)]


def two_restores(surface):
    """Both running."""
    for number in (1, 2):
        opened = replace(session(number, State.RUNNING), kind=SessionKind.RESTORE)
        surface.records.sessions.open(opened, [task(10 + number, number, State.RUNNING)], {})
    return [surface.owner(hex_id(number), hex_id(10 + number), RESTORED) for number in (1, 2)]


@pytest.mark.parametrize("first", [0, 1])
def test_the_claim_that_is_written_first_holds(site, first):
    """Whichever was opened first, and however long it takes until the instance is written down."""

    def act(appliance):
        owners, old = two_restores(appliance.surface), OldVolumes(appliance.surface)
        holds, gives_way = owners[first], owners[1 - first]
        old.claim(holds, "main", REGION, INSTANCE)
        with pytest.raises(ConflictError) as refused:
            OldVolumes(appliance.surface).claim(gives_way, "main", REGION, INSTANCE)
        assert holds.session_id in refused.value.why
        old.claim(holds, "main", REGION, INSTANCE)
        old.claim(gives_way, "main", REGION, "i-2")
        assert [(row.task_id, row.object_id) for row in claims(site)] == [
            (holds.task_id, INSTANCE),
            (gives_way.task_id, "i-2"),
        ]

    site.run(act)


@pytest.mark.parametrize("first", [0, 1])
def test_of_two_that_look_at_the_same_moment_one_gives_way(site, monkeypatch, first):
    refused = []

    def act(appliance):
        owners, old = two_restores(appliance.surface), OldVolumes(appliance.surface)
        look = site.records.ledger.open_rows

        def claim(owner):
            try:
                old.claim(owner, "main", REGION, INSTANCE)
            except ConflictError:
                refused.append(owner)

        other = threading.Thread(target=claim, args=(owners[1 - first],))

        def look_slowly():
            seen = look()
            if not other.ident:
                other.start()
                # Time enough to look and to write, where nothing keeps it from that.
                other.join(0.2)
            return seen

        monkeypatch.setattr(site.records.ledger, "open_rows", look_slowly)
        claim(owners[first])
        other.join()
        assert refused == [owners[1 - first]]

    site.run(act)


def test_an_instance_is_put_back_however_short_history_is(protected):
    site = protected
    site.cloud.denied |= {"ec2:StartInstances", "ec2:DetachVolume"}
    failed = restore(site)
    assert failed.state == State.FAILED
    prune(site)
    (line,) = reap(site).failed
    assert all(one in line for one in site.old)
    site.cloud.denied.clear()
    assert reap(site).failed == []
    assert stands_as_it_was(site)
    assert (site.cloud.kept, remembered(site), claims(site)) == ({}, [], [])
    prune(site)
    assert not known(site, failed), "nothing is left of it"


def test_old_volumes_go_when_it_was_promised_however_short_history_is(protected):
    site = protected
    done = restore(site, keep_old_volumes_hours=72)
    assert done.state == State.SUCCEEDED
    prune(site)
    reap(site)
    assert set(site.cloud.kept) == site.old
    site.wait(DAY_SECONDS)
    reap(site)
    assert (site.cloud.kept, claims(site)) == ({}, [])
    prune(site)
    assert not known(site, done)


def test_old_volumes_that_wait_for_a_person_are_never_strange(protected):
    site = protected
    done = restore(site, power_on=False)
    assert done.state == State.WARNING
    prune(site)
    assert reap(site).strange == []
    site.cloud.kept.clear()
    reap(site)
    prune(site)
    assert not known(site, done)


def test_what_a_failed_restore_has_left_goes_however_short_history_is(protected):
    site = protected
    newest = points(site, "snapshot")[-1]
    site.cloud.delete(sorted(newest.snapshots.values())[-1])
    site.cloud.denied.add("ec2:DeleteVolume")
    opened = site.run(lambda appliance: appliance.service.start_restore(VolumeRestore(newest.id)))
    assert site.records.sessions.get(opened.id).state == State.FAILED
    prune(site)
    site.cloud.denied.clear()
    assert [one.kind for one in reap(site).removed] == ["volume"]
    prune(site)
    assert not known(site, opened)


def test_restores_that_ended_well_are_forgotten_in_time(protected):
    site = protected
    opened = site.run(lambda appliance: appliance.service.start_restore(VolumeRestore(points(site, "snapshot")[-1].id)))
    assert site.records.sessions.get(opened.id).state == State.SUCCEEDED
    prune(site)
    assert not known(site, opened)


def test_what_was_written_down_outlives_its_session(protected):
    """The records lost the session: what tells how the instance was is not thrown away for that."""
    site = protected
    site.cloud.denied |= {"ec2:StartInstances", "ec2:DetachVolume"}
    restore(site)
    names = remembered(site)
    site.wait(DAY_SECONDS)
    site.records.sessions.forget(site.loop.now(), (), 99)
    site.cloud.denied.clear()
    report = reap(site)
    assert {one.id for one in report.strange} == site.old
    assert any(site.instance in line for line in report.failed)
    assert [name for name in names if site.records.settings.sealed(name)] == names
    assert set(site.cloud.kept) == site.old
    again = restore(site)
    assert again.state == State.SUCCEEDED
    assert not [line for line in log(site, again) if "cannot be put back first" in line]
    assert [name for name in names if site.records.settings.sealed(name)] == []
    assert (site.cloud.kept, claims(site)) == ({}, [])
