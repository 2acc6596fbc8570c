"""Secrets at rest under one key: in a file that only its owner reads, or wrapped by a KMS key in such a file."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdfast.domain.errors import IntegrityError, WrongKeyError
from holdfast.domain.secret_box import SEALING_CONTEXT
from holdfast.repository.keys.slots import KeyWrapper
from holdfast.wiring.private_files import read_private, write_private

KEY_BYTES = 32
NONCE_BYTES = 12
_MARK = b"HFBX1"


@dataclass(frozen=True, slots=True)
class Wrapping:
    """Which KMS key wraps the key of a box, and what came of it."""

    service: KeyWrapper
    kms_key: str
    wrapped: bytes


class KeyBox:
    """Implements TravellingBox: AES-256-GCM under the key, the purpose bound to each seal. `origin` names the key's
    place.

    A nonce is random and drawn here; one key seals at most some thousands of secrets, far from where that would matter.
    """

    def __init__(self, key: bytes, origin: str, wrapping: Wrapping | None = None) -> None:
        self._origin = origin
        self._cipher = AESGCM(key)
        self._wrapping = wrapping
        self._opened: dict[bytes, KeyBox] = {} if wrapping is None else {wrapping.wrapped: self}

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
                why=f"it was sealed under another key than {self._origin}, or it is damaged",
                cure="bring the right key back, or enter the secret again",
            ) from error

    def seal_to_travel(self, plain: bytes, purpose: str) -> bytes:
        """Sealed, with the wrapped key before it (docs/format/snapshot-tags.md)."""
        wrapped = b"" if self._wrapping is None else self._wrapping.wrapped
        return len(wrapped).to_bytes(2, "big") + wrapped + self.seal(plain, purpose)

    def open_travelled(self, sealed: bytes, purpose: str) -> bytes:
        """By this box's key, or by the one that came along where the KMS key is this box's: whoever can write tags can
        bring a key of his own.
        """
        end = 2 + int.from_bytes(sealed[:2], "big")
        return self._opened_by(sealed[2:end], purpose).open(sealed[end:], purpose)

    def _opened_by(self, wrapped: bytes, purpose: str) -> "KeyBox":
        if not wrapped:
            return self
        if self._wrapping is None:
            raise WrongKeyError(
                f"a stored secret ({purpose}) does not open",
                why="a KMS key wraps its key, and this appliance was started without one",
                cure="start it with that KMS key, in an empty home",
            )
        if wrapped not in self._opened:
            key = self._wrapping.service.unwrap(wrapped, SEALING_CONTEXT, self._wrapping.kms_key)
            self._opened[wrapped] = KeyBox(key, "the one that came along")
        return self._opened[wrapped]


def key_box(path: Path, kms_key: str | None, service: KeyWrapper) -> KeyBox:
    """The box whose key is in the file (made at first, 0600): as it is, or wrapped where a KMS key was named then.

    Raises WrongKeyError for a file that holds no key, or a KMS key that was named later: secrets are sealed already.
    """
    content = read_private(path)
    if content is None:
        key = os.urandom(KEY_BYTES)
        if kms_key is None:
            write_private(path, key)
            return KeyBox(key, str(path))
        wrapped = service.wrap(kms_key, key, SEALING_CONTEXT)
        write_private(path, json.dumps({"kms_key": kms_key, "wrapped": wrapped.hex()}).encode())
        return KeyBox(key, str(path), Wrapping(service, kms_key, wrapped))
    if len(content) == KEY_BYTES and kms_key is None:
        return KeyBox(content, str(path))
    if len(content) == KEY_BYTES:
        raise WrongKeyError(
            f"{path} is not wrapped by {kms_key}",
            why="secrets are sealed already under the key that lies there in clear",
            cure="leave --kms-key out, or begin with an empty home",
        )
    try:
        document = json.loads(content)
        wrapping = Wrapping(service, str(document["kms_key"]), bytes.fromhex(document["wrapped"]))
    except (ValueError, KeyError, TypeError) as error:
        raise WrongKeyError(f"{path} is no key", why="it is damaged", cure="bring the right file back") from error
    return KeyBox(service.unwrap(wrapping.wrapped, SEALING_CONTEXT), f"the one that {path} holds wrapped", wrapping)
