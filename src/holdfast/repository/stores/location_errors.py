"""The one refusal of words that name no place for a repository."""

import re

from holdfast.domain.errors import UsageError

_SECRET = re.compile(r"//[^/]*@")


def refuse(text: str, why: str, cure: str) -> UsageError:
    """The error for `text`; what stands where a URL carries a password is not repeated."""
    shown = _SECRET.sub("//…@", text[:200])
    return UsageError(f"{shown!r} is no place for a repository", why=why, cure=cure)
