"""Where a chunk lies: the rows that maps, manifests and index runs share (section 9)."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt

from holdfast.domain.errors import FormatError

ID_BYTES = 32
PACK_ID_BYTES = 16
PACK_ROW = struct.Struct(">I16s16s")
ENTRY = struct.Struct(">32sHIIIIB")
ENTRY_BYTES = ENTRY.size
ROOT_BYTES = PACK_ROW.size + ENTRY_BYTES
HOLE = bytes(ENTRY_BYTES)

ENTRY_COLUMNS = np.dtype(
    [
        ("id", "V32"),
        ("pack", ">u2"),
        ("number", ">u4"),
        ("offset", ">u4"),
        ("length", ">u4"),
        ("plain", ">u4"),
        ("compression", "u1"),
    ]
)
Entries = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class PackRow:
    """Which pack, and what is needed to derive its key."""

    kid: int
    session: bytes
    pack: bytes

    def encode(self) -> bytes:
        """36 bytes."""
        return PACK_ROW.pack(self.kid, self.session, self.pack)

    @classmethod
    def decode(cls, row: bytes) -> "PackRow":
        """From 36 bytes."""
        return cls(*PACK_ROW.unpack(row))


class PackTable(Sequence[PackRow]):
    """Pack rows as they are stored, 36 bytes each: one becomes an object when it is asked for. Index runs have
    thousands, of which few are asked for.
    """

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        if len(data) % PACK_ROW.size:
            raise FormatError("a pack table is cut off", why=f"{len(data)} bytes are no whole number of rows")
        self._data = data

    @classmethod
    def of(cls, rows: Iterable[PackRow]) -> "PackTable":
        """These rows, in their order."""
        return cls(b"".join(row.encode() for row in rows))

    def __len__(self) -> int:
        return len(self._data) // PACK_ROW.size

    @overload
    def __getitem__(self, at: int) -> PackRow: ...
    @overload
    def __getitem__(self, at: slice) -> "PackTable": ...
    def __getitem__(self, at: int | slice) -> "PackRow | PackTable":
        numbers = range(len(self))[at]
        if isinstance(numbers, range):
            return PackTable(b"".join(self._row(number) for number in numbers))
        return PackRow.decode(self._row(numbers))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PackTable) and self._data == other._data

    __hash__ = None  # type: ignore[assignment]

    def rows(self) -> list[bytes]:
        """Each row as it is stored."""
        return [self._row(number) for number in range(len(self))]

    def ids(self) -> list[bytes]:
        """The packs themselves, in order."""
        return [row[-PACK_ID_BYTES:] for row in self.rows()]

    def encode(self) -> bytes:
        """All rows joined."""
        return self._data

    def _row(self, number: int) -> bytes:
        return self._data[number * PACK_ROW.size : (number + 1) * PACK_ROW.size]


@dataclass(frozen=True, slots=True)
class Place:
    """A chunk's place: pack, number in it, sealed bytes there, and how to open them."""

    pack: PackRow
    number: int
    offset: int
    length: int
    plain_length: int
    compression: int


@dataclass(frozen=True, slots=True)
class Located:
    """A chunk's id and a place where it lay when this was written."""

    id: bytes
    place: Place

    @property
    def named(self) -> bytes:
        """By chunk and pack: for who reads by this, the same chunk in another pack is another one."""
        return self.id + self.place.pack.pack

    def at(self, place: Place) -> "Located":
        """The same chunk at another place."""
        return Located(self.id, place)

    def encode_entry(self, pack_number: int) -> bytes:
        """The 51 bytes of a map entry that refers to row `pack_number` of its node's pack table."""
        place = self.place
        return ENTRY.pack(
            self.id, pack_number, place.number, place.offset, place.length, place.plain_length, place.compression
        )

    def encode_root(self) -> bytes:
        """A root reference, 87 bytes."""
        return self.place.pack.encode() + self.encode_entry(0)

    @classmethod
    def decode_root(cls, data: bytes) -> "Located":
        """From 87 bytes; FormatError when the entry does not refer to the one row beside it."""
        pack = PackRow.decode(data[: PACK_ROW.size])
        entry = data[PACK_ROW.size :]
        if entry[ID_BYTES : ID_BYTES + 2] != b"\0\0":
            raise FormatError("a root reference names another pack row than its own", why="its number is not 0")
        return cls.decode_entry(entry, [pack])

    @classmethod
    def decode_entry(cls, data: bytes, packs: Sequence[PackRow]) -> "Located":
        """From 51 bytes and the node's pack table."""
        chunk, pack, number, offset, length, plain_length, compression = ENTRY.unpack(data)
        return cls(chunk, Place(packs[pack], number, offset, length, plain_length, compression))
