"""What holds a version of an object, out of the answer to a HEAD (S3 User Guide, "Object Lock")."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from holdfast.repository.stores.locks import LOCK_MODE


def promised_until(found: Mapping[str, Any]) -> datetime | None:
    """Until when nobody at all can delete it: a lock in mode GOVERNANCE is lifted by whoever has the right."""
    return found.get("ObjectLockRetainUntilDate") if found.get("ObjectLockMode") == LOCK_MODE else None


def is_held(found: Mapping[str, Any], now: datetime) -> bool:
    """Whether a plain deletion is refused for now: in either mode, or by a legal hold, which has no end."""
    until = found.get("ObjectLockRetainUntilDate")
    return found.get("ObjectLockLegalHoldStatus") == "ON" or (until is not None and until > now)
