"""What is wrong with a value that somebody gave, in words for a person and not for a programmer of pydantic.

`error` is an entry of pydantic's `ValidationError.errors()` (pydantic documentation, "Validation Errors").
"""

from collections.abc import Mapping
from typing import Any

_WORDS = {
    "missing": "is missing",
    "enum": "is not one of {expected}",
    "literal_error": "is not one of {expected}",
    "greater_than_equal": "is less than {ge}",
    "greater_than": "is not more than {gt}",
    "less_than_equal": "is more than {le}",
    "less_than": "is not less than {lt}",
    "too_short": "has fewer than {min_length} entries",
    "too_long": "has more than {max_length} entries",
    "string_too_short": "has fewer than {min_length} characters",
    "string_too_long": "has more than {max_length} characters",
    "string_pattern_mismatch": "does not look like {pattern}",
    "json_invalid": "is no JSON: {error}",
    "value_error": "is refused: {error}",
}
# The first word of the types of which there are several: `int_type`, `int_parsing`, `int_from_float`.
_KINDS = {
    "int": "is no whole number",
    "float": "is no number",
    "decimal": "is no number",
    "bool": "is neither true nor false",
    "string": "is no text",
    "bytes": "is no text",
    "list": "is no list",
    "tuple": "is no list",
    "set": "is no list",
    "frozen": "is no list",
    "dict": "does not consist of names and values",
    "mapping": "does not consist of names and values",
    "dataclass": "does not consist of names and values",
    "model": "does not consist of names and values",
    "datetime": "is no time as RFC 3339 writes it",
    "date": "is no date",
    "time": "is no time of day",
}


def complaint(error: Mapping[str, Any]) -> str:
    """What is wrong, to be read behind the name of the value."""
    kind = str(error["type"])
    words = _WORDS.get(kind) or _KINDS.get(kind.partition("_")[0])
    return str(error["msg"]) if words is None else words.format_map(error.get("ctx", {}))
