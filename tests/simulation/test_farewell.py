"""An appliance that will be removed ends what runs, begins nothing more, and leaves its restore points alone."""

import asyncio

import pytest

from holdfast.appliance.ports.cloud import Ownership
from holdfast.domain.errors import ConflictError
from holdfast.domain.session import State
from tests.simulation.reading import assert_nothing_left, points


def farewell(site):
    return site.run(lambda appliance: appliance.service.say_farewell())


def test_what_runs_is_cancelled_and_nothing_begins_any_more(site):
    site.cloud.add_instance("web-1")
    site.policy()

    async def leave(appliance):
        session = appliance.service.run_policy("web", ("snapshot", "backup"))
        for _ in range(600):
            if any(one.kind == "instance" for one in site.cloud.objects.values()):
                break
            await asyncio.sleep(1)
        return session.id, appliance.service.say_farewell()

    session_id, state = site.run(leave)
    assert state.unfinished == 1
    assert site.records.sessions.get(session_id).state == State.CANCELLED
    again = farewell(site)
    assert (again.unfinished, again.left) == (0, ())
    assert_nothing_left(site)
    with pytest.raises(ConflictError):
        site.run_policy()


def test_what_only_served_it_goes_and_points_stay(site):
    site.cloud.add_instance("web-1")
    site.policy()
    assert site.run_policy().state == State.SUCCEEDED
    kept = {snapshot for point in points(site) for snapshot in point.snapshots.values()}
    owner = Ownership("ap-1", "", "", 0, "deployment")
    group = site.cloud.create("security-group", "", "eu-central-1", owner, "group")
    other = site.cloud.create("role", "", "eu-central-1", Ownership("ap-2", "s", "t", 1, "worker"), "role")
    assert farewell(site).left == ()
    assert group.id not in site.cloud.objects
    assert other.id in site.cloud.objects
    assert kept <= set(site.cloud.objects)
    assert kept


def test_taken_back_it_begins_again(site):
    site.cloud.add_instance("web-1")
    site.policy()
    assert not site.run(lambda appliance: appliance.service.facts()).leaving
    farewell(site)
    assert site.run(lambda appliance: appliance.service.facts()).leaving
    assert site.run(lambda appliance: appliance.service.changes(0, 1, 0)).leaving
    site.run(lambda appliance: appliance.service.take_farewell_back())
    assert not site.run(lambda appliance: appliance.service.changes(0, 1, 0)).leaving
    assert site.run_policy().state == State.SUCCEEDED


def test_enrolled_again_it_begins_again(site):
    site.cloud.add_instance("web-1")
    site.policy()
    farewell(site)
    pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    site.run(lambda appliance: appliance.service.adopt("another server", pem))
    assert site.run_policy().state == State.SUCCEEDED
