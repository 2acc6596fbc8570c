"""A small HTTP server in this process, whose every answer a test decides."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Asked:
    """A request as it arrived; `connection` numbers the connections."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


@dataclass(frozen=True)
class Answer:
    """What to send. `announced_bytes` overrides the length that is announced, `cut` ends the connection afterwards."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    announced_bytes: int | None = None
    chunked: bool = False
    cut: bool = False


class LoopbackServer(ThreadingHTTPServer):
    """`decide` gives the answer to each request, or None to close the connection without one."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, decide: Callable[[Asked], Answer | None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.decide = decide
        self.asked: list[Asked] = []
        self.continued = 0
        self.scheme = "http"
        self.lock = threading.Lock()
        self.connections = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that a test breaks is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LoopbackServer

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections += 1
            self.number = self.server.connections

    def handle_expect_100(self) -> bool:
        with self.server.lock:
            self.server.continued += 1
        return super().handle_expect_100()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, body, self.number)
        with self.server.lock:
            self.server.asked.append(asked)
        answer = self.server.decide(asked)
        if answer is None:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.chunked:
            self.send_header("transfer-encoding", "chunked")
        else:
            announced = len(answer.body) if answer.announced_bytes is None else answer.announced_bytes
            self.send_header("content-length", str(announced))
        self.end_headers()
        if self.command != "HEAD":
            chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(answer.body), answer.body)
            self.wfile.write(chunk if answer.chunked else answer.body)
        if answer.cut:
            self.close_connection = True

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@contextmanager
def serving(
    decide: Callable[[Asked], Answer | None], context: ssl.SSLContext | None = None
) -> Iterator[LoopbackServer]:
    """Run the server in a thread; it ends with the block."""
    server = LoopbackServer(decide)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.scheme = "https"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
