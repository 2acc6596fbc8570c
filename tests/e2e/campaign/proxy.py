"""A proxy before the lab that counts requests by name, and kills a victim at the one that it is told.

The victim dies before the request is handed on (it was never made), or after the lab has answered and before the answer
is delivered (it was made, and nobody knows).
"""

import http.client
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.e2e.campaign.naming import request_name

BEFORE, AFTER = "before", "after"
_HOP_HEADERS = frozenset({"connection", "keep-alive", "transfer-encoding", "expect", "proxy-connection"})


@dataclass(frozen=True, slots=True)
class Step:
    """The `occurrence`-th request of that name, counted from 1."""

    name: str
    occurrence: int

    def __str__(self) -> str:
        return self.name if self.occurrence == 1 else f"{self.name} #{self.occurrence}"


@dataclass
class Trap:
    """Kills once. `kill` says whether whoever asked is dead now; `sprung` is set when it was called."""

    step: Step
    when: str
    kill: Callable[[], bool]
    sprung: threading.Event = field(default_factory=threading.Event)


class KillingProxy:
    """Answers at `endpoint`; everything is handed on to the lab."""

    def __init__(self, lab: str) -> None:
        self.lab_address = urlsplit(lab).netloc
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._names: list[str] = []
        self._trap: Trap | None = None
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="proxy", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def begin(self, trap: Trap | None = None) -> None:
        """Count anew, with this trap."""
        with self._lock:
            self._counts.clear()
            self._names.clear()
            self._trap = trap

    def names(self) -> list[str]:
        """Requests since `begin`, in order."""
        with self._lock:
            return list(self._names)

    def counted(self, name: str) -> Trap | None:
        """Count a request; the trap, if this is its step."""
        with self._lock:
            self._counts[name] += 1
            self._names.append(name)
            trap = self._trap
            if trap is None or (name, self._counts[name]) != (trap.step.name, trap.step.occurrence):
                return None
            self._trap = None
            return trap


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    proxy: KillingProxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections end when victims do."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        super().setup()
        self._lab = http.client.HTTPConnection(self.server.proxy.lab_address, timeout=120)

    def finish(self) -> None:
        self._lab.close()
        super().finish()

    def handle_expect_100(self) -> bool:
        handled = super().handle_expect_100()
        self.wfile.flush()
        return handled

    def log_message(self, format: str, *words: Any) -> None:
        """Nobody listens."""

    def _forward(self) -> None:
        body = self._body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        trap = self.server.proxy.counted(request_name(self.command, self.path, headers, body))
        if trap is not None and trap.when == BEFORE and self._is_dead_by(trap):
            return
        passed = [(name, value) for name, value in self.headers.items() if name.lower() not in _HOP_HEADERS]
        status, reason, answered, content = self._answer(passed, body)
        if trap is not None and trap.when == AFTER and self._is_dead_by(trap):
            return
        self.send_response_only(status, reason)
        for name, value in answered:
            if name.lower() not in _HOP_HEADERS | {"content-length"}:
                self.send_header(name, value)
        told = {name.lower(): value for name, value in answered}.get("content-length")
        self.send_header("Content-Length", told if self.command == "HEAD" and told else str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _forward

    def _is_dead_by(self, trap: Trap) -> bool:
        # Before: whoever sees it dead asks at once whether it was this.
        trap.sprung.set()
        dead = trap.kill()
        self.close_connection = dead
        return dead

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(pieces)

    def _answer(self, headers: list[tuple[str, str]], body: bytes) -> tuple[int, str, list[tuple[str, str]], bytes]:
        """A connection that the lab has closed in the meantime is opened anew, before anything was answered."""
        for again in (True, False):
            try:
                self._lab.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in headers:
                    if name.lower() != "content-length":
                        self._lab.putheader(name, value)
                if body or self.command in ("POST", "PUT"):
                    self._lab.putheader("Content-Length", str(len(body)))
                self._lab.endheaders(body or None)
                answer = self._lab.getresponse()
                return answer.status, answer.reason, answer.getheaders(), answer.read()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self._lab.close()
                if not again:
                    raise
        raise AssertionError("not reached")
