"""JSON from outside: read within limits, before anything is made of it."""

import json
import re
from typing import Any, NoReturn

from holdfast.domain.errors import UsageError

BODY_LIMIT_BYTES = 1024 * 1024
DEPTH_LIMIT = 32
PAGE_LIMIT = 1000

# A string that never ends reaches to the body's end, and nothing is tried twice: the time grows with the body alone.
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[][{}]', re.DOTALL)

_SURROGATE = re.compile(rb"\\u[dD][89abAB]|\\u[dD][c-fC-F]")


def read_document(body: bytes) -> Any:
    """The document in a body. Raises UsageError for what is no JSON in UTF-8, nests deeper than 32, or names a key
    twice.
    """
    _refuse_deep(body)
    try:
        # Not left to `json`, which takes UTF-16, too: there the bytes of brackets and quotes mean something else.
        document = json.loads(body.decode(), parse_constant=_refuse_constant, object_pairs_hook=_once)
        if _SURROGATE.search(body):
            json.dumps(document, ensure_ascii=False).encode()  # half of a pair can be read, but never written
        return document
    except ValueError as error:
        raise refusal(str(error)) from None


def refusal(why: str) -> UsageError:
    """The error of a body that cannot be meant."""
    return UsageError("the body of the request cannot be read", why=why, cure="send one JSON document (docs/rest.md)")


def too_large(limit_bytes: int) -> UsageError:
    """The error of a body that is not read to its end."""
    return refusal(f"it is larger than {limit_bytes} bytes")


def _refuse_deep(body: bytes) -> None:
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(body):
        token = found[0]
        if token in b"[{":
            depth += 1
            if depth > DEPTH_LIMIT:
                raise refusal(f"it nests deeper than {DEPTH_LIMIT}")
        elif token in b"]}":
            depth -= 1


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return document
