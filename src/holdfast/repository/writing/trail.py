"""Checkpoints on the way (section 18): what a session leaves of itself, in case that somebody must go on with it.

A row goes into a checkpoint when nothing of it can be lost any more: its chunk's pack was found again in the store.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Protocol

from holdfast.domain.errors import HoldfastError
from holdfast.repository.block_source import ContentSource
from holdfast.repository.format.manifest import StoredPack
from holdfast.repository.format.places import Located
from holdfast.repository.format.session_checkpoint import BLOCKS_LIMIT, SessionCheckpoint, VolumeBlocks
from holdfast.repository.progress import Progress

# A checkpoint for each such share of a source that is read, of one that is stored for the first time and of one that
# is compared, where the most part is only read. Less than a pack, or more than 1 GiB, is no share (decision 31).
_SHARE, _SHARE_COMPARED = 256, 32
_MOST_BYTES = 1 << 30
_DUES_WAITED, _WAITED_BYTES = 2, 64 << 20

Leave = Callable[[SessionCheckpoint], None]


class DataPacks(Protocol):
    """The packs of a session."""

    def acknowledged(self) -> list[StoredPack]:
        """Those that were found again so far, in an order that stays."""

    def close(self) -> None:
        """Let the one that is being filled go."""


@dataclass(frozen=True, slots=True)
class TrailOwner:
    """Whose checkpoints they are; `leave` puts one into the session's scratch."""

    session: bytes
    attempt: int
    workload_id: bytes
    leave: Leave


@dataclass(frozen=True, slots=True)
class _Volume:
    name: str
    size_bytes: int
    source: Mapping[str, str]


# The number of a volume in the trail, a block of it, what that holds.
_Row = tuple[int, int, Located | None]


class Trail:
    """The checkpoints of one session, used from one thread; volumes are begun one after the other.

    `standing` are packs that the session took over; `transfer` leaves one checkpoint after the other, while reading
    goes on. One that cannot be left is noted and is the last: what comes after it would be read again, no more.
    """

    def __init__(
        self,
        owner: TrailOwner,
        packs: DataPacks,
        standing: Iterable[bytes],
        pack_size_bytes: int,
        transfer: Executor,
    ) -> None:
        self._owner = owner
        self._pack_size_bytes = pack_size_bytes
        self._transfer = transfer
        self._under_way: Future[None] | None = None
        self._packs = packs
        self._volumes: list[_Volume] = []
        self._on = False
        self._settled: list[_Row] = []
        self._waiting: dict[bytes, list[_Row]] = {}
        self._standing = set(standing)
        self._told_packs = 0
        self._number = 0
        self._since_bytes = 0
        self._due_bytes = 0
        self._broken = False

    @property
    def left(self) -> int:
        """How many checkpoints stand, once none is under way."""
        return self._number

    def finish(self) -> None:
        """Wait for the checkpoint under way. All is read: nobody misses one that could not be left."""
        self._arrived()

    def begin(self, name: str, source: ContentSource, *, anew: bool) -> bool:
        """A further volume, `anew` where all of it is to be stored; whether it leaves a trail. One whose source has no
        identity does not.
        """
        identity = source.identity
        self._on = identity is not None and not self._broken
        self._volumes.append(_Volume(name, source.size_bytes, identity or {}))
        share_bytes = source.size_bytes // (_SHARE if anew else _SHARE_COMPARED)
        self._due_bytes = max(min(share_bytes, _MOST_BYTES), self._pack_size_bytes)
        return self._on

    def read(self, block: int, held: Located | None, size_bytes: int, progress: Progress) -> None:
        """A block of that volume was read, and this is what it holds. A checkpoint where one is due."""
        if not self._on:
            return
        row = (len(self._volumes) - 1, block, held)
        if held is None or held.place.pack.session != self._owner.session or held.place.pack.pack in self._standing:
            self._settled.append(row)
        else:
            self._waiting.setdefault(held.place.pack.pack, []).append(row)
        self._since_bytes += size_bytes
        if self._since_bytes >= self._due_bytes and (self._under_way is None or self._under_way.done()):
            self._leave(progress)

    def abandon(self) -> None:
        """Give up: wait for the checkpoint under way, whatever comes of it."""
        if self._under_way is not None and not self._under_way.cancel():
            self._under_way.exception()

    def _leave(self, progress: Progress) -> None:
        packs = self._packs.acknowledged()[self._told_packs :]
        self._told_packs += len(packs)
        for pack in packs:
            self._standing.add(pack.pack)
            self._settled += self._waiting.pop(pack.pack, ())
        if not self._settled:
            self._hasten()
            return
        rows, self._settled = sorted(self._settled, key=itemgetter(0, 1)), []
        for first in range(0, len(rows), BLOCKS_LIMIT):
            error = self._arrived()
            if error is not None:
                self._on, self._broken = False, True
                progress.note(f"should this backup die, what was read since it last left word is read again: {error}")
                return
            self._number += 1
            checkpoint = self._checkpoint(packs if first == 0 else [], rows[first : first + BLOCKS_LIMIT])
            self._under_way = self._transfer.submit(self._owner.leave, checkpoint)
        self._since_bytes = 0

    def _hasten(self) -> None:
        """All that was read waits for packs under way. Where it is much, the one that is being filled is let go: equal
        blocks, or what compresses to nothing, would never fill it.
        """
        if self._since_bytes >= max(_DUES_WAITED * self._due_bytes, _WAITED_BYTES):
            self._packs.close()
            self._since_bytes = 0

    def _arrived(self) -> HoldfastError | None:
        """Wait for the last one; why it does not stand. One follows the other: they are read until one is missing."""
        if self._under_way is None:
            return None
        under_way, self._under_way = self._under_way, None
        try:
            under_way.result()
        except HoldfastError as error:
            self._number -= 1
            return error
        return None

    def _checkpoint(self, packs: list[StoredPack], rows: list[_Row]) -> SessionCheckpoint:
        return SessionCheckpoint(
            session=self._owner.session,
            attempt=self._owner.attempt,
            number=self._number,
            workload_id=self._owner.workload_id,
            packs=tuple(packs),
            volumes=tuple(self._blocks(rows)),
        )

    def _blocks(self, rows: list[_Row]) -> Iterator[VolumeBlocks]:
        for number, some in groupby(rows, key=itemgetter(0)):
            volume = self._volumes[number]
            held = ((block, located) for _volume, block, located in some)
            yield VolumeBlocks.of(volume.name, volume.size_bytes, volume.source, held)
