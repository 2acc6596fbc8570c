"""Requests of one client: sent, answered, and repeated where that can do no harm."""

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from holdfast.domain.errors import HoldfastError, UnavailableError, UsageError
from holdfast.rest.client.failures import failure
from holdfast.rest.event_names import PROBLEM
from holdfast.rest.problems import error_of

BASE = "/api/v1"
TIMEOUT_SECONDS = 120.0
# What reads a repository or an account whole is answered when that is done.
LONG_TIMEOUT_SECONDS = 4 * 3600.0
CONNECT_TIMEOUT_SECONDS = 10.0
# A stream says something at least every ten seconds.
STREAM_TIMEOUT_SECONDS = 60.0
KEEP_IDLE_SECONDS = 10.0
# A connection on which nothing is said for minutes is forgotten by routers that stand between.
_SIGNS_OF_LIFE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 60),
)
_PAUSES_SECONDS = (0.2, 0.6, 1.8)
_WORTH_ANOTHER_TRY = frozenset({429, 502, 503, 504})


class Requests:
    """One HTTPS client. `pinned`: the only certificate (PEM) that is trusted; None: the system's authorities."""

    def __init__(
        self,
        url: str,
        context: ssl.SSLContext,
        *,
        pinned: str | None,
        headers: Mapping[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.place = checked_url(url)
        self.pinned = pinned
        self._sleep = sleep
        self._client = httpx.Client(
            base_url=self.place,
            transport=httpx.HTTPTransport(
                verify=context,
                limits=httpx.Limits(max_connections=None, keepalive_expiry=KEEP_IDLE_SECONDS),
                socket_options=_SIGNS_OF_LIFE,
                trust_env=False,
            ),
            headers=headers or {},
            trust_env=False,
            follow_redirects=False,
        )

    def send(self, method: str, path: str, document: object = None, query: Mapping[str, str] | None = None) -> Any:
        """The answer's document; None where there is none. A GET is repeated while the other side is not there, and
        anything once more where no connection came about in time: of that nothing was heard there.
        """
        content = None if document is None else json.dumps(document, separators=(",", ":")).encode()
        headers = {} if content is None else {"Content-Type": "application/json"}
        timeout = httpx.Timeout(_timeout_seconds(method, path, query), connect=CONNECT_TIMEOUT_SECONDS)
        pauses = iter(_PAUSES_SECONDS if method == "GET" else _PAUSES_SECONDS[:1])
        while True:
            try:
                answer = self._client.request(
                    method, BASE + path, content=content, headers=headers, params=query, timeout=timeout
                )
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                last: HoldfastError = failure(error, self.place, self.pinned)
                last.__cause__ = error
                is_repeated = method == "GET" or isinstance(error, httpx.ConnectTimeout)
                if not (is_repeated and isinstance(last, UnavailableError)):
                    raise last from error
            else:
                if answer.is_success:
                    return self._read(answer)
                last = self._error(answer)
                if method != "GET" or answer.status_code not in _WORTH_ANOTHER_TRY:
                    raise last
            pause_seconds = next(pauses, None)
            if pause_seconds is None:
                raise last from last.__cause__
            self._sleep(pause_seconds)

    def events(self, path: str) -> Iterator[tuple[str, Any]]:
        """(name, document) of each event of a stream until it ends; ("", None) for each sign of life between them."""
        timeout = httpx.Timeout(STREAM_TIMEOUT_SECONDS, connect=CONNECT_TIMEOUT_SECONDS)
        try:
            with self._client.stream("GET", BASE + path, timeout=timeout) as answer:
                if not answer.is_success:
                    answer.read()
                    raise self._error(answer)
                yield from self._events(answer.iter_lines())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise failure(error, self.place, self.pinned) from error

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _events(self, lines: Iterator[str]) -> Iterator[tuple[str, Any]]:
        name = ""
        for line in lines:
            field, _, value = line.partition(":")
            if line.startswith(":"):
                yield "", None
            elif field == "event":
                name = value.strip()
            elif field == "data":
                document = json.loads(value)
                if name == PROBLEM:
                    raise error_of(document, 500, self.place)
                yield name, document

    def _read(self, answer: httpx.Response) -> Any:
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise error_of(None, answer.status_code, self.place) from None

    def _error(self, answer: httpx.Response) -> HoldfastError:
        try:
            document = answer.json()
        except ValueError:
            document = None
        return error_of(document, answer.status_code, self.place)


def _timeout_seconds(method: str, path: str, query: Mapping[str, str] | None) -> float:
    """How long an answer is waited for: long, of an appliance and of the server that asks one, where all that is
    somewhere is taken on, opened anew or forgotten.
    """
    reads_all = method == "POST" and path.endswith(("/rescan", "/accept"))
    forgets_all = method == "DELETE" and "forget_points" in (query or {})
    return LONG_TIMEOUT_SECONDS if reads_all or forgets_all else TIMEOUT_SECONDS


def checked_url(url: str) -> str:
    """`https://HOST[:PORT]`. Raises UsageError: nothing is sent in clear."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme == "https" and parts.hostname and parts.path in {"", "/"} and (parts.port or True)
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(
            f"{url!r} is no address of a server", why="it is not https://HOST:PORT", cure="write it like that"
        )
    return url.rstrip("/")
