"""kill -9 of the management server at the requests that it makes to AWS, and of its service: nothing is left over."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.campaign.kills import Kill, Outcome, kills_of, not_done, steps_of
from tests.e2e.campaign.proxy import AFTER, BEFORE, Step, Trap
from tests.e2e.campaign.server_site import ServerSite, running_server_site

CAMPAIGN = os.environ.get("CAMPAIGN")
MOST = int(os.environ.get("KILLS", "1000000"))
SEED = int(os.environ.get("SEED", "1"))
SERVER = "server"
INSTALL, DEPLOY, REMOVE, UNINSTALL = "plug-in install", "appliance deploy", "appliance remove", "plug-in remove"
ACTS: dict[str, Callable[[ServerSite], dict[str, Any]]] = {
    INSTALL: ServerSite.install,
    DEPLOY: ServerSite.deploy,
    REMOVE: ServerSite.remove_appliance,
    UNINSTALL: ServerSite.remove_plugin,
}
# In this order each kill leaves the state that the next one needs.
SAMPLED = [
    Kill(INSTALL, "", SERVER, Step("cloudformation CreateStack", 1), AFTER),
    Kill(DEPLOY, "", SERVER, Step("ec2 RunInstances", 1), AFTER),
    Kill(REMOVE, "", SERVER, Step("ec2 DeleteSecurityGroup", 1), BEFORE),
    Kill(UNINSTALL, "", SERVER, Step("cloudformation DeleteStack", 1), AFTER),
]


@pytest.fixture
def site(tmp_path):
    with running_server_site(tmp_path) as made:
        yield made


def be_before(site, story):
    """Bring about what the story begins with."""
    if story == INSTALL and site.installed():
        assert site.remove_plugin()["state"] == "succeeded"
    if story != INSTALL and not site.installed():
        assert site.install()["state"] == "succeeded"
    if story == REMOVE and not site.appliances():
        assert site.deploy()["state"] == "succeeded"
    if story in (DEPLOY, UNINSTALL) and site.appliances():
        assert site.remove_appliance()["state"] == "succeeded"


def killed(site: ServerSite, kill: Kill) -> Outcome:
    """The story with this kill; what was cut short is asked for again, as its error says, and nothing is left over."""
    be_before(site, kill.story)
    before = site.census()
    trap = Trap(kill.step, kill.when, site.kill)
    began_seconds = time.monotonic()
    site.proxy.begin(trap)
    session = ACTS[kill.story](site)
    if site.process.poll() is not None:
        site.revive()
    site.proxy.begin()
    findings = judged(site, kill.story, session, before)
    error = session["error"]
    return Outcome(
        kill.story,
        kill.mode,
        kill.victim,
        str(kill.step),
        kill.when,
        trap.sprung.is_set(),
        session["state"],
        f"{error['what']}: {error['why']}" if error else "",
        0,
        round(time.monotonic() - began_seconds, 1),
        tuple(findings),
    )


def judged(site, story, session, before):
    """What is wrong: a failure must leave what was there before, or something that another call ends."""
    good, found = session["state"] == "succeeded", []
    if story in (INSTALL, DEPLOY) and not good:
        found += differences("left", before, site.census(), story)
        if story == DEPLOY and site.appliances():
            found.append("a deployment that failed left its appliance")
    if story == DEPLOY and good and [one["state"] for one in site.appliances()] != ["available"]:
        found.append(f"appliances: {site.appliances()}")
    if story == REMOVE:
        if not good and site.appliances():
            again = site.remove_appliance()
            if again["state"] != "succeeded":
                return [*found, f"it cannot be removed: {again['error']}", *site.told(again["id"])]
        left = {kind: names for kind, names in site.census().items() if kind in ("instances", "security_groups")}
        found += [f"left: {left}"] if left else []
    if story == UNINSTALL:
        if not good and site.installed():
            again = site.remove_plugin()
            if again["state"] != "succeeded":
                return [*found, f"it cannot be removed: {again['error']}", *site.told(again["id"])]
        found += differences("left", {}, site.census(), story)
    return found


def differences(word, before, after, story):
    """Ids that came; for buckets, whose number of objects is not a deployment's business, their names."""
    found = []
    for kind, names in after.items():
        new = sorted(set(names) - set(before.get(kind, ())))
        found += [f"{word} after {story}: {kind} {one}" for one in new]
    return found


@pytest.mark.timeout(1800)
def test_the_server_and_its_service(site):
    for kill in SAMPLED:
        outcome = killed(site, kill)
        assert outcome.reached, kill
        assert outcome.findings == (), (kill, outcome)
        if kill.story == DEPLOY:
            be_before(site, REMOVE)
            kill_services(site, 3)
    assert site.census() == {}


@pytest.mark.parametrize("story", ACTS)
def test_every_step(site, story, count_case):
    be_before(site, story)
    site.proxy.begin()
    assert ACTS[story](site)["state"] == "succeeded"
    names = site.proxy.names()
    folder = Path(CAMPAIGN or "")
    folder.mkdir(parents=True, exist_ok=True)
    name = f"server {story}".replace(" ", "-")
    (folder / f"{name}.steps").write_text("\n".join(names) + "\n")
    ours = (Kill(story, "", SERVER, kill.step, kill.when) for kill in kills_of(story, "", steps_of(names)))
    bad, kills = [], not_done(ours, folder / f"{name}.jsonl")
    with (folder / f"{name}.jsonl").open("a") as rows:
        for kill in random.Random(SEED).sample(kills, min(MOST, len(kills))):
            outcome = killed(site, kill)
            rows.write(json.dumps(outcome.document()) + "\n")
            rows.flush()
            count_case()
            bad += [outcome] if outcome.findings else []
    assert not bad, bad


def kill_services(site, kills):
    """The mirror of an appliance whose service is killed again and again: every session once, as it ended."""
    dice, sessions = random.Random(SEED), []
    site.send("PUT", "/accounts/own", {"name": "own"})
    spec = {"account": "own", "regions": ["us-east-1"], "select": {"tags": {"nobody": "has"}}, "snapshot": {"keep": 1}}
    for number in range(kills):
        name = f"none-{number}"
        document = {"apiVersion": "holdfast/v1", "kind": "EC2Policy", "metadata": {"name": name}, "spec": spec}
        site.send("PUT", f"/policies/{name}", document)
        sessions.append(site.send("POST", f"/policies/{name}/run", {"targets": ["snapshot"]})["id"])
        time.sleep(dice.random())
        pid = site.service()["pid"]
        if pid:
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 180
    while mirrored(site) != {(one, "failed") for one in sessions}:
        assert time.monotonic() < deadline, (mirrored(site), sessions)
        time.sleep(0.5)


def mirrored(site):
    found = site.send("GET", "/sessions", query={"limit": "1000", "kind": "policy"})["items"]
    listed = [
        (one["session"]["id"], one["session"]["state"]) if "session" in one else (one["id"], one["state"])
        for one in found
    ]
    assert len(listed) == len({one for one, _ in listed}), "none is mirrored twice"
    return set(listed)
