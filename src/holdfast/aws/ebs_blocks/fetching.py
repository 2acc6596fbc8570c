"""Fetching blocks in order, with many requests under way and a bounded number of blocks in memory."""

import base64
import binascii
import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

from holdfast.aws.ebs_blocks.connection import WINDOW_BLOCKS, EbsConnection
from holdfast.aws.errors import error_of_aws_refusal
from holdfast.domain.errors import HoldfastError, IntegrityError, ThrottledError, UnavailableError
from holdfast.patience import Patience, RetryPolicy
from holdfast.repository.block_source import BLOCK_SIZE_BYTES, BlockReference
from holdfast.repository.object_store import Buffer
from holdfast.signed_http.aws_answers import read_refusal
from holdfast.signed_http.messages import HttpResponse

# Throttling may last minutes when other programs use the same account; giving up is for whoever is cut off.
BLOCK_POLICY = RetryPolicy(attempts=40, first_delay_seconds=0.05, longest_delay_seconds=10.0, total_seconds=900.0)
# A block whose bytes do not fit its checksum this often is damaged where it lies.
MAX_MISMATCHES = 4
_MAX_TOKEN_RENEWALS = 2

RenewToken = Callable[[int], str]


@dataclass(slots=True)
class _Wanted:
    """One block of the window: where it is on its way."""

    block: BlockReference
    token: str
    answer: Future[HttpResponse] = field(default_factory=Future)
    data: Buffer | None = None
    mismatches: int = 0
    renewals: int = 0


class BlockFetch:
    """One ordered run over blocks of one snapshot; used from one thread.

    `renew_token` gives a new token for a block whose token has expired (block tokens live seven days).
    """

    def __init__(self, connection: EbsConnection, snapshot_id: str, renew_token: RenewToken) -> None:
        self._connection = connection
        self._snapshot_id = snapshot_id
        self._renew_token = renew_token
        self._window: deque[_Wanted] = deque()
        self._patience = self._new_patience()

    def run(self, blocks: Iterable[BlockReference]) -> Iterator[tuple[BlockReference, Buffer]]:
        """The blocks in the order asked; `blocks` is read at most a window ahead."""
        source = iter(blocks)
        more = True
        try:
            while True:
                while more and len(self._window) < WINDOW_BLOCKS:
                    block = next(source, None)
                    more = block is not None
                    if block is not None:
                        self._window.append(self._begin(block))
                if not self._window:
                    return
                head = self._window[0]
                data = head.data if head.data is not None else self._wait_for(head)
                self._window.popleft()
                yield head.block, data
        finally:
            for wanted in self._window:
                wanted.answer.cancel()

    def _begin(self, block: BlockReference) -> _Wanted:
        if block.zero:
            return _Wanted(block, "", data=b"")
        return self._send(_Wanted(block, block.token))

    def _send(self, wanted: _Wanted) -> _Wanted:
        wanted.answer = self._connection.get_block(self._snapshot_id, wanted.block.number, wanted.token)
        return wanted

    def _wait_for(self, head: _Wanted) -> Buffer:
        """The head's bytes. In trouble everything that failed in the window is sent again together, after one wait."""
        while True:
            trouble = self._judge(head)
            if head.data is not None:
                self._patience = self._new_patience()
                return head.data
            failed = [head]
            for wanted in self._window:
                if wanted is not head and wanted.data is None and wanted.answer.done():
                    self._judge(wanted)
                    if wanted.data is None:
                        failed.append(wanted)
            if trouble is not None:
                self._patience.wait_or_raise(trouble)
            for wanted in failed:
                self._send(wanted)

    def _judge(self, wanted: _Wanted) -> UnavailableError | None:
        """Wait for the answer; keep its bytes when they are right, else say what stands in the way.

        None without bytes means: send again at once. Raises what no further attempt can cure.
        """
        try:
            response = wanted.answer.result()
        except UnavailableError as error:
            return error
        if response.status == 200:
            self._verify(wanted, response)
            return None
        refusal = read_refusal(response)
        if refusal.reason == "INVALID_BLOCK_TOKEN" and wanted.renewals < _MAX_TOKEN_RENEWALS:
            wanted.renewals += 1
            wanted.token = self._renew_token(wanted.block.number)
            return None
        return self._passing(error_of_aws_refusal(refusal, "ebs:GetSnapshotBlock", self._snapshot_id))

    def _passing(self, error: HoldfastError) -> UnavailableError:
        if isinstance(error, ThrottledError):
            self._connection.get_budget.throttled()
        if isinstance(error, UnavailableError):
            return error
        raise error

    def _verify(self, wanted: _Wanted, response: HttpResponse) -> None:
        """AWS's signature does not cover the body: the checksum is what tells a right block from a wrong one."""
        if is_intact(response):
            wanted.data = response.body
            return
        wanted.mismatches += 1
        if wanted.mismatches >= MAX_MISMATCHES:
            raise IntegrityError(
                f"block {wanted.block.number} of {self._snapshot_id} arrives damaged",
                why=f"its bytes did not fit their checksum {MAX_MISMATCHES} times",
                cure="take a new snapshot; if it happens again, look at the network between here and the endpoint",
            )

    def _new_patience(self) -> Patience:
        return Patience(BLOCK_POLICY, self._connection.waiting)


def is_intact(response: HttpResponse) -> bool:
    """Whether a block has its full length and the SHA-256 that the service says."""
    try:
        stated = base64.b64decode(response.headers.get("x-amz-checksum", ""), validate=True)
    except binascii.Error:
        return False
    return len(response.body) == BLOCK_SIZE_BYTES and hashlib.sha256(response.body).digest() == stated
