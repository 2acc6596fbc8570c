"""How long restore points stay, as people read it: what each flag of a policy keeps."""

from collections.abc import Mapping
from typing import Any

_PERIODS = ("days", "weeks", "months", "years")
_TIERS = {"W": "weekly", "M": "monthly", "Y": "yearly"}


def kept_words(limit: Mapping[str, Any]) -> str:
    """`keeps 3`, or `14 days`."""
    if limit.get("keep") is not None:
        return f"keeps {limit['keep']}"
    return next((f"{limit[name]} {name}" for name in _PERIODS if limit.get(name) is not None), "")


def flag_words(backup: Mapping[str, Any]) -> dict[str, str]:
    """Flag -> which points of a backup target bear it, and how long each of them stays by it."""
    found = {"D": f"each point of the schedule or a person, {kept_words(backup['retention'])}"}
    return found | _tier_words(backup["retention"], "a point of its own")


def archive_words(archive: Mapping[str, Any]) -> dict[str, str]:
    """Flag -> when the newest backup is archived for it, and how long the archive stays by it."""
    return _tier_words(archive, "a copy")


def short_words(backup: Mapping[str, Any]) -> str:
    """`keeps 3, W 2 weeks, Y 7 years`."""
    return ", ".join([kept_words(backup["retention"]), *_short_tiers(backup["retention"])])


def short_archive_words(archive: Mapping[str, Any]) -> str:
    """`into cold, M 12 months, Y 7 years`."""
    return ", ".join([f"into {archive['repository']}", *_short_tiers(archive)])


def _short_tiers(target: Mapping[str, Any]) -> list[str]:
    tiers = [(flag, target.get(name)) for flag, name in _TIERS.items()]
    return [f"{flag} {kept_words(tier)}" for flag, tier in tiers if tier is not None]


def _tier_words(target: Mapping[str, Any], own: str) -> dict[str, str]:
    """`own`: what a tier has that falls on a day of its own."""
    found, at = dict[str, str](), None
    for flag, name in _TIERS.items():
        tier = target.get(name)
        if tier is not None:
            time = tier["at"] or at
            at = time if tier.get("on_day") is None else at
            found[flag] = f"{_day(tier, own)} at {time}, {kept_words(tier)}"
    return found


def _day(tier: Mapping[str, Any], own: str) -> str:
    if tier.get("on_day") is not None:
        month = tier.get("month") or "each month"
        return f"{own} on day {tier['on_day']} of {month}"
    words = (tier.get("week"), tier["day"], f"of {tier['month']}" if tier.get("month") else None)
    return " ".join(word for word in words if word)
