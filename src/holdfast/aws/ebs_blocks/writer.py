"""A new EBS snapshot as the target of a restore: StartSnapshot, PutSnapshotBlock, CompleteSnapshot."""

import base64
import hashlib
import threading
import uuid
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from holdfast.aws.clients import SHOWN_AFTER_SECONDS
from holdfast.aws.ebs_blocks.checksums import LinearChecksum
from holdfast.aws.ebs_blocks.connection import WINDOW_BLOCKS, EbsConnection
from holdfast.aws.ebs_blocks.fetching import BLOCK_POLICY
from holdfast.aws.errors import error_of_aws_refusal
from holdfast.domain.errors import (
    ConflictError,
    HoldfastError,
    SourceGoneError,
    ThrottledError,
    UnavailableError,
    UsageError,
)
from holdfast.patience import Patience
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.object_store import Buffer
from holdfast.signed_http.aws_answers import Refusal, read_refusal
from holdfast.signed_http.messages import HttpResponse

GIB = 1024**3
# The largest volume (EBS API reference, StartSnapshot).
MAX_VOLUME_GIB = 65_536
# Of a 400 that may be sent again ("Error retries for EBS direct APIs" in the EBS user guide).
_BROKEN_OFF = "Failed to read block data"
FIRST_POLL_SECONDS = 1.0
LONGEST_POLL_SECONDS = 15.0
# A snapshot of some TiB takes hours to complete; who waits longer than a day waits for nothing.
COMPLETION_TIMEOUT_SECONDS = 24 * 3600.0

_ZERO_BLOCK = bytes(BLOCK_SIZE_BYTES)


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """What the new snapshot is to be called, how large its volumes are at least, and how it is encrypted.

    `encrypted` without `kms_key_arn` is under the account's default key for EBS; without either the account's default
    decides (EBS user guide, "Encryption outcomes for EBS direct APIs"). `client_token` makes StartSnapshot idempotent:
    the same token gives the same snapshot.
    """

    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    client_token: str = field(default_factory=lambda: str(uuid.uuid4()))
    least_volume_gib: int = 1
    encrypted: bool = False
    kms_key_arn: str | None = None


@dataclass(slots=True)
class _Sent:
    number: int
    block: bytes
    sha256: bytes
    answer: Future[HttpResponse]


class EbsSnapshotTarget:
    """A BlockTarget that becomes a snapshot. It closes `connection` when it is finished or aborted.

    At most 64 blocks (32 MiB) are under way; `write` waits for the oldest when they are. Blocks of zeros are not sent.
    """

    def __init__(
        self,
        connection: EbsConnection,
        request: SnapshotRequest | None = None,
    ) -> None:
        self._connection = connection
        self._request = request if request is not None else SnapshotRequest()
        self._snapshot_id = ""
        self._size_bytes = 0
        self._started_seconds = 0.0
        self._checksum = LinearChecksum()
        self._lock = threading.Lock()
        self._under_way: deque[_Sent] = deque()
        self._failure: BaseException | None = None

    @property
    def sequential(self) -> bool:
        """Blocks may come in any order."""
        return False

    def begin(self, size_bytes: int) -> None:
        """Start the snapshot; raises UsageError for a volume that EBS cannot hold, ConflictError at a quota."""
        size_gib = max(1, self._request.least_volume_gib, -(-size_bytes // GIB))
        if size_gib > MAX_VOLUME_GIB:
            raise UsageError(
                f"cannot make a snapshot of {size_bytes} bytes",
                why=f"EBS volumes have at most {MAX_VOLUME_GIB} GiB",
                cure="restore to a file or device",
            )
        key = self._request.kms_key_arn
        encryption: dict[str, Any] = {"Encrypted": True} if self._request.encrypted or key is not None else {}
        if key is not None:
            encryption["KmsKeyArn"] = key
        answer = self._connection.ebs.call(
            "StartSnapshot",
            "a new snapshot",
            **encryption,
            VolumeSize=size_gib,
            Description=self._request.description,
            Tags=[{"Key": key, "Value": value} for key, value in self._request.tags.items()],
            ClientToken=self._request.client_token,
        )
        self._snapshot_id = str(answer["SnapshotId"])
        self._size_bytes = size_bytes
        self._started_seconds = self._connection.waiting.monotonic()

    def write(self, offset: int, data: Buffer) -> None:
        """Send the blocks of `data`, which begins at a block boundary and ends at one or with the volume.

        Every block is written once. Raises what an earlier block came to when that is known only now.
        """
        if offset % BLOCK_SIZE_BYTES or offset + len(data) > self._size_bytes:
            raise UsageError(
                f"cannot write {len(data)} bytes at {offset}",
                why="the piece does not begin at a block, or goes beyond the volume",
                cure="this is a fault of the caller, please report it",
            )
        for begin in range(0, len(data), BLOCK_SIZE_BYTES):
            # Bytes cannot change while they are under way; any other buffer may, and is copied.
            whole = len(data) == BLOCK_SIZE_BYTES and isinstance(data, bytes)
            block = bytes(data) if whole else bytes(memoryview(data)[begin : begin + BLOCK_SIZE_BYTES])
            if len(block) < BLOCK_SIZE_BYTES:
                block += bytes(BLOCK_SIZE_BYTES - len(block))
            if block != _ZERO_BLOCK:
                self._send((offset + begin) // BLOCK_SIZE_BYTES, block)

    def write_zeros(self, offset: int, length: int) -> None:
        """Nothing to do: what is not written reads as zeros."""

    def finish(self) -> Mapping[str, str]:
        """Wait for all blocks, seal the snapshot with its checksum, wait until it is completed: {"snapshot_id": …}.

        Raises what any block came to: a snapshot that lacks a block is never sealed.
        """
        while (sent := self._oldest(leave=0)) is not None:
            self._settle(sent)
        if self._failure is not None:
            raise self._failure
        self._complete()
        self._wait_until_completed()
        self._checksum.close()
        self._connection.close()
        return {"snapshot_id": self._snapshot_id}

    def abort(self) -> None:
        """Delete the unfinished snapshot, as far as that can be done."""
        with self._lock:
            under_way = list(self._under_way)
            self._under_way.clear()
        for sent in under_way:
            sent.answer.cancel()
        if self._snapshot_id:
            with suppress(HoldfastError):
                self._connection.ec2.call("DeleteSnapshot", self._snapshot_id, SnapshotId=self._snapshot_id)
        self._checksum.close()
        self._connection.close()

    def _send(self, number: int, block: bytes) -> None:
        sha256 = hashlib.sha256(block).digest()
        sent = _Sent(number, block, sha256, self._put(number, block, sha256))
        with self._lock:
            self._under_way.append(sent)
        oldest = self._oldest(leave=WINDOW_BLOCKS)
        if oldest is not None:
            self._settle(oldest)

    def _put(self, number: int, block: bytes, sha256: bytes) -> Future[HttpResponse]:
        return self._connection.put_block(self._snapshot_id, number, block, sha256)

    def _oldest(self, leave: int) -> _Sent | None:
        """Take the oldest block under way, when there are more than `leave`."""
        with self._lock:
            return self._under_way.popleft() if len(self._under_way) > leave else None

    def _settle(self, sent: _Sent) -> None:
        """Wait until the block is stored, sending it again after passing faults: writing it twice does no harm."""
        patience = Patience(BLOCK_POLICY, self._connection.waiting)
        try:
            while (trouble := self._outcome(sent.answer)) is not None:
                patience.wait_or_raise(trouble)
                sent.answer = self._put(sent.number, sent.block, sent.sha256)
        except BaseException as error:
            self._failure = error
            raise
        self._checksum.record(sent.number, sent.sha256)

    def _outcome(self, answer: Future[HttpResponse]) -> UnavailableError | None:
        """None when the block is stored, else the passing fault; raises what no further attempt can cure."""
        try:
            response = answer.result()
        except UnavailableError as fault:
            return fault
        if response.status in (200, 201):
            return None
        refusal = read_refusal(response)
        error = error_of_aws_refusal(refusal, "ebs:PutSnapshotBlock", self._snapshot_id)
        if isinstance(error, ThrottledError):
            self._connection.put_budget.throttled()
        if isinstance(error, UnavailableError):
            return error
        if (
            self._is_not_shown_yet(error)
            or refusal.reason == "CONFLICTING_BLOCK_UPDATE"
            or refusal.message.startswith(_BROKEN_OFF)
        ):
            return UnavailableError(error.what, why=error.why, cure=error.cure)
        raise error

    def _is_not_shown_yet(self, error: HoldfastError) -> bool:
        """Whether it says that the snapshot is not there, which was started too short a time ago for that."""
        young = self._connection.waiting.monotonic() - self._started_seconds < SHOWN_AFTER_SECONDS
        return isinstance(error, SourceGoneError) and young

    def _complete(self) -> None:
        block_count = self._checksum.block_count
        checksum = {
            "Checksum": base64.b64encode(self._checksum.digest()).decode(),
            "ChecksumAlgorithm": "SHA256",
            "ChecksumAggregationMethod": "LINEAR",
        }
        request = {"SnapshotId": self._snapshot_id, "ChangedBlocksCount": block_count}
        request |= checksum if block_count else {}
        patience, ebs = Patience(BLOCK_POLICY, self._connection.waiting), self._connection.ebs
        while isinstance(answer := ebs.try_call("CompleteSnapshot", self._snapshot_id, **request), Refusal):
            error = ebs.meaning(answer, "CompleteSnapshot", self._snapshot_id)
            if not self._is_not_shown_yet(error):
                break
            patience.wait_or_raise(UnavailableError(error.what, why=error.why, cure=error.cure))
        # Nobody else completes our snapshot: refused for its state, it was completed by a call of ours whose answer was
        # lost, and is on its way.
        ours = isinstance(answer, Refusal) and answer.reason == "INVALID_SNAPSHOT_ID" and self._state() != "error"
        if isinstance(answer, Refusal) and not ours:
            raise self._connection.ebs.meaning(answer, "CompleteSnapshot", self._snapshot_id)

    def _wait_until_completed(self) -> None:
        waiting = self._connection.waiting
        deadline_seconds = waiting.monotonic() + COMPLETION_TIMEOUT_SECONDS
        poll_seconds = FIRST_POLL_SECONDS
        while (state := self._state()) != "completed":
            if state == "error":
                raise ConflictError(
                    f"snapshot {self._snapshot_id} failed",
                    why="EBS could not complete it; the snapshot's StateMessage says more",
                    cure="delete the snapshot and restore again",
                )
            if waiting.monotonic() > deadline_seconds:
                raise UnavailableError(
                    f"snapshot {self._snapshot_id} is not completed",
                    why="EBS has had a day for it",
                    cure="look at the snapshot in the EC2 console",
                )
            waiting.sleep(poll_seconds)
            poll_seconds = min(LONGEST_POLL_SECONDS, poll_seconds * 1.5)

    def _state(self) -> str:
        """AWS's word; "" while EC2 does not show it yet."""
        ec2, wanted = self._connection.ec2, [self._snapshot_id]
        answer = ec2.try_call("DescribeSnapshots", self._snapshot_id, SnapshotIds=wanted)
        if isinstance(answer, Refusal):
            error = ec2.meaning(answer, "DescribeSnapshots", self._snapshot_id)
            if self._is_not_shown_yet(error):
                return ""
            raise error
        return str(answer["Snapshots"][0]["State"]) if answer["Snapshots"] else ""
