"""The HTTP server's side of one connection: HTTP/1.1 with keep-alive, and connections that can be cut on purpose.

werkzeug's own handler closes the connection after every answer. Clients of AWS keep theirs, and what they do with a
kept connection has to be tried. The output stays unbuffered: with a buffer, `100 Continue` would be held back until the
answer.
"""

import io
from collections.abc import Iterable
from types import TracebackType
from typing import Any
from wsgiref.types import WSGIApplication, WSGIEnvironment

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import DechunkedInput

# More of an unread body than this is not worth reading to keep the connection.
DRAIN_LIMIT_BYTES = 64 * 1024 * 1024
_PIECE_BYTES = 256 * 1024
_NO_BODY = ("1", "204", "304")


class ConnectionCutError(ConnectionAbortedError):
    """Raised by the application to end the connection where it stands, without another byte."""


class RequestBody(io.RawIOBase):
    """The body of one request, and nothing of the next one on the same connection; large reads are one call each."""

    def __init__(self, source: Any, length_bytes: int | None) -> None:
        self._source = source
        self._left_bytes = length_bytes

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, fewer only where the body ends; all of it for -1."""
        if self._left_bytes is None:
            return self._read_chunks(size)
        wanted = self._left_bytes if size < 0 else min(size, self._left_bytes)
        data: bytes = self._source.read(wanted) if wanted else b""
        if len(data) < wanted:
            # Whoever reads on would take a torn body for the whole one.
            raise ConnectionCutError("the client went away in the middle of its request")
        self._left_bytes -= wanted
        return data

    def _read_chunks(self, at_most_bytes: int) -> bytes:
        pieces: list[bytes] = []
        left = at_most_bytes if at_most_bytes >= 0 else None
        while left is None or left > 0:
            try:
                piece = self._source.read(_PIECE_BYTES if left is None else left)
            except OSError as error:
                raise ConnectionCutError(f"the chunks of the request break off: {error}") from None
            if not piece:
                break
            pieces.append(piece)
            left = None if left is None else left - len(piece)
        return b"".join(pieces)

    def readall(self) -> bytes:
        """All of the body."""
        return self.read()

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as the body reaches."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def drain(self) -> bool:
        """Read what the application left; False where there is more than it is worth."""
        seen = 0
        while piece := self.read(_PIECE_BYTES):
            seen += len(piece)
            if seen > DRAIN_LIMIT_BYTES:
                return False
        return True


class LabRequestHandler(MotoRequestHandler):
    """Runs the application for each request of a connection. Nothing is logged: a lab's output is its endpoint."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        """Answer one request."""
        self.environ = environ = self.make_environ()
        chunked = isinstance(environ["wsgi.input"], DechunkedInput)
        body = RequestBody(environ["wsgi.input"], None if chunked else _length_bytes(environ))
        environ["wsgi.input"] = body
        # Any body ends where its reader says so: werkzeug may read to the end.
        environ["wsgi.input_terminated"] = True
        answer = _Answer(self, head_only=self.command == "HEAD")
        try:
            chunks = self.server.app(environ, answer.start)
            try:
                for chunk in chunks:
                    answer.write(chunk)
                answer.finish()
            finally:
                close = getattr(chunks, "close", None)
                if close is not None:
                    close()
            if not self.close_connection and not body.drain():
                self.close_connection = True
        except (ConnectionError, TimeoutError) as error:
            self.close_connection = True
            self.connection_dropped(error, environ)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # the base class names the parameter
        """Keep quiet."""


class _Answer:
    """Sends status, headers and body; the length of the body is announced, or it goes out in chunks."""

    def __init__(self, handler: LabRequestHandler, head_only: bool) -> None:
        self._handler = handler
        self._head_only = head_only
        self._status = ""
        self._headers: list[tuple[str, str]] = []
        self._sent = False
        self._chunked = False

    def start(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None = None,
    ) -> Any:
        """`start_response` of WSGI."""
        self._status, self._headers = status, headers
        return self.write

    def write(self, data: bytes) -> None:
        """Send a piece of the body."""
        if not self._sent:
            self._send_headers()
        if not data or self._head_only:
            return
        write = self._handler.wfile.write
        write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def finish(self) -> None:
        """Everything is written."""
        self.write(b"")
        if self._chunked:
            self._handler.wfile.write(b"0\r\n\r\n")

    def _send_headers(self) -> None:
        self._sent = True
        handler = self._handler
        code, _, phrase = self._status.partition(" ")
        handler.send_response(int(code), phrase)
        names = set()
        for name, value in self._headers:
            handler.send_header(name, value)
            names.add(name.lower())
        if "content-length" not in names and not code.startswith(_NO_BODY) and not self._head_only:
            if handler.request_version >= "HTTP/1.1":
                self._chunked = True
                handler.send_header("Transfer-Encoding", "chunked")
            else:
                handler.close_connection = True
        handler.end_headers()


def _length_bytes(environ: WSGIEnvironment) -> int:
    text = environ.get("CONTENT_LENGTH") or "0"
    return int(text) if text.isascii() and text.isdigit() else 0


def run(application: WSGIApplication, environ: WSGIEnvironment) -> tuple[str, list[tuple[str, str]], Iterable[bytes]]:
    """Call a WSGI application and hand back status, headers and body instead of sending them."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started.append((status, headers))
        return lambda data: None

    chunks = application(environ, start)
    body = b"".join(chunks)
    if close := getattr(chunks, "close", None):
        close()
    status, headers = started[-1]
    return status, headers, (body,)
