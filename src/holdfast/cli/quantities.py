"""Sizes and times as people write and read them."""

import re
from datetime import timedelta

from holdfast.domain.errors import UsageError

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_KEEP = re.compile(r"([1-9][0-9]{0,3})([dwy])")
_KEEP_DAYS = {"d": 1, "w": 7, "y": 365}
_LONGEST_KEEP_DAYS = 100 * 365
_SIZE = re.compile(r"(\d{1,19}) ?(?:B|([KMGTPE])(?:iB)?)?", re.ASCII)


def human_size(size_bytes: float) -> str:
    """`1.5 GiB`; whole bytes below 1 KiB."""
    if size_bytes < 1024:
        return f"{size_bytes:.0f} B"
    power = 1
    while power < len(_UNITS) and size_bytes / 1024**power >= 1023.95:
        power += 1
    return f"{size_bytes / 1024**power:.1f} {_UNITS[power - 1]}"


def human_duration(duration_seconds: float) -> str:
    """`4.2 s`, `3 min 20 s`, `2 h 5 min`."""
    if duration_seconds < 59.95:
        return f"{duration_seconds:.1f} s"
    minutes, seconds = divmod(round(duration_seconds), 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    return f"{minutes // 60} h {minutes % 60} min"


def short_time(text: str) -> str:
    """A stored time without its fraction."""
    return text.removesuffix("Z").partition(".")[0] + "Z"


def to_the_minute(text: str) -> str:
    """A stored time as lists have room for it: `2026-11-22T20:38Z`."""
    return text[:16] + "Z"


def parse_size(text: str, option: str) -> int:
    """Bytes in `64MiB`, `64M` or `67108864`; units are powers of 1024. UsageError names the option."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{option} {text!r} is no size", why="a size is a number and a unit", cure="write 64MiB or 1GiB"
        )
    number, unit = match.groups()
    return int(number) * (1024 ** (1 + "KMGTPE".index(unit)) if unit else 1)


def parse_days(text: str, option: str) -> int | None:
    """A number of days in `90`; None for `forever`. UsageError names the option."""
    number = text.strip()
    if number == "forever":
        return None
    if not (number.isascii() and number.isdigit()):
        raise UsageError(
            f"{option} {text!r} is no number of days", why="it is a whole number, or forever", cure="write 90"
        )
    return int(number)


def parse_keep(text: str, option: str) -> timedelta:
    """How long, in `30d`, `6w` or `1y` (days, weeks, years of 365 days). UsageError names the option."""
    match = _KEEP.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{option} {text!r} is no time to keep", why="it is a number and a unit", cure="write 30d, 6w or 1y"
        )
    days = int(match[1]) * _KEEP_DAYS[match[2]]
    if days > _LONGEST_KEEP_DAYS:
        raise UsageError(
            f"{option} {text!r} is too long", why="a promise is made for a century at most", cure="write 100y or less"
        )
    return timedelta(days=days)


def parse_percent(text: str, option: str) -> int:
    """1 to 100 in `10` or `10%`; UsageError names the option."""
    number = text.strip().removesuffix("%")
    if not (number.isascii() and number.isdigit() and 1 <= int(number) <= 100):
        raise UsageError(
            f"{option} {text!r} is no share", why="a share is a whole number from 1 to 100", cure="write 10 or 10%"
        )
    return int(number)
