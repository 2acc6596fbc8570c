"""What was asked of IAM, and what it said: a witness from which a table of permissions can be made."""

import re
import threading
from collections import Counter
from typing import Any

# More kinds of questions than this are not kept, only counted.
MAX_KINDS = 10_000
_LAST_PART = re.compile(r"(?<=[/])[^/]*$")
_ID = re.compile(r"^arn:[^:]*:(?:ec2|kms):.*")


class Witness:
    """Counts questions by principal, action, pattern of the resource, and answer; safe for threads."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str, str]] = Counter()
        self._left_out = 0
        self._lock = threading.Lock()

    def add(self, principal: str, action: str, resource: str, decision: str) -> None:
        """Count one question."""
        entry = (principal, action, pattern_of(resource), decision)
        with self._lock:
            if entry in self._counts or len(self._counts) < MAX_KINDS:
                self._counts[entry] += 1
            else:
                self._left_out += 1

    def document(self) -> dict[str, Any]:
        """All questions since the lab started, sorted."""
        with self._lock:
            entries = sorted(self._counts.items())
            left_out = self._left_out
        names = ("principal", "action", "resource", "decision")
        return {
            "decisions": [dict(zip(names, entry, strict=True)) | {"count": count} for entry, count in entries],
            "left_out": left_out,
        }


def pattern_of(resource: str) -> str:
    """The resource without what changes from run to run: the id in EC2's and KMS's ARNs, the key in S3's."""
    if resource.startswith("arn:aws:s3:::") and "/" in resource:
        return f"{resource.partition('/')[0]}/*"
    return _LAST_PART.sub("*", resource) if _ID.match(resource) else resource
