"""Which blocks a snapshot holds, and which differ between two: pages, fetched as they are needed."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any

from holdfast.domain.errors import HoldfastError, IntegrityError, UnavailableError, UnsupportedFormatError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES, BlockReference
from holdfast.signed_http.aws_answers import Refusal

# The most that the API gives at once (API reference, ListSnapshotBlocks).
MAX_PAGE_BLOCKS = 10_000
# moto's server reports this size and holds blocks of 512 KiB all the same; AWS reports 524,288.
SIMULATED_BLOCK_SIZE_BYTES = 512
# A page token that is refused this often without a single new block is no matter of age.
_MAX_RENEWALS = 3

Ask = Callable[..., dict[str, Any] | Refusal]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing: blocks ascending by number, and how it goes on."""

    blocks: tuple[BlockReference, ...]
    size_bytes: int
    block_size_bytes: int
    next_token: str | None


def read_page(answer: dict[str, Any], name: str) -> Page:
    """The page in an answer of ListSnapshotBlocks or ListChangedBlocks.

    Raises UnsupportedFormatError for a block size that is not EBS's.
    """
    block_size_bytes = int(answer.get("BlockSize", 0))
    if block_size_bytes not in (BLOCK_SIZE_BYTES, SIMULATED_BLOCK_SIZE_BYTES):
        raise UnsupportedFormatError(
            f"cannot read {name}",
            why=f"its blocks have {block_size_bytes} bytes, EBS's have {BLOCK_SIZE_BYTES}",
            cure="use a newer Holdfast, or check that the endpoint is AWS or compatible with it",
        )
    if "Blocks" in answer:
        found = [BlockReference(int(block["BlockIndex"]), block["BlockToken"]) for block in answer["Blocks"]]
    else:
        # Without a second token the block is not in the second snapshot any more: it reads as zeros.
        found = [
            BlockReference(
                int(block["BlockIndex"]), block.get("SecondBlockToken") or "", not block.get("SecondBlockToken")
            )
            for block in answer.get("ChangedBlocks", ())
        ]
    found.sort(key=lambda block: block.number)
    return Page(tuple(found), int(answer["VolumeSize"]) * 1024**3, block_size_bytes, answer.get("NextToken") or None)


def walk(first: Page, ask: Ask, explain: Callable[[Refusal], HoldfastError], name: str) -> Iterator[BlockReference]:
    """Every block from the page `first` on, ascending; `ask` takes NextToken or StartingBlockIndex.

    The page after the one in use is asked for already, so that a reader of many blocks does not wait for lists. Page
    tokens live an hour (API reference); one that has expired is replaced by the number of the next block.
    """
    page, last_number, renewals = first, -1, 0
    while True:
        following = None if page.next_token is None else _in_the_background(partial(ask, NextToken=page.next_token))
        for block in page.blocks:
            if block.number <= last_number:
                raise IntegrityError(
                    f"the list of blocks of {name} cannot be used",
                    why=f"block {block.number} comes after block {last_number}",
                    cure="run the command again; if it happens again, report it to the endpoint's maker",
                )
            last_number = block.number
            renewals = 0
            yield block
        if following is None:
            return
        answer = following.result()
        while isinstance(answer, Refusal) and answer.reason == "INVALID_PAGE_TOKEN":
            renewals += 1
            if renewals > _MAX_RENEWALS:
                raise UnavailableError(
                    f"the list of blocks of {name} does not go on",
                    why="every new page token is refused",
                    cure="run the command again",
                )
            answer = ask(StartingBlockIndex=last_number + 1)
        if isinstance(answer, Refusal):
            raise explain(answer)
        page = read_page(answer, name)


def _in_the_background(call: Callable[[], dict[str, Any] | Refusal]) -> "Future[dict[str, Any] | Refusal]":
    """The outcome of `call`, which runs in a thread that holds up nobody: not a reader that stops, nor the process. Who
    is told what the reader waits for is told of this, too.
    """
    outcome: Future[dict[str, Any] | Refusal] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001 - carried to who asks for the page
            outcome.set_exception(error)

    threading.Thread(target=copy_context().run, args=(run,), name="ebs-listing", daemon=True).start()
    return outcome
