"""Until when: the one mode of Object Lock that is used, and how its dates are written."""

from datetime import UTC, datetime, timedelta

# Nobody shortens or removes it, the account's root user neither ("Locking objects with Object Lock", retention modes).
LOCK_MODE = "COMPLIANCE"


def whole_second(moment: datetime) -> datetime:
    """The moment in UTC, rounded up to a whole second: S3 may drop fractions, and a lock must not end early."""
    utc = moment.astimezone(UTC)
    return utc if utc.microsecond == 0 else utc.replace(microsecond=0) + timedelta(seconds=1)
