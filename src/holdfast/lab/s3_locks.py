"""Object Lock on the lab's clock, and delete markers, as AWS documents them, where moto is too lenient.

S3 User Guide, "Locking objects with Object Lock": a lock in mode COMPLIANCE is never shortened, a retain-until date
lies in the future; "Working with delete markers": a GET that meets one is answered 404 with `x-amz-delete-marker`.
moto lets locks be shortened, ends them by the machine's clock, fails where the object is missing, and has that header
for HEAD alone.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from io import BytesIO
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from moto.s3.models import FakeDeleteMarker, FakeKey

from holdfast.lab import aws_errors
from holdfast.lab.aws_errors import AwsError
from holdfast.lab.http_front import run
from holdfast.lab.request_scope import scope_of
from holdfast.lab.s3_objects import version_at

_DATE = re.compile(rb"<RetainUntilDate>\s*([^<\s]+)\s*</RetainUntilDate>")
_SHORTENED = AwsError("AccessDenied", "Access Denied because object protected by object lock.", "403 Forbidden")
_MISSING = AwsError("NoSuchKey", "The specified key does not exist.", "404 Not Found")
_PAST = AwsError("InvalidArgument", "The retain until date must be in the future!", "400 Bad Request")


class LockingS3:
    """A WSGI application around moto that refuses what no lock allows; `now` gives the lab's seconds since 1970."""

    def __init__(self, moto: WSGIApplication, now: Callable[[], float]) -> None:
        self._moto = moto
        self._now = now
        _install(self._moment)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if scope_of(environ).service not in ("s3", ""):
            return self._moto(environ, start_response)
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        method = environ["REQUEST_METHOD"]
        found = version_at(path, query.get("versionId", [None])[0])
        if method == "PUT":
            now = self._moment()
            refusal = _of_retention(environ, found, now) if "retention" in query else _of_put(environ, now)
            if refusal is not None:
                return aws_errors.send(refusal, "s3", environ, start_response)
        if method == "GET" and isinstance(found, FakeDeleteMarker) and "versionId" not in query:
            status, headers, body = run(self._moto, environ)
            start_response(status, [*headers, ("x-amz-delete-marker", "true")])
            return body
        return self._moto(environ, start_response)

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self._now(), UTC)


def _install(now: Callable[[], datetime]) -> None:
    """In the place of moto's answer to whether a version may not be deleted."""

    def is_locked(self: FakeKey, governance_bypass: bool) -> bool:
        if self.lock_legal_status == "ON":
            return True
        if self.lock_mode not in ("GOVERNANCE", "COMPLIANCE") or (self.lock_mode == "GOVERNANCE" and governance_bypass):
            return False
        return _moment(str(self.lock_until)) > now()

    FakeKey.is_locked = is_locked  # type: ignore[method-assign]


def _of_put(environ: WSGIEnvironment, now: datetime) -> AwsError | None:
    until = environ.get("HTTP_X_AMZ_OBJECT_LOCK_RETAIN_UNTIL_DATE")
    return None if until is None or _moment(until) > now else _PAST


def _of_retention(environ: WSGIEnvironment, found: FakeKey | FakeDeleteMarker | None, now: datetime) -> AwsError | None:
    if not isinstance(found, FakeKey):
        return _MISSING
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = BytesIO(body)
    asked = _DATE.search(body)
    if asked is None or found.lock_mode != "COMPLIANCE" or not found.lock_until:
        return None
    until = _moment(str(found.lock_until))
    return _SHORTENED if now < until and _moment(asked[1].decode()) < until else None


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
