"""An envelope as tags of snapshots, and back (docs/format/snapshot-tags.md)."""

import base64
import binascii
import hashlib
from collections.abc import Mapping

from holdfast.domain.errors import FormatError
from holdfast.domain.ownership import POINT

VERSION = "1"
# Of AWS's 50 tags, so that there is room for ours that say whose a snapshot is, and for people's.
MOST_PARTS = 24
# AWS's bound of a tag's value.
PART_CHARACTERS = 256
_CHECK_DIGITS = 16


def as_tags(point_id: str, envelope: bytes) -> dict[str, str] | None:
    """The tags; None where they would be too many."""
    text = base64.urlsafe_b64encode(envelope).decode().rstrip("=")
    parts = [text[place : place + PART_CHARACTERS] for place in range(0, len(text), PART_CHARACTERS)]
    if len(parts) > MOST_PARTS:
        return None
    head = f"{VERSION} {point_id} {len(parts)} {_check(text)}"
    return {POINT: head} | {_part(number): part for number, part in enumerate(parts)}


# In the place of a description: of a point that was deleted, while its snapshots still serve another one.
GONE = {POINT: "gone"}


def point_named(tags: Mapping[str, str]) -> str:
    """The id of the point that the tags speak of; nobody has vouched for it yet. Raises FormatError."""
    return _head(tags)[0]


def envelope_in(tags: Mapping[str, str]) -> bytes:
    """The envelope, whole and as it was written. Raises FormatError."""
    _point_id, count, check = _head(tags)
    parts = [tags.get(_part(number)) for number in range(count)]
    text = "".join(part for part in parts if part is not None)
    if None in parts or _check(text) != check:
        raise _altered("parts of it are missing, or are not what was written")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise _altered(str(error)) from error


def _head(tags: Mapping[str, str]) -> tuple[str, int, str]:
    words = tags.get(POINT, "").split(" ")
    if len(words) != 4 or not words[2].isdecimal() or int(words[2]) > MOST_PARTS:
        raise _altered(f"its tag {POINT} is not what we write")
    if words[0] != VERSION:
        raise _altered(f"it has version {words[0][:20]}, known is {VERSION}")
    return words[1], int(words[2]), words[3]


def _part(number: int) -> str:
    return f"{POINT}-{number}"


def _check(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_CHECK_DIGITS]


def _altered(why: str) -> FormatError:
    return FormatError(
        "the description in the tags cannot be read",
        why=why,
        cure="it was altered, or made by a newer Holdfast; the snapshot itself is untouched",
    )
