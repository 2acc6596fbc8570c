"""One HTTP request and its answer, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

Buffer = bytes | bytearray | memoryview

# An answer that is larger than the request allows is not received; 1 MiB holds any error document.
DEFAULT_MAX_RESPONSE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it goes on the wire: `url` is percent-encoded, `headers` are signed already.

    `body` must not change until the answer is there. With `expect_continue` the body waits for the server's consent (at
    most a second), so that a refusal costs no upload.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Buffer | None = None
    max_response_bytes: int = DEFAULT_MAX_RESPONSE_BYTES
    expect_continue: bool = False


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer, whatever its status; header names are lower-case, the last of equal names wins."""

    status: int
    headers: Mapping[str, str]
    body: Buffer
