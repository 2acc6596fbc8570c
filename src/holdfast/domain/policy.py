"""EC2 policies: what is protected, where to, how often and for how long (docs/policies.md).

A policy document is `apiVersion`, `kind`, `metadata` and `spec`; these classes are its shape. `protocol/policies.py`
turns documents into them and refuses what they do not know.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from holdfast.domain.workload import FoundInstance

ANY_VALUE = "*"
CUSTOM_TAG_LIMIT = 5


@dataclass(frozen=True, slots=True)
class Selection:
    """Which instances: all, or those with one of the ids, or with one of the tags (value `*`: whatever value)."""

    all: bool = False
    ids: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    def matches(self, instance: FoundInstance) -> bool:
        """Whether the instance is meant."""
        return self.all or instance.id in self.ids or _carries_one(instance.tags, self.tags)


@dataclass(frozen=True, slots=True)
class Exclusion:
    """What is left out; wins over the selection. `volumes` are ids of volumes, `volume_tags` their tags."""

    ids: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    volume_tags: Mapping[str, str] = field(default_factory=dict)
    root_volumes: bool = False

    def matches(self, instance: FoundInstance) -> bool:
        """Whether the whole instance is left out."""
        return instance.id in self.ids or _carries_one(instance.tags, self.tags)

    def leaves_out(self, volume_id: str, tags: Mapping[str, str], *, root: bool) -> bool:
        """Whether a volume of an instance that is protected is left out."""
        return volume_id in self.volumes or (root and self.root_volumes) or _carries_one(tags, self.volume_tags)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When: a cron expression of five fields in a time zone of the IANA data base."""

    cron: str
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class SnapshotTarget:
    """Cloud-native snapshots: the newest `keep` of each instance stay. `tags` are added to each (at most five)."""

    keep: int
    schedule: Schedule | None = None
    copy_tags: bool = True
    tags: Mapping[str, str] = field(default_factory=dict)


class Weekday(StrEnum):
    """A day of the week."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


class Week(StrEnum):
    """Which of the days of that name in a month."""

    FIRST = "first"
    SECOND = "second"
    THIRD = "third"
    FOURTH = "fourth"
    LAST = "last"


class Month(StrEnum):
    """A month of the year."""

    JANUARY = "january"
    FEBRUARY = "february"
    MARCH = "march"
    APRIL = "april"
    MAY = "may"
    JUNE = "june"
    JULY = "july"
    AUGUST = "august"
    SEPTEMBER = "september"
    OCTOBER = "october"
    NOVEMBER = "november"
    DECEMBER = "december"


@dataclass(frozen=True, slots=True)
class Limit:
    """Of each workload the newest `keep` points stay, or those that are younger than so many days, weeks, months or
    years: exactly one of them is given.
    """

    keep: int | None = None
    days: int | None = None
    weeks: int | None = None
    months: int | None = None
    years: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeeklyTier(Limit):
    """Which point of a week stays longer. `at` is a time of day of the schedule, as 07:00."""

    day: Weekday
    at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthlyTier(Limit):
    """Which point of a month stays longer: that of a weekday (`week`, `day`) at the time of day of the tier below, or
    one that is made beside the schedule (`on_day`; a day that the month has not is its last) at any time.
    """

    week: Week | None = None
    day: Weekday | None = None
    on_day: int | None = None
    at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class YearlyTier(MonthlyTier):
    """Which point of a year stays longer: the same in one month."""

    month: Month


@dataclass(frozen=True, slots=True)
class Retention(Limit):
    """What stays in the repository of all that the schedule makes, and of what is chosen to stay longer."""

    weekly: WeeklyTier | None = None
    monthly: MonthlyTier | None = None
    yearly: YearlyTier | None = None


@dataclass(frozen=True, slots=True)
class BackupTarget:
    """Image-level backups into a repository, named as the appliance knows it."""

    repository: str
    retention: Retention
    schedule: Schedule | None = None
    compression: str = "default"


@dataclass(frozen=True, slots=True)
class ArchiveTarget:
    """Copies of the newest image backups into a repository of class archive, once a month, once a year, or both: each
    stays there as the tiers say that it was made for (E16).
    """

    repository: str
    monthly: MonthlyTier | None = None
    yearly: YearlyTier | None = None


class WorkerMode(StrEnum):
    """Where data is moved: on a temporary instance, or in a process beside the appliance."""

    EC2 = "ec2"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class WorkerChoice:
    """How workers are made; what is None is chosen for each instance (docs/policies.md)."""

    mode: WorkerMode = WorkerMode.EC2
    instance_type: str | None = None
    subnet_id: str | None = None
    security_group_ids: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """When the newest image backup of each instance is read back whole: never while the policy runs, but after it."""

    schedule: Schedule


@dataclass(frozen=True, slots=True)
class Ec2Policy:
    """A policy for EC2 instances of one account. Of policies that match one instance the one with the lowest
    `priority` number protects it, of equals the one that was made first (E03).
    """

    name: str
    account: str
    regions: tuple[str, ...]
    select: Selection
    exclude: Exclusion = Exclusion()
    description: str = ""
    priority: int = 100
    snapshot: SnapshotTarget | None = None
    backup: BackupTarget | None = None
    archive: ArchiveTarget | None = None
    health_check: HealthCheck | None = None
    worker: WorkerChoice = WorkerChoice()

    @property
    def repositories(self) -> tuple[str, ...]:
        """Those that it names."""
        return tuple(target.repository for target in (self.backup, self.archive) if target is not None)

    def choose(self, found: Iterable[FoundInstance]) -> list[FoundInstance]:
        """The instances of `found` that this policy means, by region and id; exclusions win."""
        chosen = [one for one in found if self.select.matches(one) and not self.exclude.matches(one)]
        return sorted(chosen, key=lambda one: (one.region, one.id))


def _carries_one(tags: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return any(key in tags and value in (ANY_VALUE, tags[key]) for key, value in wanted.items())
