"""kill -9 of appliances and their workers at the requests that they make to AWS, real processes all.

Whatever dies when, the session goes on to its end; nothing is left, lost or doubled (`audit.py`). The default run is a
sample. With CAMPAIGN=FOLDER every step of every story is a kill, and each leaves a line in that folder, of which
`tests/e2e/campaign/page.py` makes docs/kill-campaign.md: `make campaign`. KILLS bounds the kills of a story; those that
have a line already are not made again, so that a campaign goes on where it was ended.
"""

import json
import os
import random
from pathlib import Path

import pytest

from holdfast.aws.bundle.building import build_bundle
from tests.e2e.campaign.audit import Audit
from tests.e2e.campaign.kills import APPLIANCE, WORKER, Kill, killed, kills_of, not_done, recorded, steps_of
from tests.e2e.campaign.proxy import AFTER, Step
from tests.e2e.campaign.site import running_site
from tests.e2e.campaign.stories import STORIES, Cast

CAMPAIGN = os.environ.get("CAMPAIGN")
MOST = int(os.environ.get("KILLS", "1000000"))
SEED = int(os.environ.get("SEED", "1"))
SAMPLE = 2
# In the other mode a session differs by its worker alone.
WITH_INSTANCES = ("incremental backup", "instance restore", "volume restore")
# A story with a worker on an instance takes as long as five with a local one.
ALWAYS = [
    Kill("full backup", "local", WORKER, Step("ebs GetSnapshotBlock", 3), AFTER),
    Kill("full backup", "ec2", APPLIANCE, Step("ec2 RunInstances", 1), AFTER),
]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    return build_bundle("worker", tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def site(tmp_path, bundle):
    with running_site(tmp_path, bundle) as made:
        yield made


def all_is_well(outcome):
    assert outcome.findings == (), outcome
    assert outcome.state in ("succeeded", "warning"), outcome


@pytest.mark.timeout(1800)
def test_a_sample_of_kills(site):
    dice, cast = random.Random(SEED), Cast(site)
    cast.instance("local")
    audit = Audit(site)
    for story in ("incremental backup", "instance restore"):
        kills = kills_of(story, "local", steps_of(recorded(site, cast, audit, story, "local")))
        left = SAMPLE // 2
        for kill in dice.sample(kills, len(kills)):
            outcome = killed(site, cast, audit, kill, dice)
            all_is_well(outcome)
            # How often something is asked hangs on how fast things go: what is not asked this time kills nobody.
            left -= outcome.reached
            if not left:
                break
        assert not left
    for kill in ALWAYS:
        outcome = killed(site, cast, audit, kill, dice)
        assert outcome.reached, outcome
        all_is_well(outcome)
    assert audit.everything() == []


@pytest.mark.parametrize(
    ("story", "mode"), [*((story, "local") for story in STORIES), *((story, "ec2") for story in WITH_INSTANCES)]
)
def test_every_step(site, story, mode, count_case):
    dice, cast = random.Random(SEED), Cast(site)
    cast.instance(mode)
    audit = Audit(site)
    names = recorded(site, cast, audit, story, mode)
    page = Path(CAMPAIGN or "")
    page.mkdir(parents=True, exist_ok=True)
    name = f"{story} {mode}".replace(" ", "-")
    (page / f"{name}.steps").write_text("\n".join(names) + "\n")
    bad: list[object] = []
    kills = not_done(kills_of(story, mode, steps_of(names)), page / f"{name}.jsonl")
    with (page / f"{name}.jsonl").open("a") as rows:
        for kill in dice.sample(kills, min(MOST, len(kills))):
            outcome = killed(site, cast, audit, kill, dice)
            rows.write(json.dumps(outcome.document()) + "\n")
            rows.flush()
            count_case()
            if outcome.findings or outcome.state not in ("succeeded", "warning"):
                bad.append(outcome)
    bad += audit.everything()
    assert not bad, bad
