"""Errors as `application/problem+json` (RFC 9457), both ways: what is raised there is raised here.

The code decides the class, so that the error arrives as what it was, with its words and exit status. A code of a newer
version becomes the nearest class: that of its exit status.
"""

from collections.abc import Mapping
from typing import Any

from holdfast.domain import errors
from holdfast.domain.errors import HoldfastError

MEDIA_TYPE = "application/problem+json"

# The first class that fits decides.
_STATUS: tuple[tuple[type[HoldfastError], int], ...] = (
    (errors.UsageError, 400),
    (errors.NotAuthenticatedError, 401),
    (errors.PermissionDeniedError, 403),
    (errors.NotFoundError, 404),
    (errors.ConflictError, 409),
    (errors.ThrottledError, 429),
    (errors.UnavailableError, 503),
)
_BESIDE = ("key", "objects")


def problem_of(error: HoldfastError, status: int | None = None) -> dict[str, Any]:
    """The document of an error."""
    document = {
        "type": f"/problems/{error.code}",
        "title": error.what,
        "status": status or status_of(error),
        "detail": error.why,
        "cure": error.cure,
        "code": error.code,
        "exit_status": error.exit_status,
    }
    return document | {name: getattr(error, name) for name in _BESIDE if hasattr(error, name)}


def status_of(error: HoldfastError) -> int:
    """The HTTP status of an error's class."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def error_of(document: object, status: int, place: str) -> HoldfastError:
    """The error that a document says. What is no problem document, from something in between, is UnavailableError."""
    if not isinstance(document, Mapping) or not isinstance(document.get("code"), str):
        return errors.UnavailableError(
            f"{place} answered what cannot be read",
            why=f"HTTP status {status} without a document that says why",
            cure="check the address, and what stands in between",
        )
    what, why, cure = (str(document.get(name, "")) for name in ("title", "detail", "cure"))
    return errors.error_again(
        document["code"],
        what,
        why=why,
        cure=cure,
        exit_status=document.get("exit_status", 1),
        objects=document.get("objects", ()),
        key=document.get("key", ""),
    )
