"""Secrets at rest under a key file that only its owner reads: the way where no KMS key is at hand."""

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdfast.domain.errors import IntegrityError, WrongKeyError
from holdfast.wiring.private_files import read_private, write_private

KEY_BYTES = 32
NONCE_BYTES = 12
_MARK = b"HFBX1"


class KeyFileBox:
    """Implements SecretBox: AES-256-GCM under the key in a file (made at first, 0600), the purpose bound to each seal.

    A nonce is random and drawn here; one key seals at most a few thousand secrets, far from where that would matter.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        key = read_private(path)
        if key is None:
            write_private(path, os.urandom(KEY_BYTES))
            key = read_private(path)
        if key is None or len(key) != KEY_BYTES:
            raise WrongKeyError(
                f"{path} is no key", why=f"it does not hold {KEY_BYTES} bytes", cure="bring the right file back"
            )
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """Sealed; opens only for the same purpose."""
        nonce = os.urandom(NONCE_BYTES)
        return _MARK + nonce + self._cipher.encrypt(nonce, plain, purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Raises IntegrityError for bytes that this box did not seal for that purpose."""
        body = sealed.removeprefix(_MARK)
        try:
            return self._cipher.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise IntegrityError(
                f"a stored secret ({purpose}) does not open",
                why=f"it was sealed under another key than {self._path}, or it is damaged",
                cure="bring the right key file back, or enter the secret again",
            ) from error
