"""A policy with an archive, and what tests do with it."""

from holdfast.appliance.upkeep.policy_clock import PolicyClock
from holdfast.domain.policy import ArchiveTarget, BackupTarget, Month, MonthlyTier, Retention, Schedule, YearlyTier
from holdfast.domain.session import SessionKind
from tests.simulation.reading import points

DAY_SECONDS = 24 * 3600.0
# It is Monday, 2 March 2026, 09:00 in UTC.
NOON, MONTHLY = Schedule("0 12 * * *"), MonthlyTier(months=3, on_day=2, at="12:00")
YEARLY = YearlyTier(years=7, month=Month.MARCH, on_day=2, at="12:00")


def archived(site, *, yearly=None, monthly=MONTHLY, keep=2, schedule=NOON, **changed):
    """The policy."""
    backup, target = BackupTarget("vault", Retention(keep), schedule), ArchiveTarget("cold", monthly, yearly)
    return site.policy(snapshot=None, backup=backup, archive=target, **changed)


def archive(site, act=None):
    return site.run_policy("web", "archive") if act is None else site.run(act)


def copies(site):
    return points(site, "archive")


def configuration(site, point):
    return site.run(lambda appliance: appliance.service.get_point(point.id)).configuration


def kinds(site):
    return {one.kind for one in site.records.sessions.unfinished()}


def policy_clock(appliance):
    service = appliance.service
    return PolicyClock(
        appliance.surface,
        appliance.workflows.book,
        service.start_run,
        service.start_health_check,
        service.start_archive,
    )


def look(site):
    """The clocks are looked at once; the sessions that were started for archives."""

    def act(appliance):
        return policy_clock(appliance).tick()

    started = [site.records.sessions.get(one) for one in site.run(act)]
    return [one for one in started if one.kind == SessionKind.ARCHIVE]
