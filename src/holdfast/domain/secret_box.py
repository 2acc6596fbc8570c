"""The port to whatever seals secrets. Appliance and server each have one; both hand it in."""

from typing import Protocol


class SecretBox(Protocol):
    """Seals what must be kept but not read: under a KMS key, or a key file that only its owner reads."""

    def seal(self, plain: bytes, purpose: str) -> bytes:
        """Sealed; opens only for the same purpose."""

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Raises IntegrityError, WrongKeyError."""
