"""What an appliance does by itself goes on, whatever one round of it came to."""

import threading
from typing import Any, cast

import pytest

from holdfast.appliance.housekeeping import Housekeeping, Rhythm
from holdfast.appliance.sessions.lanes import Limits
from holdfast.appliance.upkeep.reaper import ReaperReport
from holdfast.domain.errors import UnavailableError
from holdfast.testing.simulated_site import SimulatedSite


class Reaping:
    """Fails at first, then counts."""

    def __init__(self, failure: BaseException) -> None:
        self._failures = [failure]
        self.went_on = threading.Event()

    def reap(self) -> ReaperReport:
        if self._failures:
            raise self._failures.pop()
        self.went_on.set()
        return ReaperReport()


def test_a_backup_whose_end_was_not_seen_is_settled(monkeypatch):
    site = SimulatedSite()
    site.cloud.add_instance("web-1")
    site.policy(snapshot=None)
    add, recorded = site.records.points.add, threading.Event()

    def fail(*_words: object) -> None:
        raise UnavailableError("away", why="x", cure="y")

    def note(*words: Any) -> None:
        add(*words)
        recorded.set()

    monkeypatch.setattr(site.records.points, "add", fail)
    site.run_policy("web", "backup")
    monkeypatch.setattr(site.records.points, "add", note)

    def act(appliance):
        reaping = cast(Any, Reaping(UnavailableError("away", why="x", cure="y")))
        keeping = Housekeeping(appliance.surface, appliance.workflows, appliance.service, reaping)
        keeping.prepare(Limits())
        keeping.start()
        try:
            assert recorded.wait(60), "nobody settles anything"
        finally:
            keeping.stop()

    site.run(act)
    assert [point.policy for point in site.records.points.page(before=None, limit=9)] == ["web"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("failure", [UnavailableError("away", why="x", cure="y"), ZeroDivisionError("a defect")])
def test_a_round_that_fails_is_not_the_last(failure):
    reaping = Reaping(failure)

    def act(appliance):
        rhythm = Rhythm(reaper_seconds=0.01, after_trouble_seconds=0.01)
        keeping = Housekeeping(appliance.surface, appliance.workflows, appliance.service, cast(Any, reaping), rhythm)
        keeping.prepare(Limits())
        keeping.start()
        try:
            assert reaping.went_on.wait(60), "nobody reaps any more"
        finally:
            keeping.stop()

    SimulatedSite().run(act)
    assert not any(thread.name == "reaper" for thread in threading.enumerate())
