"""Volumes in memory as sources and targets: of any size, for only blocks that are not zeros are kept."""

import hashlib
import random
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from holdfast.domain.errors import ConflictError, SourceGoneError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES, BlockReference
from holdfast.repository.object_store import Buffer

ZERO_BLOCK = bytes(BLOCK_SIZE_BYTES)


def sample(size_bytes: int) -> bytes:
    """Random blocks, every third one zeros, and zeros inside the others."""
    dice = random.Random(size_bytes)
    blocks = []
    for at in range(0, size_bytes, BLOCK_SIZE_BYTES):
        length = min(BLOCK_SIZE_BYTES, size_bytes - at)
        zeros = at // BLOCK_SIZE_BYTES % 3 == 1
        blocks.append(bytes(length) if zeros else dice.randbytes(length - length // 4) + bytes(length // 4))
    return b"".join(blocks)


@dataclass(frozen=True)
class MemoryVolume:
    """What a volume holds: whole blocks by number, the last one as long as the volume leaves it; the rest is zeros.
    Nobody changes `blocks` later.
    """

    size_bytes: int
    blocks: Mapping[int, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, content: bytes) -> "MemoryVolume":
        """The volume with these bytes; blocks of zeros are left out."""
        pieces = {at // BLOCK_SIZE_BYTES: content[at : at + BLOCK_SIZE_BYTES] for at in _starts(len(content))}
        return cls(len(content), {number: piece for number, piece in pieces.items() if any(piece)})

    @cached_property
    def content(self) -> bytes:
        """All bytes; for volumes that fit into memory."""
        return b"".join(self.block(at // BLOCK_SIZE_BYTES) for at in _starts(self.size_bytes))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of its blocks with their numbers, in hex."""
        blocks = sorted(self.blocks.items())
        return hashlib.sha256(b"".join(number.to_bytes(8, "big") + block for number, block in blocks)).hexdigest()

    def block(self, number: int) -> bytes:
        """The bytes of one block."""
        length = min(BLOCK_SIZE_BYTES, self.size_bytes - number * BLOCK_SIZE_BYTES)
        return self.blocks.get(number, ZERO_BLOCK)[:length].ljust(length, b"\0")

    def changed_since(self, earlier: "MemoryVolume") -> list[int]:
        """Numbers of this volume's blocks that are not as they were in `earlier`, ascending."""
        candidates = self.blocks.keys() | {
            number for number in earlier.blocks if number * BLOCK_SIZE_BYTES < self.size_bytes
        }
        return sorted(number for number in candidates if self.blocks.get(number) != earlier.blocks.get(number))


class MemorySource:
    """Implements BlockSource over a MemoryVolume.

    `snapshot` is its name in the facts; `earlier` are the snapshots by whose names it knows what changed since. With
    `gone_after` reads it raises SourceGoneError, as a snapshot that is deleted meanwhile.
    """

    def __init__(
        self,
        volume: MemoryVolume,
        snapshot: str = "snapshot",
        earlier: Mapping[str, MemoryVolume] | None = None,
        gone_after: int | None = None,
    ) -> None:
        self._volume = volume
        self._snapshot = snapshot
        self._earlier = dict(earlier or {})
        self._gone_after = gone_after
        self.read_blocks: list[int] = []

    @property
    def size_bytes(self) -> int:
        """The volume's size."""
        return self._volume.size_bytes

    @property
    def facts(self) -> Mapping[str, str]:
        """Kind and snapshot."""
        return {"kind": "memory", "snapshot": self._snapshot}

    @property
    def identity(self) -> Mapping[str, str]:
        """The snapshot's name and what it holds: tests use a name twice, AWS never does."""
        return {**self.facts, "content": self._volume.digest}

    def allocated(self) -> Iterator[BlockReference]:
        """Blocks that are kept."""
        return map(BlockReference, sorted(self._volume.blocks))

    def changed_since(self, base: Mapping[str, str]) -> Iterator[BlockReference] | None:
        """Blocks that differ from an earlier snapshot that is known."""
        earlier = self._earlier.get(base.get("snapshot", ""))
        return None if earlier is None else map(BlockReference, self._volume.changed_since(earlier))

    def read(self, blocks: Iterable[BlockReference]) -> Iterator[tuple[BlockReference, Buffer]]:
        """One block after the other."""
        for block in blocks:
            if len(self.read_blocks) == self._gone_after:
                raise SourceGoneError("the snapshot is gone", why="it was deleted (planned)", cure="make another")
            self.read_blocks.append(block.number)
            yield block, b"" if block.zero else self._volume.block(block.number)

    def close(self) -> None:
        """Nothing is held."""


class MemoryTarget:
    """Implements BlockTarget; `volume` is what was restored, once `finish` was called. `room_bytes` bounds its size."""

    def __init__(self, *, sequential: bool = False, room_bytes: int | None = None) -> None:
        self._sequential = sequential
        self._room_bytes = room_bytes
        self._size_bytes = 0
        self._position = 0
        self._blocks: dict[int, bytes] = {}
        self._lock = threading.Lock()
        self.volume: MemoryVolume | None = None
        self.aborted = False

    @property
    def sequential(self) -> bool:
        """As asked for."""
        return self._sequential

    def begin(self, size_bytes: int) -> None:
        """Take the size; ConflictError where there is no room for it."""
        if self._room_bytes is not None and size_bytes > self._room_bytes:
            raise ConflictError("the target is too small", why=f"it has {self._room_bytes} bytes", cure="a larger one")
        self._size_bytes = size_bytes

    def write(self, offset: int, data: Buffer) -> None:
        """Keep the bytes; a sequential target refuses any but the next ones."""
        body = bytes(data)
        self._advance(offset, len(body))
        at = 0
        with self._lock:
            while at < len(body):
                number, inside = divmod(offset + at, BLOCK_SIZE_BYTES)
                piece = body[at : at + BLOCK_SIZE_BYTES - inside]
                old = self._blocks.get(number, b"").ljust(inside, b"\0")
                self._blocks[number] = old[:inside] + piece + old[inside + len(piece) :]
                at += len(piece)

    def write_zeros(self, offset: int, length: int) -> None:
        """Nothing: what is not written reads as zeros."""
        self._advance(offset, length)

    def finish(self) -> Mapping[str, str]:
        """The volume is whole."""
        kept = {number: block for number, block in self._blocks.items() if any(block)}
        self.volume = MemoryVolume(self._size_bytes, {n: self._padded(n, block) for n, block in kept.items()})
        return {}

    def abort(self) -> None:
        """The restore failed."""
        self.aborted = True

    def _advance(self, offset: int, length: int) -> None:
        if offset < 0 or offset + length > self._size_bytes:
            raise AssertionError(f"bytes {offset} to {offset + length} of a volume of {self._size_bytes}")
        if self._sequential and offset != self._position:
            raise AssertionError(f"byte {offset} after byte {self._position} in a sequential target")
        self._position = offset + length

    def _padded(self, number: int, block: bytes) -> bytes:
        return block.ljust(min(BLOCK_SIZE_BYTES, self._size_bytes - number * BLOCK_SIZE_BYTES), b"\0")


def _starts(size_bytes: int) -> range:
    return range(0, size_bytes, BLOCK_SIZE_BYTES)
