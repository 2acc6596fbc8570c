"""One libcurl handle and the request that runs on it; handles are reused from request to request."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass

import pycurl

from holdfast.signed_http.messages import HttpRequest, HttpResponse
from holdfast.signed_http.network_errors import translate_curl_error

# The largest piece libcurl hands over at once; fewer and larger pieces cost less (its own bound is 10 MiB).
_RECEIVE_PIECE_BYTES = 128 * 1024
# What libcurl hands the socket at once; its own upper bound is 2 MiB.
_SEND_PIECE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class TransferLimits:
    """When a transfer counts as failed.

    `stall_seconds`: how long less than `stall_bytes_per_second` may flow, waiting for the first byte included.
    """

    connect_seconds: int = 10
    stall_seconds: int = 60
    stall_bytes_per_second: int = 1024


class Transfer:
    """A libcurl handle, its request and what has arrived; used by the I/O thread alone."""

    def __init__(self, limits: TransferLimits, authorities_file: str) -> None:
        self.handle = pycurl.Curl()
        self._limits = limits
        self._authorities_file = authorities_file
        self._header_lines: list[bytes] = []
        self._body = _Body(self._header_lines)
        self._request = HttpRequest("GET", "")
        self._future: Future[HttpResponse] = Future()
        self._was_sent = False

    def begin(self, request: HttpRequest, future: Future[HttpResponse]) -> None:
        """Set the handle up for `request`, whose answer goes into `future`.

        Raises pycurl.error, ValueError or TypeError for what is no request.
        """
        self._request = request
        self._future = future
        self._header_lines = []
        self._body = _Body(self._header_lines)
        handle = self.handle
        handle.reset()
        self._set_connection_options()
        handle.setopt(pycurl.URL, request.url)
        handle.setopt(pycurl.HEADERFUNCTION, self._header_lines.append)
        handle.setopt(pycurl.WRITEFUNCTION, self._body.receive, use_memoryview=True)
        headers = [f"{name}: {value}" for name, value in request.headers.items()]
        if request.method == "HEAD":
            handle.setopt(pycurl.NOBODY, 1)
        else:
            # libcurl refuses an announced length beyond this before it receives, and stops a chunked answer at it.
            handle.setopt(pycurl.MAXFILESIZE_LARGE, max(1, request.max_response_bytes))
        if request.body is not None:
            # libcurl reads straight from the bytes object; any other buffer is copied once, here.
            body = request.body if isinstance(request.body, bytes) else bytes(request.body)
            handle.setopt(pycurl.POSTFIELDS, body)
            handle.setopt(pycurl.UPLOAD_BUFFERSIZE, _SEND_PIECE_BYTES)
            headers.append("expect: 100-continue" if request.expect_continue else "expect:")
            if "content-type" not in request.headers:
                headers.append("content-type:")
        if request.method not in ("GET", "HEAD"):
            handle.setopt(pycurl.CUSTOMREQUEST, request.method)
            self._was_sent = False
            handle.setopt(pycurl.PREREQFUNCTION, self._allow_one_sending)
        handle.setopt(pycurl.HTTPHEADER, headers)

    def succeed(self) -> None:
        """The answer is complete, whatever its status: hand it over and let go of it."""
        response = HttpResponse(
            self.handle.getinfo(pycurl.RESPONSE_CODE), _last_headers(self._header_lines), self._body.taken()
        )
        self._settle().set_result(response)

    def fail(self, number: int, message: str) -> None:
        """libcurl gave up with error `number`."""
        endpoint = "/".join(self._request.url.split("/", 3)[:3])
        error = translate_curl_error(number, message, self._request.method, endpoint)
        self._settle().set_exception(error)

    def abandon(self, error: BaseException) -> None:
        """There will be no answer: the request cannot be sent, or the transport ends."""
        self._settle().set_exception(error)

    def close(self) -> None:
        """Free the handle."""
        self.handle.close()

    def _settle(self) -> Future[HttpResponse]:
        """Drop request and answer, so that an idle handle keeps no megabytes alive."""
        future = self._future
        self._request = HttpRequest("GET", "")
        self._future = Future()
        self._header_lines = []
        self._body = _Body(self._header_lines)
        return future

    def _allow_one_sending(self, *addresses: object) -> int:
        """libcurl is about to send. It does so again, unasked, when a kept connection ends without an answer; but the
        server may have done what was asked, and only the caller knows how to find out.
        """
        if self._was_sent:
            return int(pycurl.PREREQFUNC_ABORT)
        self._was_sent = True
        return int(pycurl.PREREQFUNC_OK)

    def _set_connection_options(self) -> None:
        handle, limits = self.handle, self._limits
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        # The path was signed as it stands: libcurl must not tidy it up.
        handle.setopt(pycurl.PATH_AS_IS, 1)
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.CONNECTTIMEOUT, limits.connect_seconds)
        handle.setopt(pycurl.LOW_SPEED_LIMIT, limits.stall_bytes_per_second)
        handle.setopt(pycurl.LOW_SPEED_TIME, limits.stall_seconds)
        handle.setopt(pycurl.BUFFERSIZE, _RECEIVE_PIECE_BYTES)
        handle.setopt(pycurl.CAINFO, self._authorities_file)
        handle.setopt(pycurl.USERAGENT, "holdfast")


class _Body:
    """The bytes of an answer. Where their number is announced they are received straight into one allocation of it:
    growing step by step costs up to half as much again as all the rest of a 512 KiB answer.

    The announced length was held against the request's bound by libcurl before the first byte comes here.
    """

    def __init__(self, header_lines: list[bytes]) -> None:
        self._header_lines = header_lines
        self._data = bytearray()
        self._room = memoryview(b"")
        self._filled_bytes = 0

    def receive(self, piece: memoryview) -> None:
        """Take the next piece; called by libcurl, which uses its memory again afterwards."""
        begin, end = self._filled_bytes, self._filled_bytes + len(piece)
        if begin == 0:
            self._data = bytearray(_announced_bytes(self._header_lines))
            self._room = memoryview(self._data)
        if end <= len(self._room):
            self._room[begin:end] = piece
        else:
            self._room.release()
            self._room = memoryview(b"")
            self._data[begin:] = piece
        self._filled_bytes = end

    def taken(self) -> bytearray:
        """All bytes received; nothing more comes."""
        self._room.release()
        return self._data


def _announced_bytes(lines: list[bytes]) -> int:
    """The length of the body that the final answer announces; 0 where it comes in chunks."""
    for line in reversed(lines):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
        if line.startswith(b"HTTP/"):
            break
    return 0


def _last_headers(lines: list[bytes]) -> Mapping[str, str]:
    """The header fields of the final answer; a `100 Continue` before it is forgotten."""
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if colon:
            headers[name.decode("latin-1").strip().lower()] = value.decode("latin-1").strip()
        elif line.startswith(b"HTTP/"):
            headers.clear()
    return headers
