"""Requests to one key of S3 are done one after the other, as in AWS.

moto looks whether a key exists and then writes it: of several writers with `If-None-Match: *` at once, more than one
would win. And it throws the old content away while somebody else still reads it.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from holdfast.lab.http_front import run
from holdfast.lab.request_scope import scope_of


class OneRequestPerKey:
    """A WSGI application around moto, in which requests to the same path of S3 wait for each other."""

    def __init__(self, moto: WSGIApplication) -> None:
        self._moto = moto
        self._paths: dict[str, tuple[threading.Lock, int]] = {}
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if scope_of(environ).service not in ("s3", ""):
            return self._moto(environ, start_response)
        with self._alone(environ["PATH_INFO"]):
            status, headers, body = run(self._moto, environ)
        start_response(status, headers)
        return body

    @contextmanager
    def _alone(self, path: str) -> Iterator[None]:
        with self._lock:
            lock, users = self._paths.get(path, (threading.Lock(), 0))
            self._paths[path] = lock, users + 1
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, users = self._paths.pop(path)
                if users > 1:
                    self._paths[path] = lock, users - 1
