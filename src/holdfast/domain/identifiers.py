"""Names and ids: what they may look like, and what becomes of a new one.

Random bytes are handed in; nothing here draws any.
"""

import re

from holdfast.domain.errors import UsageError

NAME_LIMIT = 127
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,125}[A-Za-z0-9])?")
_INSTANCE = re.compile(r"i-[0-9a-f]{8,17}")
_VOLUME = re.compile(r"vol-[0-9a-f]{8,17}")
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]")


def checked_name(text: str, what: str) -> str:
    """A name that people give (policy, repository, account, appliance). Raises UsageError."""
    if _NAME.fullmatch(text):
        return text
    raise UsageError(
        f"{text!r} is no name for {what}",
        why=f"a name has 1 to {NAME_LIMIT} letters, digits, dots, hyphens or underscores, and begins and ends with "
        "a letter or digit",
        cure="choose another name",
    )


def new_id(random_bytes: bytes) -> str:
    """The id of a session, task or point: 16 random bytes in hex."""
    if len(random_bytes) != 16:
        raise ValueError("an id is made of 16 random bytes")
    return random_bytes.hex()


def is_instance_id(text: str) -> bool:
    """Whether `text` has the form of an EC2 instance id."""
    return _INSTANCE.fullmatch(text) is not None


def is_volume_id(text: str) -> bool:
    """Whether `text` has the form of an EBS volume id."""
    return _VOLUME.fullmatch(text) is not None


def is_region(text: str) -> bool:
    """Whether `text` has the form of an AWS region."""
    return _REGION.fullmatch(text) is not None
