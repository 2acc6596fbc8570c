"""What a person writes for a repository's place, and the store that it stands for.

A place is written in one of these ways:

    DIR, file:///path                    a directory, local or NFS
    s3://bucket/prefix[?options]         region=, endpoint=, path_style=true|false, class=, storage_class=
    memory:                              a new, empty store in this process, for tests
"""

import os
import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from holdfast.domain.archive import ArchiveClass
from holdfast.patience import DEFAULT_POLICY, RetryPolicy
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.retrieval_jobs import RetrievalJobs
from holdfast.repository.stores.counting import CountingStore, RequestCounts
from holdfast.repository.stores.directory import DirectoryStore
from holdfast.repository.stores.location_errors import refuse
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.stores.retrying import RetryingStore
from holdfast.repository.stores.s3.location import S3Location, parse_s3_location

# Where a person names the role of retrievals by jobs.
ROLE_VARIABLE = "HOLDFAST_RETRIEVAL_ROLE"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
# Behind a bucket these are options; behind a folder somebody took it for a bucket.
_OPTIONS = re.compile(r"\?[a-z_]+=")


@dataclass(frozen=True, slots=True)
class MemoryLocation:
    """`memory:`"""

    @property
    def canonical(self) -> str:
        """The one spelling of this place."""
        return "memory:"


@dataclass(frozen=True, slots=True)
class DirectoryLocation:
    """A folder; `path` is absolute."""

    path: str

    @property
    def canonical(self) -> str:
        """The one spelling of this place: its absolute path, as a URL where that looks like one with options."""
        return f"file://{quote(self.path)}" if _OPTIONS.search(self.path) else self.path


Location = MemoryLocation | DirectoryLocation | S3Location


def parse_location(text: str) -> Location:
    """The place that `text` names; raises UsageError. Touches nothing: a directory with a colon is written ./a:b."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _parse_plain_path(text)
    match scheme.group(1).lower():
        case "memory":
            if text != "memory:":
                raise refuse(text, "`memory:` takes nothing behind it", "write `memory:`")
            return MemoryLocation()
        case "file":
            return _parse_file_url(text)
        case "s3":
            return parse_s3_location(text)
        case other:
            raise refuse(
                text, f"`{other}:` is no kind of store", "write a directory, file:///path or s3://bucket/prefix"
            )


def open_store(
    location: Location | str,
    *,
    counts: RequestCounts | None = None,
    retry: RetryPolicy = DEFAULT_POLICY,
) -> ObjectStore:
    """The store at `location` with its wrappers: every attempt is counted in `counts`, and passing faults are retried.

    Raises UsageError, and for S3 PermissionDeniedError where there are no credentials. Touches no network.
    """
    place = parse_location(location) if isinstance(location, str) else location
    store = _open_raw(place)
    store = CountingStore(store, counts if counts is not None else RequestCounts())
    return RetryingStore(store, retry)


def open_retrieval_jobs(location: str, role: str | None) -> RetrievalJobs | None:
    """What asks by one job for much that is cold at `location`, under the role of that ARN: S3 has such jobs, other
    places none, and none is begun without a role. Raises UsageError, PermissionDeniedError. Touches no network.
    """
    place = parse_location(location)
    if not role or not isinstance(place, S3Location):
        return None
    from holdfast.repository.stores.s3.retrieval_jobs import S3RetrievalJobs
    from holdfast.repository.stores.s3.session import AwsSession

    return S3RetrievalJobs(place, AwsSession(place.region), role)


def asked_class(location: str) -> ArchiveClass | None:
    """The archive class that a person wrote into the location, None where there is none. Raises UsageError."""
    place = parse_location(location)
    return place.archive_class if isinstance(place, S3Location) else None


def _open_raw(place: Location) -> ObjectStore:
    match place:
        case MemoryLocation():
            return MemoryStore()
        case DirectoryLocation(path):
            return DirectoryStore(path)
        case S3Location():
            # Here and not above: boto3 costs 0.2 s to import, and only this kind of store needs it.
            from holdfast.repository.stores.s3.store import open_s3_store

            return open_s3_store(place)


def _parse_plain_path(text: str) -> DirectoryLocation:
    if _OPTIONS.search(text):
        raise refuse(
            text,
            "a directory takes no options; classes, regions and endpoints are of S3",
            f"leave them out, or write s3://bucket/prefix?…; a folder of that very name is file://{quote(os.path.abspath(text))}",
        )
    return _parse_directory(text)


def _parse_directory(text: str) -> DirectoryLocation:
    if not text or "\0" in text:
        raise refuse(
            text, "it is empty or holds a NUL character", "write a directory, file:///path or s3://bucket/prefix"
        )
    return DirectoryLocation(os.path.abspath(os.path.expanduser(text)))


def _parse_file_url(text: str) -> DirectoryLocation:
    parts = urlsplit(text)
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path.startswith("/") or parts.query or parts.fragment:
        raise refuse(text, "a file URL names an absolute path on this machine and no options", "write file:///path")
    return _parse_directory(path)
