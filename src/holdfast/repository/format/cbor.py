"""Deterministic CBOR (RFC 8949 section 4.2) with text-keyed maps, and checked access to what was read."""

import io
from collections.abc import Mapping
from typing import Any, TypeVar

import cbor2

from holdfast.domain.errors import FormatError

T = TypeVar("T")


def encode(value: Mapping[str, Any]) -> bytes:
    """The one byte string of `value`."""
    return cbor2.dumps(dict(value), canonical=True)


class Fields:
    """A decoded map whose keys are asked for with the type they must have; anything else is a FormatError."""

    def __init__(self, values: Mapping[str, Any], structure: str) -> None:
        self.values = values
        self.structure = structure

    def get(self, key: str, kind: type[T]) -> T:
        """The value under `key`, which must be there and of type `kind` (bool is no int)."""
        value = self.values.get(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise FormatError(f"{self.structure}: bad or missing field {key}", why=f"expected {kind.__name__}")
        return value

    def optional(self, key: str, kind: type[T]) -> T | None:
        """The value under `key`, or None where it is null or absent."""
        return None if self.values.get(key) is None else self.get(key, kind)

    def sized(self, key: str, size_bytes: int) -> bytes:
        """A byte string of exactly `size_bytes` bytes."""
        value = self.get(key, bytes)
        if len(value) != size_bytes:
            raise FormatError(f"{self.structure}: field {key} has {len(value)} bytes", why=f"expected {size_bytes}")
        return value

    def natural(self, key: str, limit: int = 1 << 62) -> int:
        """An integer from 0 to `limit`."""
        value = self.get(key, int)
        if not 0 <= value <= limit:
            # Not said in figures: CBOR has integers of any length (RFC 8949 section 3.4.3), and Python writes none of
            # more than 4,300 digits.
            raise FormatError(f"{self.structure}: field {key} is out of range", why=f"expected 0 to {limit}")
        return value

    def rows(self, key: str, size_bytes: int) -> list[bytes]:
        """A byte string cut into rows of `size_bytes` bytes."""
        return split_rows(self.get(key, bytes), size_bytes, f"{self.structure}: field {key}")

    def texts(self, key: str) -> list[str]:
        """A list of texts."""
        value: list[Any] = self.get(key, list)
        if not all(isinstance(item, str) for item in value):
            raise FormatError(
                f"{self.structure}: field {key} holds something else than texts", why="expected a list of texts"
            )
        return value

    def digests(self, key: str) -> dict[str, bytes]:
        """A map from texts to 32 bytes each."""
        value: dict[Any, Any] = self.get(key, dict)
        if not all(
            isinstance(name, str) and isinstance(digest, bytes) and len(digest) == 32 for name, digest in value.items()
        ):
            raise FormatError(f"{self.structure}: field {key} holds something else", why="expected texts with 32 bytes")
        return value

    def maps(self, key: str) -> list["Fields"]:
        """A list of maps."""
        value: list[Any] = self.get(key, list)
        if not all(isinstance(item, dict) for item in value):
            raise FormatError(
                f"{self.structure}: field {key} holds something else than maps", why="expected a list of maps"
            )
        return [Fields(item, f"{self.structure}.{key}") for item in value]


def split_rows(data: bytes, size_bytes: int, what: str) -> list[bytes]:
    """`data` cut into rows of `size_bytes` bytes each."""
    if len(data) % size_bytes:
        raise FormatError(f"{what} has {len(data)} bytes", why=f"expected a multiple of {size_bytes}")
    return [data[at : at + size_bytes] for at in range(0, len(data), size_bytes)]


def decode(data: bytes, structure: str) -> Fields:
    """The map in `data`, which must be all of it."""
    stream = io.BytesIO(data)
    try:
        value = cbor2.CBORDecoder(stream).decode()
    except (cbor2.CBORDecodeError, ValueError, OverflowError, RecursionError, MemoryError, TypeError) as error:
        raise FormatError(f"{structure} is no valid CBOR", why=str(error) or type(error).__name__) from error
    if not isinstance(value, dict) or stream.read(1) or not all(isinstance(key, str) for key in value):
        raise FormatError(f"{structure} is no CBOR map", why="expected one map with text keys and nothing after it")
    return Fields(value, structure)
