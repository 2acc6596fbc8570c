"""One kill: of whom, in which story, at which request; what came of it, as a row of the campaign's table."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.e2e.campaign.audit import Audit
from tests.e2e.campaign.naming import OURS, is_read
from tests.e2e.campaign.proxy import AFTER, BEFORE, Step, Trap
from tests.e2e.campaign.site import Site
from tests.e2e.campaign.stories import STORIES, Cast

APPLIANCE, WORKER = "appliance", "worker"
# Of requests of one name that change something, the first ones and the last; of those that only read, the first.
_CHANGES_EACH = 3
# What a local worker asks through the proxy; an instance's processes ask the lab directly.
_OF_WORKERS = ("ebs ", "s3 PUT packs", "s3 GET packs")
_LONGEST_DELAY_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class Kill:
    """A case of the campaign."""

    story: str
    mode: str
    victim: str
    step: Step
    when: str

    def __str__(self) -> str:
        return f"{self.story}, {self.mode} workers: {self.victim} killed {self.when} {self.step}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. `reached`: whether the request came at all; `state` is the session's, `attempts` its workers."""

    story: str
    mode: str
    victim: str
    step: str
    when: str
    reached: bool
    state: str
    error: str
    attempts: int
    seconds: float
    findings: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        return asdict(self)


def steps_of(names: Iterable[str]) -> list[Step]:
    """The steps of a story, of the requests that it made."""
    counts = Counter(name for name in names if not name.endswith(OURS))
    steps = []
    for name, number in counts.items():
        chosen = {1} if is_read(name) else {*range(1, min(number, _CHANGES_EACH) + 1), number}
        steps += [Step(name, one) for one in sorted(chosen)]
    return steps


def not_done(kills: Iterable[Kill], rows: Path) -> list[Kill]:
    """Those of which that file has no row yet: a campaign that was ended goes on where it stopped."""
    written = rows.read_text().splitlines() if rows.exists() else []
    done = Counter((row["victim"], row["step"], row["when"]) for row in map(json.loads, written))
    left = []
    for kill in kills:
        which = (kill.victim, str(kill.step), kill.when)
        if done[which]:
            done[which] -= 1
        else:
            left.append(kill)
    return left


def kills_of(story: str, mode: str, steps: Iterable[Step]) -> list[Kill]:
    """Before and after each request that changes something, then once at those that only read."""
    found = []
    for step in sorted(steps, key=lambda step: is_read(step.name)):
        moments = (AFTER,) if is_read(step.name) else (BEFORE, AFTER)
        found += [Kill(story, mode, APPLIANCE, step, when) for when in moments]
        if mode == "local" and step.name.startswith(_OF_WORKERS):
            found += [Kill(story, mode, WORKER, step, when) for when in moments]
        elif mode == "ec2" and step.name in ("sqs SendMessage", "ec2 RunInstances"):
            # Its requests are not seen here: it dies some time after it was launched, or given its task.
            found += [Kill(story, mode, WORKER, step, AFTER)] * 3
    return found


def recorded(site: Site, cast: Cast, audit: Audit, story: str, mode: str) -> list[str]:
    """The requests of a story that nobody disturbs."""
    begun = STORIES[story](cast, mode)
    site.proxy.begin()
    told = begun.start_and_end(site)
    names = site.proxy.names()
    findings = audit.judge(told)
    assert told.good, (told.detail, site.told(told.session_id))
    assert not findings, findings
    return names


def killed(site: Site, cast: Cast, audit: Audit, kill: Kill, dice: random.Random) -> Outcome:
    """Tell the story with this kill in it, to its end, and look at what is there."""
    begun = STORIES[kill.story](cast, kill.mode)
    trap = Trap(kill.step, kill.when, lambda: _strike(site, kill, dice))
    began_seconds = time.monotonic()
    site.proxy.begin(trap)
    told = begun.start_and_end(site)
    # A kill may come with the last request of all.
    if site.appliance.process.poll() is not None:
        site.revive()
    site.proxy.begin()
    findings = audit.judge(told)
    session = told.detail["session"]
    errors = [one["error"] for one in (session, *told.detail["tasks"]) if one["error"]]
    return Outcome(
        kill.story,
        kill.mode,
        kill.victim,
        str(kill.step),
        kill.when,
        trap.sprung.is_set(),
        session["state"],
        f"{errors[-1]['what']}: {errors[-1]['why']}" if errors else "",
        max((len(task["workers"]) for task in told.detail["tasks"]), default=0),
        round(time.monotonic() - began_seconds, 1),
        tuple(findings),
    )


def _strike(site: Site, kill: Kill, dice: random.Random) -> bool:
    if kill.victim == APPLIANCE:
        return site.appliance.kill()
    if kill.mode == "local":
        return site.appliance.kill_worker()
    delay_seconds = dice.random() * _LONGEST_DELAY_SECONDS
    threading.Timer(delay_seconds, site.kill_instances, ["worker"]).start()
    return False
