"""Archive classes in S3's words: the storage class and `x-amz-restore` of a HEAD (S3 API Reference, HeadObject)."""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import UnavailableError
from holdfast.repository.object_store import Coldness
from holdfast.signed_http.aws_answers import Refusal

_COPY = re.compile(r'ongoing-request="false", *expiry-date="([^"]+)"')
_UNDER_WAY = 'ongoing-request="true"'
# What RestoreObject says of one that is being retrieved already, and of one that is not in an archive class.
_NOTHING_TO_DO = frozenset({"RestoreAlreadyInProgress", "InvalidObjectState", "ObjectAlreadyInActiveTierError"})


def coldness_of(found: Mapping[str, Any], name: str) -> Coldness | None:
    """Of botocore's answer to a HEAD of `name`; None where the object can be read at once."""
    if found.get("StorageClass") not in ArchiveClass.__members__:
        return None
    restore = str(found.get("Restore") or "")
    if not restore:
        return Coldness()
    if _UNDER_WAY in restore:
        return Coldness(under_way=True)
    copy = _COPY.search(restore)
    return Coldness(readable_until=None if copy is None else _moment(copy[1], name))


def _moment(text: str, name: str) -> datetime:
    try:
        return parsedate_to_datetime(text)
    except ValueError as error:
        raise UnavailableError(
            f"the state of {name} cannot be read",
            why=f"the store says that its copy goes on {text!r}",
            cure="run the command again; if it happens again, the store does not keep to S3's rules",
        ) from error


def is_done_already(refusal: Refusal) -> bool:
    """Whether a refused RestoreObject leaves nothing to ask for (S3 API Reference, RestoreObject: special errors)."""
    return refusal.code in _NOTHING_TO_DO
