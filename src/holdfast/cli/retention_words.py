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
    retention = backup["retention"]
    found = {"D": f"each point of the schedule or a person, {kept_words(retention)}"}
    at = None
    for flag, name in _TIERS.items():
        tier = retention.get(name)
        if tier is not None:
            time = tier["at"] or at
            at = time if tier.get("on_day") is None else at
            found[flag] = f"{_day(tier)} at {time}, {kept_words(tier)}"
    return found


def short_words(backup: Mapping[str, Any]) -> str:
    """`keeps 3, W 2 weeks, Y 7 years`."""
    tiers = [(flag, backup["retention"].get(name)) for flag, name in _TIERS.items()]
    return ", ".join(
        [kept_words(backup["retention"]), *(f"{flag} {kept_words(tier)}" for flag, tier in tiers if tier is not None)]
    )


def _day(tier: Mapping[str, Any]) -> str:
    if tier.get("on_day") is not None:
        month = tier.get("month") or "each month"
        return f"a point of its own on day {tier['on_day']} of {month}"
    words = (tier.get("week"), tier["day"], f"of {tier['month']}" if tier.get("month") else None)
    return " ".join(word for word in words if word)
