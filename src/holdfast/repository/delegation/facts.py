"""What a task or result says of things outside the repository (a snapshot, a target): opaque here, but bounded."""

from collections.abc import Mapping
from typing import Any

from holdfast.domain.errors import FormatError
from holdfast.repository.format.cbor import Fields

Facts = Mapping[str, Any]

_DEPTH_LIMIT = 4


def facts_of(fields: Fields, key: str) -> Facts:
    """The field `key`: texts, integers, truth values and null under texts, in lists and further maps."""
    value: dict[str, Any] = fields.get(key, dict)
    if not _is_plain(value, _DEPTH_LIMIT):
        raise FormatError(f"{fields.structure}: bad {key}", why="expected texts, numbers and maps of them")
    return value


def _is_plain(value: object, depth: int) -> bool:
    if isinstance(value, str | int | None):
        return True
    if depth == 0:
        return False
    if isinstance(value, list | tuple):
        return all(_is_plain(item, depth - 1) for item in value)
    return isinstance(value, dict) and all(
        isinstance(key, str) and _is_plain(item, depth - 1) for key, item in value.items()
    )
