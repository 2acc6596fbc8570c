"""Block and page tokens: signed, bound to what they were issued for, and good for a limited time.

A token is at most 256 characters of base64 (AWS's pattern `^[A-Za-z0-9+/=]+$`). A block token is valid for seven days,
a page token for 60 minutes (https://docs.aws.amazon.com/ebs/latest/userguide/ebsapi-faq.html). Two listings give two
tokens for one block.
"""

import base64
import binascii
import hashlib
import hmac
import os
import struct
from collections.abc import Callable
from pathlib import Path

from holdfast.lab.blobs import DIGEST_BYTES

BLOCK_TOKEN_SECONDS = 7 * 24 * 3600
PAGE_TOKEN_SECONDS = 60 * 60
KEY_BYTES = 32
_SIGNATURE_BYTES = 16
_EXPIRY = struct.Struct(">Q")
_START = struct.Struct(">QI")


class InvalidTokenError(Exception):
    """The token was not issued for this, or is too old."""


class TokenIssuer:
    """Issues and checks tokens under one key; `now` tells the lab's time in seconds."""

    def __init__(self, key: bytes, now: Callable[[], float]) -> None:
        self._key = key
        self._now = now

    def block_expiry(self) -> int:
        """When block tokens issued now expire, in seconds since the epoch."""
        return int(self._now()) + BLOCK_TOKEN_SECONDS

    def block_tokens(self, snapshot_id: str) -> Callable[[int, bytes], str]:
        """What makes the tokens of one listing: (block number, digest) -> token."""
        head = _EXPIRY.pack(self.block_expiry()) + os.urandom(4)
        key, bound = self._key, f"block|{snapshot_id}|".encode()

        def issue(number: int, digest: bytes) -> str:
            body = head + digest
            return base64.b64encode(body + _signature(key, bound + b"%d|" % number + body)).decode()

        return issue

    def digest_of_block(self, token: str, snapshot_id: str, number: int) -> bytes:
        """The digest that a block token stands for; InvalidTokenError where it is not one of this block."""
        body = self._checked(token, f"block|{snapshot_id}|{number}|".encode(), 12 + DIGEST_BYTES)
        if self._now() > _EXPIRY.unpack_from(body)[0]:
            raise InvalidTokenError("the block token has expired")
        return body[12:]

    def page_token(self, listing: str, starting: int) -> str:
        """A token for the page of `listing` (any words that name it) that begins at block `starting`."""
        body = _START.pack(int(self._now()) + PAGE_TOKEN_SECONDS, starting)
        return base64.b64encode(body + _signature(self._key, f"page|{listing}|".encode() + body)).decode()

    def page_start(self, token: str, listing: str) -> int:
        """Where the page that a token stands for begins; InvalidTokenError where it is not one of this listing."""
        expiry, starting = _START.unpack(self._checked(token, f"page|{listing}|".encode(), _START.size))
        if self._now() > expiry:
            raise InvalidTokenError("the page token has expired")
        return int(starting)

    def _checked(self, token: str, bound: bytes, body_bytes: int) -> bytes:
        try:
            raw = base64.b64decode(token, validate=True)
        except (binascii.Error, ValueError):
            raise InvalidTokenError("the token is no base64") from None
        body, signature = raw[:body_bytes], raw[body_bytes:]
        if len(raw) != body_bytes + _SIGNATURE_BYTES or not hmac.compare_digest(
            signature, _signature(self._key, bound + body)
        ):
            raise InvalidTokenError("the token was not issued for this")
        return body


def _signature(key: bytes, text: bytes) -> bytes:
    return hashlib.blake2b(text, key=key, digest_size=_SIGNATURE_BYTES).digest()


def load_or_make_key(path: Path) -> bytes:
    """The key kept at `path`, made on first use: tokens stay good when a lab is started again on its folder."""
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(descriptor, os.urandom(KEY_BYTES))
        os.close(descriptor)
    return path.read_bytes()
