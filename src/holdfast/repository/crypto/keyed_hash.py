"""KH of section 1: the keyed hash that names chunks, tenants and workloads. What it is, a repository's suite says."""

import hmac
from dataclasses import dataclass

from blake3 import blake3

from holdfast.repository.object_store import Buffer

FIPS_SUITE = 1
"""HMAC-SHA-256 (FIPS 198-1), for who may use approved algorithms only."""
DEFAULT_SUITE = 2
"""BLAKE3 in keyed mode, several times as fast."""
SUITES = (FIPS_SUITE, DEFAULT_SUITE)
HASH_BYTES = 32


@dataclass(frozen=True, slots=True, repr=False)
class KeyedHash:
    """The suite's keyed hash under one key of 32 bytes."""

    key: bytes
    suite: int = DEFAULT_SUITE

    def of(self, data: Buffer) -> bytes:
        """32 bytes. Releases the interpreter lock on large input."""
        if self.suite == FIPS_SUITE:
            return hmac.new(self.key, data, "sha256").digest()
        return blake3(data, key=self.key).digest()
