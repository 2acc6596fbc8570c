"""Archive classes of S3 on the lab's clock: an object there is cold at once, a retrieval takes its tier's time, and the
copy goes at midnight in UTC after its days.

Rules: S3 API Reference, RestoreObject, GetObject, HeadObject; S3 User Guide, "Restoring an archived object" and
"Understanding archive retrieval options" (the longest time that it calls typical). moto alone retrieves at once,
takes any tier, and never lets a copy go.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote
from weakref import WeakKeyDictionary
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from moto.moto_api import state_manager
from moto.s3.models import FakeKey

from holdfast.domain.archive import BY_JOB_MOSTLY, LIST_PRICES, ArchiveClass, Tier, end_of_copy
from holdfast.lab import aws_errors
from holdfast.lab.aws_errors import AwsError
from holdfast.lab.request_scope import scope_of
from holdfast.lab.s3_objects import version_at

_DAYS = re.compile(rb"<Days>\s*(\d{1,9})\s*</Days>")
_TIER = re.compile(rb"<Tier>\s*(\w+)\s*</Tier>")
_COLD = AwsError("InvalidObjectState", "The operation is not valid for the object's storage class", "403 Forbidden")
_NOT_COLD = AwsError(
    "InvalidObjectState", "Restore is not allowed for the object's current storage class", "403 Forbidden"
)
_UNDER_WAY = AwsError("RestoreAlreadyInProgress", "Object restore is already in progress", "409 Conflict")
_MALFORMED = AwsError("MalformedXML", "The XML you provided was not well-formed", "400 Bad Request")
_NO_VERSION = AwsError("NoSuchVersion", "The specified version does not exist.", "404 Not Found")
_NO_DAYS = AwsError("InvalidArgument", "Restoration days should be at least 1", "400 Bad Request")
_NO_TIER = AwsError("InvalidArgument", "Retrieval option is not supported by this storage class", "400 Bad Request")
# Of a GET these ask for something else than the object's content.
_ASIDE = frozenset({"acl", "attributes", "legal-hold", "retention", "tagging", "torrent", "uploadId"})


@dataclass(frozen=True, slots=True)
class Copy:
    """A retrieved copy: from `ready` to `gone`, in the lab's time."""

    ready: datetime
    gone: datetime
    tier: Tier


class Retrievals:
    """Which objects of moto's S3 have copies, or will; `now` gives the lab's seconds since the epoch."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._copies: WeakKeyDictionary[FakeKey, Copy] = WeakKeyDictionary()
        # What moto shows of a key is what `show` sets; it must not go on by itself.
        state_manager.set_transition("s3::keyrestore", {"progression": "manual", "times": 1 << 62})

    def copy_of(self, key: FakeKey) -> Copy | None:
        """The copy that there is or will be; one whose time is over is gone."""
        copy = self._copies.get(key)
        return copy if copy is not None and copy.gone > self._moment() else None

    def recall(self, key: FakeKey, copy: Copy) -> None:
        """A copy of an earlier lab on the same folder."""
        self._copies[key] = copy

    def is_readable(self, key: FakeKey) -> bool:
        """Whether a GET gives the content now."""
        copy = self.copy_of(key)
        return key.storage_class not in ArchiveClass.__members__ or (copy is not None and copy.ready <= self._moment())

    def show(self, key: FakeKey) -> None:
        """Let moto say by `x-amz-restore` what is true now."""
        copy = self.copy_of(key)
        key.set_expiry(None if copy is None else copy.gone)
        key._status = None if copy is None else "RESTORED" if copy.ready <= self._moment() else "IN_PROGRESS"

    def ask(self, key: FakeKey, days: int, tier: Tier) -> AwsError | bool:
        """RestoreObject: an error, or whether there was a copy already, whose end is then set anew."""
        offers = LIST_PRICES.offers(ArchiveClass(str(key.storage_class)))
        if tier not in offers:
            return _NO_TIER
        now, copy = self._moment(), self.copy_of(key)
        if copy is not None and copy.ready <= now:
            self._copies[key] = Copy(copy.ready, end_of_copy(now, days), copy.tier)
            return True
        if copy is not None and offers[tier].longest >= offers[copy.tier].longest:
            return _UNDER_WAY
        ready = now + (BY_JOB_MOSTLY if tier.is_by_job else offers[tier].longest)
        self._copies[key] = Copy(ready, end_of_copy(ready, days), tier)
        return False

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)


class ArchivingS3:
    """A WSGI application around moto that answers for cold objects."""

    def __init__(self, moto: WSGIApplication, retrievals: Retrievals) -> None:
        self._moto = moto
        self._retrievals = retrievals

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if scope_of(environ).service not in ("s3", ""):
            return self._moto(environ, start_response)
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        source = _found(*_source(environ))
        if source is not None:
            self._retrievals.show(source)
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        version = query.get("versionId", [None])[0]
        key = _found(path, version)
        method = environ["REQUEST_METHOD"]
        restores = method == "POST" and "restore" in query
        if key is None and restores and version is not None and _found(path, None) is not None:
            return aws_errors.send(_NO_VERSION, "s3", environ, start_response)  # moto looks at no version
        if key is None:
            return self._moto(environ, start_response)
        self._retrievals.show(key)
        if restores:
            return self._restore(key, environ, start_response)
        if method == "GET" and _ASIDE.isdisjoint(query) and not self._retrievals.is_readable(key):
            return aws_errors.send(_COLD, "s3", environ, start_response)
        return self._moto(environ, start_response)

    def _restore(self, key: FakeKey, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = self._ask(key, environ["wsgi.input"].read())
        if isinstance(answer, AwsError):
            return aws_errors.send(answer, "s3", environ, start_response)
        start_response("200 OK" if answer else "202 Accepted", [("Content-Length", "0")])
        return (b"",)

    def _ask(self, key: FakeKey, body: bytes) -> AwsError | bool:
        if key.storage_class not in ArchiveClass.__members__:
            return _NOT_COLD
        days, tier = _DAYS.search(body), _TIER.search(body)
        named = "standard" if tier is None else tier[1].decode().lower()
        # By a request for one object nobody gets what S3 Batch Operations get.
        if days is None or named not in [tier for tier in Tier if not tier.is_by_job]:
            return _MALFORMED
        return self._retrievals.ask(key, int(days[1]), Tier(named)) if int(days[1]) else _NO_DAYS


def _source(environ: WSGIEnvironment) -> tuple[str, str | None]:
    """Path and version of what is to be copied; both empty where nothing is."""
    path, _, version = unquote(environ.get("HTTP_X_AMZ_COPY_SOURCE", "")).partition("?versionId=")
    return "/" + path.lstrip("/"), version or None


def _found(path: str, version: str | None) -> FakeKey | None:
    """The object at `/bucket/key`, None where there is none."""
    found = version_at(path, version)
    return found if isinstance(found, FakeKey) else None
