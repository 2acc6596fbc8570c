"""How long restore points stay, in words."""

from holdfast.cli.retention_words import archive_words, flag_words, kept_words, short_archive_words, short_words
from holdfast.domain.policy import (
    ArchiveTarget,
    BackupTarget,
    Month,
    MonthlyTier,
    Retention,
    Week,
    Weekday,
    WeeklyTier,
    YearlyTier,
)
from holdfast.protocol.encoding import to_document


def test_every_flag_says_which_points_and_how_long():
    retention = Retention(
        days=14,
        weekly=WeeklyTier(weeks=5, day=Weekday.SUNDAY, at="01:30"),
        monthly=MonthlyTier(keep=12, week=Week.LAST, day=Weekday.SUNDAY),
        yearly=YearlyTier(years=7, on_day=31, month=Month.DECEMBER, at="22:00"),
    )
    backup = to_document(BackupTarget("vault", retention))
    assert short_words(backup) == "14 days, W 5 weeks, M keeps 12, Y 7 years"
    assert flag_words(backup) == {
        "D": "each point of the schedule or a person, 14 days",
        "W": "sunday at 01:30, 5 weeks",
        "M": "last sunday at 01:30, keeps 12",
        "Y": "a point of its own on day 31 of december at 22:00, 7 years",
    }


def test_a_number_alone():
    assert short_words(to_document(BackupTarget("vault", Retention(3)))) == "keeps 3"
    assert kept_words({"keep": 6}) == "keeps 6"


def test_days_of_their_own_and_of_one_month():
    monthly = MonthlyTier(months=3, on_day=31, at="22:00")
    yearly = YearlyTier(years=3, week=Week.FIRST, day=Weekday.MONDAY, month=Month.MAY, at="03:00")
    words = flag_words(to_document(BackupTarget("vault", Retention(keep=2, monthly=monthly, yearly=yearly))))
    assert words["M"] == "a point of its own on day 31 of each month at 22:00, 3 months"
    assert words["Y"] == "first monday of may at 03:00, 3 years"


def test_an_archive_says_where_when_and_how_long():
    monthly = MonthlyTier(months=12, week=Week.LAST, day=Weekday.SUNDAY, at="23:00")
    archive = to_document(
        ArchiveTarget("cold", monthly, YearlyTier(years=7, on_day=31, month=Month.DECEMBER, at="23:30"))
    )
    assert short_archive_words(archive) == "into cold, M 12 months, Y 7 years"
    assert archive_words(archive) == {
        "M": "last sunday at 23:00, 12 months",
        "Y": "a copy on day 31 of december at 23:30, 7 years",
    }
