"""Tells the kept S3 which bucket and key a request has changed, before the request is answered."""

from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from holdfast.lab.http_front import run
from holdfast.lab.request_scope import scope_of

_READING = ("GET", "HEAD", "OPTIONS")


class KeepingS3:
    """A WSGI application around moto; `keep` is handed the bucket and the key (or an empty text) of each change."""

    def __init__(self, moto: WSGIApplication, keep: Callable[[str, str], None]) -> None:
        self._moto = moto
        self._keep = keep

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in _READING or scope_of(environ).service not in ("s3", ""):
            return self._moto(environ, start_response)
        # moto's own routes may change the environment; the path is taken as it came.
        _, bucket, *key = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace").split("/", 2)
        status, headers, body = run(self._moto, environ)
        if status.startswith("2") and bucket:
            self._keep(bucket, key[0] if key else "")
        start_response(status, headers)
        return body
