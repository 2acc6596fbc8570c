"""The ports through which blocks come in and go out: a volume to back up, a place to restore to.

Blocks are numbered from 0; block n covers bytes [n * BLOCK_SIZE_BYTES, (n + 1) * BLOCK_SIZE_BYTES) of the volume, the
last one
ends with the volume. All errors are those of `holdfast.domain.errors`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from holdfast.repository.format.places import Located
from holdfast.repository.object_store import Buffer
from holdfast.repository.packs.prepared_chunk import PreparedChunk

BLOCK_SIZE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class BlockReference:
    """One block to be read: its number, and whatever the source needs to read it.

    `token` is the source's own (an EBS block token); `zero` says that the block is known to hold only zeros and need
    not
    be read.
    """

    number: int
    token: str = ""
    zero: bool = False


# What a block holds: its bytes; or, from a source that knows the tenant it is stored for, a chunk prepared for that
# tenant, or the place where it lies there already.
BlockContent = Buffer | PreparedChunk | Located


class ContentSource(Protocol):
    """What a volume is written from: a volume of fixed size at one moment."""

    @property
    def size_bytes(self) -> int:
        """The volume's size; need not be a multiple of the block."""

    @property
    def facts(self) -> Mapping[str, str]:
        """What the manifest records of the source, e.g. {"kind": "ebs", "snapshot": "snap-...", "region": "..."}."""

    @property
    def identity(self) -> Mapping[str, str] | None:
        """Two sources of one identity have equal blocks, so what was read of one need not be read of the other
        (section 18). None where nothing says so: a block device, a file that may change unseen.
        """

    def allocated(self) -> Iterator[BlockReference]:
        """Every block that may hold data, ascending; all others are zeros. Lazy: never the whole list in memory."""

    def read(self, blocks: Iterable[BlockReference]) -> Iterator[tuple[BlockReference, BlockContent]]:
        """The blocks asked for, in the order asked, read ahead within a fixed memory bound; a block flagged zero comes
        back as an empty buffer. The consumer may keep what it is given. `blocks` is consumed lazily, from one thread.
        """


class BlockSource(ContentSource, Protocol):
    """A volume as its bytes, which knows nothing of repositories."""

    def changed_since(self, base: Mapping[str, str]) -> Iterator[BlockReference] | None:
        """Blocks that may differ from the source whose facts were `base`, ascending; None where this source cannot
        tell.
        """

    def read(self, blocks: Iterable[BlockReference]) -> Iterator[tuple[BlockReference, Buffer]]:
        """As above."""

    def close(self) -> None:
        """Release files and connections; safe to call twice."""


class BlockTarget(Protocol):
    """A place that a volume is restored to. Everything not written reads as zeros once `finish` has returned."""

    @property
    def sequential(self) -> bool:
        """True where bytes can only be written in ascending order (a pipe)."""

    def begin(self, size_bytes: int) -> None:
        """Called once, first: how large the volume is. Refuses a target that is too small (ConflictError)."""

    def write(self, offset: int, data: Buffer) -> None:
        """Write a block-aligned piece; called from several threads unless `sequential`. May return before it is
        durable.
        """

    def write_zeros(self, offset: int, length: int) -> None:
        """This range holds zeros in the volume; a target that already reads as zeros there does nothing."""

    def finish(self) -> Mapping[str, str]:
        """Everything is written: make it durable and say what came of it, e.g. {"snapshot_id": "snap-..."}."""

    def abort(self) -> None:
        """The restore failed: release what was taken; must not raise for what it could not undo."""
