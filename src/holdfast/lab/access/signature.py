"""AWS's signature version 4, checked: in the Authorization header, or in the query of a presigned URL.

The body is hashed where the request does not say its hash; where it does, the service compares it (S3 with what it
stores, the EBS direct APIs with the block).
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from posixpath import normpath
from urllib.parse import parse_qsl, quote
from wsgiref.types import WSGIEnvironment

_HEADER = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<credential>[^,\s]+)\s*,\s*SignedHeaders=(?P<headers>[^,\s]+)"
    r"\s*,\s*Signature=(?P<signature>[0-9a-f]+)"
)
_SPACES = re.compile(r"\s+")
_WITHOUT_PREFIX = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


@dataclass(frozen=True, slots=True)
class Signature:
    """What a request says of how it is signed."""

    date: str
    region: str
    service: str
    moment: str
    headers: tuple[str, ...]
    value: str
    presigned: bool
    expires_seconds: int = 0


def read_signature(environ: WSGIEnvironment) -> Signature | None:
    """The signature of a request; None where it has none that can be read."""
    match = _HEADER.match(environ.get("HTTP_AUTHORIZATION", ""))
    if match is not None:
        parts = match["credential"].rsplit("/", 4)
        moment = environ.get("HTTP_X_AMZ_DATE", "")
        if len(parts) != 5 or not moment:
            return None
        return Signature(
            parts[1], parts[2], parts[3], moment, tuple(match["headers"].split(";")), match["signature"], False
        )
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    parts = query.get("X-Amz-Credential", "").rsplit("/", 4)
    if len(parts) != 5 or "X-Amz-Signature" not in query:
        return None
    lasts = query.get("X-Amz-Expires", "0")
    return Signature(
        parts[1], parts[2], parts[3], query.get("X-Amz-Date", ""),
        tuple(query.get("X-Amz-SignedHeaders", "").split(";")), query["X-Amz-Signature"], True,
        int(lasts) if lasts.isdecimal() else 0,
    )  # fmt: skip


def is_right(signature: Signature, secret: str, environ: WSGIEnvironment, body: Callable[[], bytes]) -> bool:
    """Whether the request is signed with the secret; `body` is called where its hash has to be computed."""
    payload = "UNSIGNED-PAYLOAD" if signature.presigned and signature.service == "s3" else _payload(environ, body)
    canonical = "\n".join((
        environ["REQUEST_METHOD"],
        _canonical_path(signature.service, environ),
        _canonical_query(environ.get("QUERY_STRING", "")),
        *(f"{name}:{_header(name, environ)}" for name in signature.headers),
        "",
        ";".join(signature.headers),
        payload,
    ))  # fmt: skip
    scope = f"{signature.date}/{signature.region}/{signature.service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{signature.moment}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = signing_key(secret, signature.date, signature.region, signature.service)
    return hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), signature.value)


@lru_cache(1024)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key of one day, region and service."""
    key = f"AWS4{secret}".encode()
    for word in (date, region, service, "aws4_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    return key


def _payload(environ: WSGIEnvironment, body: Callable[[], bytes]) -> str:
    said: str | None = environ.get("HTTP_X_AMZ_CONTENT_SHA256")
    if said:
        return said
    checksum = environ.get("HTTP_X_AMZ_CHECKSUM")
    if checksum and environ["REQUEST_METHOD"] == "PUT":
        # A block of the EBS direct APIs: its checksum is the same hash, and is compared with the block later.
        try:
            return base64.b64decode(checksum, validate=True).hex()
        except (binascii.Error, ValueError):
            return ""
    return hashlib.sha256(body()).hexdigest()


def _header(name: str, environ: WSGIEnvironment) -> str:
    key = _WITHOUT_PREFIX.get(name) or f"HTTP_{name.upper().replace('-', '_')}"
    return _SPACES.sub(" ", str(environ.get(key, "")).strip()).encode("latin-1", "replace").decode("utf-8", "replace")


def _canonical_path(service: str, environ: WSGIEnvironment) -> str:
    raw: str = environ.get("RAW_URI") or quote(environ["PATH_INFO"].encode("latin-1"), safe="/-_.~")
    path = raw.partition("?")[0] or "/"
    if service == "s3":
        return path
    plain = normpath(path).replace("//", "/")
    return quote(plain + ("/" if path.endswith("/") and plain != "/" else ""), safe="/~")


def _canonical_query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    encoded = [(quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in pairs]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded) if name != "X-Amz-Signature")
