"""Which object keys are valid: one rule for every store, so that a repository can move from any store to any other."""

import functools
import re

from holdfast.domain.errors import UsageError

# S3 allows 1,024 bytes for prefix and key together; half of it leaves the prefix as much room as the key.
MAX_KEY_BYTES = 512
# The longest file name of ext4, XFS and NFS.
MAX_PART_BYTES = 255
# The directory store keeps unfinished files here; no store has objects under it.
INCOMING_FOLDER = "incoming"
# What file systems and their tools put beside a repository: ext4's lost+found at a mount point, and hidden names
# (.snapshot of storage appliances, .nfs… of deleted open files). None of it is ever an object.
_FOREIGN_FOLDER = "lost+found"

_PRINTABLE_ASCII = re.compile(r"[\x20-\x7e]+")


def check_key(key: str) -> None:
    """Refuse what is no object key (UsageError): `/`-separated parts of printable ASCII, none empty or hidden."""
    why = _fault_of(key)
    if why:
        raise UsageError(
            f"object key {key[:80]!r} refused",
            why=why,
            cure="a key has `/`-separated parts of printable ASCII; this is a fault of the caller, please report it",
        )


def is_key(key: str) -> bool:
    """Whether `key` is one; a bucket may hold other things."""
    return not _fault_of(key)


@functools.lru_cache(maxsize=4096)  # the same keys are asked about again and again
def _fault_of(key: str) -> str:
    if not _PRINTABLE_ASCII.fullmatch(key):
        return "it is empty or holds characters that are not printable ASCII"
    if len(key) > MAX_KEY_BYTES:
        return f"it is longer than {MAX_KEY_BYTES} bytes"
    parts = key.split("/")
    if any(not part or part.startswith(".") for part in parts):
        return "a part of it is empty or begins with a dot"
    if any(len(part) > MAX_PART_BYTES for part in parts):
        return f"a part of it is longer than {MAX_PART_BYTES} bytes"
    if parts[0] in (INCOMING_FOLDER, _FOREIGN_FOLDER):
        return f"`{parts[0]}/` belongs to the directory store or its file system"
    return ""
