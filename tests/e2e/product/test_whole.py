"""The same with workers that are instances, and schedules by the clock: minutes, so it is run when it is asked for."""

import time
from collections import Counter

import pytest

from holdfast.lab.actors import DATA_DEVICE
from tests.e2e.product.conftest import add_appliance, install_plugin
from tests.e2e.product.site import Site, changed

MIB = 1024**2
BACKUP = {"repository": "main", "retention": {"keep": 2}}
WORKERS = {"worker": {"mode": "ec2"}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """With bundles that workers boot from, and quotas as AWS has them."""
    made = Site(tmp_path_factory.mktemp("whole"), faults="pending=200ms")
    try:
        made.start_server()
        install_plugin(made, small_bundles=False)
        add_appliance(made)
        made.instance = made.people.start_instance("web-1", 64 * MIB, {"backup": "daily"})
        yield made
    finally:
        made.close()


def test_instances_move_the_data_and_are_gone(whole):
    people = whole.people
    whole.apply("web", select={"tags": {"backup": "daily"}}, backup=BACKUP, **WORKERS)
    before = whole.census()
    (full,) = whole.do("policy", "run", "web")["tasks"]
    # The group of all workers in that network goes with the appliance.
    until_changed(whole, before, security_groups=(1, 0), snapshots=(2, 0))
    assert full["workers"][0]["instance_id"]
    people.change_files(whole.instance, 2)
    before = whole.census()
    (task,) = whole.do("policy", "run", "web")["tasks"]
    assert 0 < task["progress"]["read_bytes"] < full["progress"]["read_bytes"] / 2
    until_changed(whole, before, snapshots=(2, 2))  # the base before goes

    content, was = whole.content(whole.instance), people.instance(whole.instance)
    point = task["result"]["restore_point"]
    people.destroy(whole.instance)
    before = whole.census()
    plan = whole.do("restore", "instance", point, "--plan")
    done = whole.do("restore", "instance", point, "--yes")
    (task,) = done["tasks"]
    whole.instance = task["result"]["instance_id"]
    assert whole.content(whole.instance) == content
    assert people.instance(whole.instance)["PrivateIpAddress"] == was["PrivateIpAddress"]
    people.check_file_system(people.disks(whole.instance)[DATA_DEVICE])
    until_changed(whole, before, instances=(1, 0), volumes=(2, 0), network_interfaces=(1, 0))
    assert whole.temporary(done["session"]["id"]) == Counter(one["kind"] for one in plan["objects"] if one["temporary"])


def test_a_cancelled_run_ends_its_instance(whole):
    whole.apply("web", select={"tags": {"backup": "daily"}}, backup=BACKUP, **WORKERS)
    before = whole.census()
    whole.lab_route("PUT", "faults", {"spec": "ebs:slow=3600s"})
    try:
        session = whole.do("policy", "run", "web", "--no-wait")["session"]
        whole.until(lambda: launched(whole, session), 240)
        whole.do("session", "cancel", session["id"], "--yes")
        ended = whole.do("session", "watch", session["id"], status=1)
    finally:
        whole.lab_route("PUT", "faults", {"spec": ""})
    assert ended["session"]["state"] == "cancelled"
    until_changed(whole, before)


def until_changed(site, before, **expected):
    """A worker that is ended takes a moment to be gone, as in AWS; nothing waits for it."""
    site.until(lambda: "shutting-down" not in site.lab_states())
    assert changed(before, site.census()) == expected


def launched(site, session):
    return [one for task in site.ask("GET", f"/sessions/{session['id']}")["tasks"] for one in task["workers"]]


def test_a_schedule_starts_a_policy_until_it_is_disabled(whole):
    schedule = {"cron": "* * * * *", "time_zone": "Europe/Berlin"}
    whole.apply("minute", select={"ids": [whole.instance]}, priority=1, snapshot={"keep": 1, "schedule": schedule})

    def ended():
        sessions = whole.do("session", "list", "--of", "minute")["sessions"]
        return [one for one in sessions if one["ended_at"]]

    first = whole.until(ended, 240)[0]
    assert (first["trigger"], first["state"]) == ("schedule", "succeeded")
    whole.do("policy", "disable", "minute")
    begun = len(whole.do("session", "list", "--of", "minute")["sessions"])
    time.sleep(65)
    assert len(whole.do("session", "list", "--of", "minute")["sessions"]) == begun
