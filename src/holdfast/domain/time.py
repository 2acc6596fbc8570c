"""Times as the repository and the interfaces write them: RFC 3339 in UTC. Nothing here asks for now."""

from datetime import UTC, datetime, timedelta

from holdfast.domain.errors import UsageError

# Clocks are put right by less than this every day; what is dated so much later than now is of one that ran ahead.
AHEAD = timedelta(hours=1)


def is_ahead(moment: datetime, now: datetime) -> bool:
    """Whether `moment`, at which something was done, lies after `now`: it was dated by a clock that ran ahead."""
    return moment > now + AHEAD


def format_time(moment: datetime) -> str:
    """`2026-11-22T20:38:02.123456Z`; `moment` must know its zone."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """The moment in `text`: RFC 3339; a time without a zone is meant in UTC. UsageError otherwise."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{text!r} is no time", why="expected a form like 2026-11-22T20:38:02Z", cure="write the time as RFC 3339"
        ) from error
