"""The port to whatever seals secrets. Appliance and server each have one; both hand it in."""

from typing import Protocol

# With what a KMS key wraps the key of a box: what was wrapped for anything else does not open.
SEALING_CONTEXT = {"holdfast:purpose": "secrets-at-rest"}


class SecretBox(Protocol):
    """Seals what must be kept but not read: under a KMS key, or a key file that only its owner reads."""

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """Sealed; opens only for the same purpose."""

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Raises IntegrityError, WrongKeyError."""


class TravellingBox(SecretBox, Protocol):
    """A SecretBox whose seals another one may open: with the same key file, or where it may use the same KMS key."""

    def seal_to_travel(self, plain: bytes, purpose: str) -> bytes:
        """Sealed, with the wrapped key beside it where there is one."""

    def open_travelled(self, sealed: bytes, purpose: str) -> bytes:
        """Raises IntegrityError, WrongKeyError, PermissionDeniedError."""
