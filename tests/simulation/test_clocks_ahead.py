"""What the appliance dated while its clock ran two years ahead stops nothing when the clock is right again."""

from datetime import datetime, timedelta

import pytest

from holdfast.domain.errors import UnavailableError
from holdfast.domain.policy import BackupTarget, Retention, Schedule, Weekday, WeeklyTier
from holdfast.domain.restore_point import Flag
from holdfast.domain.session import State
from holdfast.testing.simulated_site import SimulatedSite
from holdfast.testing.virtual_time import VirtualTimeLoop
from tests.simulation.reading import points
from tests.simulation.upkeep import sweep, tick

A_DAY = 24 * 3600
REFUSED = UnavailableError("AWS refuses", why="RequestTimeTooSkewed", cure="set the clock")


class ShiftedLoop(VirtualTimeLoop):
    shift = timedelta(0)

    def now(self) -> datetime:
        return super().now() + self.shift


class Site(SimulatedSite):
    """Its clock can be set ahead, and back."""

    def __init__(self) -> None:
        self.clock = ShiftedLoop()
        super().__init__(loop=self.clock)
        self.cloud.add_instance("web-1")

    def ahead(self) -> None:
        self.clock.shift = timedelta(days=730)

    def right_again(self) -> None:
        self.clock.shift = timedelta(0)

    def days(self, count: int) -> None:
        for _ in range(count):
            self.wait(A_DAY)
            tick(self)
            sweep(self)

    def collections(self, days: int) -> int:
        started = 0
        for _ in range(days):
            self.wait(A_DAY)
            started += len(self.run(lambda appliance: appliance.collections.tick()))
        return started


def nightly(site: SimulatedSite, retention: Retention) -> None:
    site.policy(snapshot=None, backup=BackupTarget("vault", retention, Schedule("0 1 * * *")))


@pytest.fixture
def site() -> Site:
    return Site()


def test_policies_go_on(site):
    nightly(site, Retention(keep=100))
    site.days(3)
    site.ahead()
    site.repository.fail_next = [REFUSED] * 50
    tick(site)
    site.repository.fail_next = []
    site.right_again()
    before = len(points(site, "image-backup"))
    site.days(10)
    assert len(points(site, "image-backup")) == before + 10


@pytest.mark.parametrize("again", [False, True], ids=["made", "enabled"])
def test_a_policy_that_was_made_or_enabled_then_runs(site, again):
    if again:
        nightly(site, Retention(keep=100))
        site.run(lambda appliance: appliance.service.enable_policy("web", False))
        site.ahead()
        site.run(lambda appliance: appliance.service.enable_policy("web", True))
    else:
        site.ahead()
        nightly(site, Retention(keep=100))
    site.right_again()
    site.days(5)
    assert len(points(site, "image-backup")) == 5


def test_collections_go_on_once_a_day(site):
    site.collections(3)
    site.ahead()
    assert site.collections(1) == 1
    site.right_again()
    assert site.collections(10) == 10


def test_a_repository_that_was_added_then_is_collected(site):
    site.ahead()
    site.run(lambda appliance: appliance.collections.tick())
    site.right_again()
    assert site.collections(10) >= 9


def test_a_point_of_then_takes_no_place_and_no_flag(site):
    nightly(site, Retention(keep=2, weekly=WeeklyTier(keep=5, day=Weekday.MONDAY, at="01:00")))
    site.ahead()
    site.wait(A_DAY)
    tick(site)
    site.right_again()
    [stray] = points(site, "image-backup")
    site.days(15)
    made = [one for one in points(site, "image-backup") if one.id != stray.id]
    assert len([one for one in made if Flag.DAILY in one.flags]) == 2
    assert len([one for one in made if Flag.WEEKLY in one.flags]) == 2
    assert stray.id in {one.id for one in points(site, "image-backup")}, "nothing is deleted for a wrong date"
    assert site.run_policy("web", "backup").state == State.SUCCEEDED
