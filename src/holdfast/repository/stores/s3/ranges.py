"""Byte ranges over HTTP, and answers that do not keep to them.

Some servers answer a range with status 200 and the whole object, some with 200 and the range (`rclone serve s3`), so
status and length are compared before a byte is used.
"""

import re
from collections.abc import Callable

from holdfast.domain.errors import UnavailableError
from holdfast.signed_http.messages import Buffer, HttpResponse

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def range_header(offset: int, length: int | None) -> str | None:
    """The value of the Range header; None for the whole object. `length` is not 0."""
    if length is None:
        return f"bytes={offset}-" if offset else None
    return f"bytes={offset}-{offset + length - 1}"


def exact_range(
    response: HttpResponse, offset: int, length: int | None, size_bytes: Callable[[], int], name: str
) -> Buffer:
    """The bytes that were asked for, out of a successful answer.

    `size_bytes` asks the store for the object's size; it is called only where the answer leaves a doubt. Raises
    UnavailableError for an answer that fits neither the range nor the whole object.
    """
    body = response.body
    if length is None and offset == 0 and response.status == 200:
        return body
    stated = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if stated is not None:
        fits = int(stated[1]) == offset and int(stated[2]) - offset + 1 == len(body)
        if fits and (length is None or len(body) <= length):
            return body
    elif response.status == 200:
        wanted_end = None if length is None else offset + length
        size = len(body) if offset == 0 and length != len(body) else size_bytes()
        if len(body) == size:
            return memoryview(body)[offset:wanted_end]
        if len(body) == max(0, min(size, wanted_end if wanted_end is not None else size) - offset):
            return body
    raise UnavailableError(
        f"reading {name} failed",
        why=f"the store answered {len(body)} bytes to a request for {length} at {offset}",
        cure="run the command again; if it happens again, the store does not keep to HTTP's rules for ranges",
    )
