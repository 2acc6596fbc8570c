"""What an earlier session left is gone on with (section 18; ordering rule 3): blocks it has read are not read again.

What checkpoints say is a hint, whenever it was read. `take_over` looks the packs up, and must be called when the
session that goes on has acknowledged its plan.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import numpy as np

from holdfast.domain.errors import (
    IntegrityError,
    NeedsRetrievalError,
    ObjectNotFoundError,
    PermissionDeniedError,
    UnavailableError,
    UnsupportedFormatError,
)
from holdfast.repository.block_source import ContentSource
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA
from holdfast.repository.format import names
from holdfast.repository.format.manifest import StoredPack
from holdfast.repository.format.places import Located, PackRow
from holdfast.repository.format.session_checkpoint import SessionCheckpoint, VolumeBlocks
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.object_store import holds
from holdfast.repository.packs.chunk_index import ChunkIndex
from holdfast.repository.progress import Progress
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.trust.few_at_once import few_at_once

ReadCheckpoint = Callable[[int, int], SessionCheckpoint]
_VolumeKey = tuple[str, int, frozenset[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Held:
    """What a block is known to hold without reading it; None for zeros."""

    located: Located | None


class TakenVolume:
    """The blocks of one volume that were read before; where two checkpoints have a block, the later one counts."""

    def __init__(self, pieces: list[VolumeBlocks], standing: frozenset[PackRow]) -> None:
        columns = [piece.columns()["block"].astype(np.uint64) for piece in pieces]
        blocks = np.concatenate(columns)
        order = np.argsort(blocks, kind="stable")
        lengths = [len(column) for column in columns]
        self._blocks = blocks[order]
        self._piece = np.repeat(np.arange(len(pieces), dtype=np.uint32), lengths)[order]
        self._row = np.concatenate([np.arange(length, dtype=np.uint32) for length in lengths])[order]
        self._pieces = pieces
        self._standing = standing

    def __len__(self) -> int:
        return len(self._blocks)

    def held(self, block: int, size_bytes: int, before: Located | None, index: ChunkIndex) -> Held | None:
        """What the block holds, of that size, and where; `before` is what the parent has there. None: read it."""
        at = int(np.searchsorted(self._blocks, np.uint64(block), "right")) - 1
        if at < 0 or self._blocks[at] != block:
            return None
        said = self._pieces[self._piece[at]].held(int(self._row[at]))
        if said is None:
            return Held(None)
        if said.place.plain_length != size_bytes:
            return None
        if before is not None and before.id == said.id:
            return Held(before)
        if said.place.pack in self._standing:
            return Held(said)
        place = index.find(said.id, CHUNK_TYPE_DATA)
        return None if place is None else Held(Located(said.id, place))


@dataclass(frozen=True, slots=True)
class TakenOver:
    """Packs of earlier sessions that were found again, by row, and what was read of which volume."""

    packs: Mapping[PackRow, StoredPack] = field(default_factory=dict)
    pieces: Mapping[_VolumeKey, list[VolumeBlocks]] = field(default_factory=dict)

    def volume(self, name: str, source: ContentSource) -> TakenVolume | None:
        """What was read of the same volume, if anything, and if it is the same still."""
        identity = source.identity
        found = None if identity is None else self.pieces.get(_key(name, source.size_bytes, identity))
        return TakenVolume(found, frozenset(self.packs)) if found else None


NOTHING_TAKEN = TakenOver()


def take_over(
    access: TenantAccess, condemned: frozenset[bytes], checkpoints: Iterable[SessionCheckpoint], progress: Progress
) -> TakenOver:
    """Look every pack up that these checkpoints list, but what the acknowledged plan condemns. Where the store has no
    checksums each is read, which takes long: `progress` hears of each.
    """
    offered: dict[PackRow, StoredPack] = {}
    pieces: dict[_VolumeKey, list[VolumeBlocks]] = {}
    for checkpoint in checkpoints:
        for pack in checkpoint.packs:
            if pack.pack not in condemned:
                offered[PackRow(access.keys.kid, checkpoint.session, pack.pack)] = pack
        for volume in checkpoint.volumes:
            key = _key(volume.name, volume.size_bytes, volume.source)
            pieces.setdefault(key, []).append(volume)
    standing: dict[PackRow, StoredPack] = {}
    for (row, pack), stands in few_at_once(access.surroundings, lambda one: _stands(access, one[1]), offered.items()):
        progress.advance(0)
        if stands:
            standing[row] = pack
    return TakenOver(standing, pieces)


def checkpoints_of(surroundings: Surroundings, read: ReadCheckpoint, attempt: int) -> Iterator[SessionCheckpoint]:
    """Those of one attempt, in order, up to the first that is not there, is damaged or of a newer format. Each costs
    reading again and no more: whoever may write in a session's scratch can leave one.
    """
    try:
        yield read(attempt, 1)
        for _number, checkpoint in few_at_once(surroundings, partial(read, attempt), count(2)):
            yield checkpoint
    except (ObjectNotFoundError, IntegrityError, UnsupportedFormatError):
        return


def _stands(access: TenantAccess, pack: StoredPack) -> bool:
    """A size says nothing: a pack's name may have been taken by somebody since it was deleted."""
    try:
        return holds(access.store, names.pack(pack.pack), pack.size_bytes, pack.sha256)
    except (NeedsRetrievalError, PermissionDeniedError, UnavailableError):
        return False  # one that nobody can read now, or another one under somebody's own key, is stored again


def _key(name: str, size_bytes: int, source: Mapping[str, str]) -> _VolumeKey:
    return name, size_bytes, frozenset(source.items())
