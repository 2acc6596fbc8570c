"""An EBS snapshot as the source of a backup: ListSnapshotBlocks, ListChangedBlocks, GetSnapshotBlock."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from holdfast.aws.ebs_blocks.connection import EbsConnection
from holdfast.aws.ebs_blocks.fetching import BlockFetch
from holdfast.aws.ebs_blocks.listing import MAX_PAGE_BLOCKS, SIMULATED_BLOCK_SIZE_BYTES, Page, read_page, walk
from holdfast.aws.errors import KEY_GONE_REASONS
from holdfast.domain.errors import HoldfastError, UnavailableError
from holdfast.repository.block_source import BlockReference
from holdfast.repository.object_store import Buffer
from holdfast.signed_http.aws_answers import Refusal

# What ListChangedBlocks answers where the two cannot be compared: other lineage, base deleted, base not ours.
_NOT_COMPARABLE_CODES = frozenset({"ValidationException", "ResourceNotFoundException"})
# How many tokens are asked for when one has expired: its neighbours' have, too.
_RENEWED_TOKENS = 1000


class EbsSnapshotSource:
    """A BlockSource over a completed snapshot. It closes `connection` with itself.

    Reading raises SourceGoneError when the snapshot is gone, PermissionDeniedError naming the action, IntegrityError
    for a block that arrives damaged again and again, UnavailableError when patience has run out.
    """

    def __init__(self, snapshot_id: str, connection: EbsConnection, *, page_blocks: int = MAX_PAGE_BLOCKS) -> None:
        self._snapshot_id = snapshot_id
        self._connection = connection
        self._page_blocks = page_blocks
        self._first: Page | None = None
        self._renewed: dict[int, str] = {}

    @property
    def size_bytes(self) -> int:
        """The volume's size, a multiple of 1 GiB; asks the service once."""
        return self._first_page().size_bytes

    @property
    def facts(self) -> Mapping[str, str]:
        """kind, snapshot and region."""
        return {"kind": "ebs", "snapshot": self._snapshot_id, "region": self._connection.region}

    @property
    def identity(self) -> Mapping[str, str]:
        """The snapshot: a completed one never changes, and its id is given once."""
        return self.facts

    def allocated(self) -> Iterator[BlockReference]:
        """Every block that was ever written, ascending."""
        return walk(self._first_page(), self._list_blocks, self._explain("ListSnapshotBlocks"), self._snapshot_id)

    def changed_since(self, base: Mapping[str, str]) -> Iterator[BlockReference] | None:
        """Blocks that differ from the snapshot `base`; None where EBS cannot compare the two.

        None, too, for a service that reports a block size AWS does not: moto's list leaves out blocks that are new.
        """
        base_id = base.get("snapshot")
        if base.get("kind") != "ebs" or base.get("region") != self._connection.region or not base_id:
            return None
        if self._first_page().block_size_bytes == SIMULATED_BLOCK_SIZE_BYTES:
            return None
        ask = partial(self._list_changes, base_id)
        answer = ask()
        if isinstance(answer, Refusal):
            if answer.code not in _NOT_COMPARABLE_CODES or answer.reason in KEY_GONE_REASONS:
                raise self._connection.ebs.meaning(answer, "ListChangedBlocks", self._snapshot_id)
            self._check_it_is_still_there()
            return None
        first = read_page(answer, self._snapshot_id)
        return walk(first, ask, self._explain("ListChangedBlocks"), self._snapshot_id)

    def read(self, blocks: Iterable[BlockReference]) -> Iterator[tuple[BlockReference, Buffer]]:
        """The blocks in the order asked, at most 64 ahead (32 MiB); each was checked against its SHA-256."""
        return BlockFetch(self._connection, self._snapshot_id, self._renew_token).run(blocks)

    def close(self) -> None:
        """Close all connections; safe to call twice."""
        self._connection.close()

    def _first_page(self) -> Page:
        if self._first is None:
            answer = self._connection.ebs.call(
                "ListSnapshotBlocks", self._snapshot_id, SnapshotId=self._snapshot_id, MaxResults=self._page_blocks
            )
            self._first = read_page(answer, self._snapshot_id)
        return self._first

    def _list_blocks(self, **place: Any) -> dict[str, Any] | Refusal:
        return self._connection.ebs.try_call(
            "ListSnapshotBlocks", self._snapshot_id, SnapshotId=self._snapshot_id, MaxResults=self._page_blocks, **place
        )

    def _list_changes(self, base_id: str, **place: Any) -> dict[str, Any] | Refusal:
        return self._connection.ebs.try_call(
            "ListChangedBlocks",
            self._snapshot_id,
            FirstSnapshotId=base_id,
            SecondSnapshotId=self._snapshot_id,
            MaxResults=self._page_blocks,
            **place,
        )

    def _check_it_is_still_there(self) -> None:
        """A refused comparison may mean either snapshot; raises SourceGoneError when it is this one."""
        self._connection.ebs.call("ListSnapshotBlocks", self._snapshot_id, SnapshotId=self._snapshot_id, MaxResults=100)

    def _explain(self, operation: str) -> "partial[HoldfastError]":
        return partial(self._connection.ebs.meaning, operation=operation, resource=self._snapshot_id)

    def _renew_token(self, number: int) -> str:
        """A fresh token for a block; asked for again when the fresh one was refused, too."""
        token = self._renewed.pop(number, None)
        if token is None:
            answer = self._connection.ebs.call(
                "ListSnapshotBlocks",
                self._snapshot_id,
                SnapshotId=self._snapshot_id,
                StartingBlockIndex=number,
                MaxResults=_RENEWED_TOKENS,
            )
            self._renewed = {block.number: block.token for block in read_page(answer, self._snapshot_id).blocks}
            token = self._renewed.pop(number, None)
        if token is None:
            raise UnavailableError(
                f"block {number} of {self._snapshot_id} cannot be read",
                why="its token has expired and the service lists the block no more",
                cure="run the command again",
            )
        return token
