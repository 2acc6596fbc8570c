"""The metadata service of one instance, version 2 only: a token first, then what `metadata_tree.py` has.

It answers on a loopback port of its own, which stands in for 169.254.169.254.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html
"""

import secrets
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from holdfast.lab.instances.metadata_tree import CREDENTIALS, InstanceFacts, documents, look_up

TOKEN_PATH = "latest/api/token"  # noqa: S105 - a path, not a token
MAX_TOKEN_SECONDS = 21_600
TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN_HEADER = "X-aws-ec2-metadata-token"  # noqa: S105 - a header's name
_POLL_SECONDS = 0.2
Answer = tuple[HTTPStatus, bytes, dict[str, str]]


class Metadata:
    """What the service answers. `facts` is asked at every request, and is None where the endpoint is switched off;
    `credentials` gives the document for the role that the facts name.
    """

    def __init__(
        self, facts: Callable[[], InstanceFacts | None], credentials: Callable[[], str], now: Callable[[], float]
    ) -> None:
        self._facts = facts
        self._credentials = credentials
        self._now = now
        self._tokens: dict[str, float] = {}
        self._adding = threading.Lock()

    def put(self, path: str, ttl: str | None, forwarded: bool) -> Answer:  # the service's name
        """PUT: a token, to whom did not come through a proxy."""
        if self._facts() is None or forwarded:
            return _error(HTTPStatus.FORBIDDEN)
        if path != TOKEN_PATH:
            return _error(HTTPStatus.NOT_FOUND)
        if ttl is None or not ttl.isdecimal() or not 1 <= int(ttl) <= MAX_TOKEN_SECONDS:
            return _error(HTTPStatus.BAD_REQUEST)
        token = secrets.token_urlsafe(40)
        now = self._now()
        with self._adding:
            self._tokens = {known: until for known, until in self._tokens.items() if until >= now}
            self._tokens[token] = now + int(ttl)
        return HTTPStatus.OK, token.encode(), {TTL_HEADER: ttl}

    def get(self, path: str, token: str | None) -> Answer:
        """GET: text, to whom has a token of this instance."""
        facts = self._facts()
        if facts is None:
            return _error(HTTPStatus.FORBIDDEN)
        until = self._tokens.get(token or "", 0.0)
        if until < self._now():
            return _error(HTTPStatus.UNAUTHORIZED)
        if facts.role and path == CREDENTIALS + facts.role:
            found: bytes | None = self._credentials().encode()
        else:
            found = look_up(documents(facts), path)
        if found is None:
            return _error(HTTPStatus.NOT_FOUND)
        return HTTPStatus.OK, found, {TTL_HEADER: str(int(until - self._now()))}


class MetadataServer:
    """The service on its port, from construction to `close`; `endpoint` is AWS_EC2_METADATA_SERVICE_ENDPOINT."""

    def __init__(self, metadata: Metadata) -> None:
        class Handler(_Handler):
            """The handler of this instance."""

            service = metadata

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="metadata", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    service: Metadata
    protocol_version = "HTTP/1.1"
    server_version = "EC2ws"
    sys_version = ""

    def do_PUT(self) -> None:
        """A token."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        forwarded = self.headers.get("X-Forwarded-For") is not None
        self._send(self.service.put(self._path(), self.headers.get(TTL_HEADER), forwarded))

    def do_GET(self) -> None:
        """Text, or the names below a path."""
        self._send(self.service.get(self._path(), self.headers.get(TOKEN_HEADER)))

    def _path(self) -> str:
        return unquote(urlsplit(self.path).path).lstrip("/")

    def _send(self, answer: Answer) -> None:
        status, body, headers = answer
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *words: object) -> None:
        """Keep quiet."""


def _error(status: HTTPStatus) -> Answer:
    return status, f"{status.value} - {status.phrase}\n".encode(), {}
