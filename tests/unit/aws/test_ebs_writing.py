"""Writing a snapshot to a service that misbehaves, and what is sent to complete it."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast.aws.ebs_blocks.checksums import LinearChecksum
from holdfast.aws.ebs_blocks.connection import EbsConnection
from holdfast.aws.ebs_blocks.writer import EbsSnapshotTarget, SnapshotRequest
from holdfast.domain.errors import ConflictError, PermissionDeniedError, SourceGoneError, UnavailableError
from holdfast.patience import Waiting
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.stores.s3.session import AwsSession
from tests.unit.aws.fake_ebs import SNAPSHOT, FakeEbs, block, refusal
from tests.unit.signed_http.loopback import Answer, serving

GIB = 1024**3


@pytest.fixture
def target_on(monkeypatch) -> Iterator[Callable[[FakeEbs], EbsSnapshotTarget]]:
    stack = []

    def open_one(service: FakeEbs) -> EbsSnapshotTarget:
        context = serving(service)
        server = context.__enter__()
        stack.append(context)
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        connection = EbsConnection(AwsSession("us-east-1"), waiting=Waiting(sleep=lambda seconds: None))
        return EbsSnapshotTarget(connection, SnapshotRequest("restored", {"a": "b"}, "client-token"))

    yield open_one
    for context in stack:
        context.__exit__(None, None, None)


def aggregate(blocks: dict[int, bytes]) -> str:
    digests = b"".join(hashlib.sha256(blocks[number]).digest() for number in sorted(blocks))
    return base64.b64encode(hashlib.sha256(digests).digest()).decode()


PASSING = [
    refusal(400, "RequestThrottledException", "ACCOUNT_THROTTLED"),
    refusal(500, "InternalServerException"),
    refusal(404, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND"),
    refusal(400, "ValidationException", "CONFLICTING_BLOCK_UPDATE"),
    refusal(400, "ValidationException", message="Failed to read block data."),
    refusal(400, "ConcurrentLimitExceededException"),
    Answer(201, b"", announced_bytes=10, cut=True),
]


@pytest.mark.parametrize(
    "odd", PASSING, ids=["throttled", "500", "not known yet", "conflicting", "broken off", "too many at once", "cut"]
)
def test_passing_faults_are_waited_out_and_the_checksum_is_right(target_on, odd):
    service = FakeEbs([], lambda number, nth: odd if nth == 0 and number % 3 == 0 else None)
    target = target_on(service)
    content = {number: block(number) for number in range(100)}
    target.begin(GIB)
    for number in sorted(content, reverse=True):
        target.write(number * BLOCK_SIZE_BYTES, content[number])
    assert target.finish() == {"snapshot_id": "snap-0123456789abcdef0"}
    assert service.stored == content
    sent = service.completed_with
    assert sent["x-amz-changedblockscount"] == "100"
    assert sent["x-amz-checksum"] == aggregate(content)
    assert (sent["x-amz-checksum-algorithm"], sent["x-amz-checksum-aggregation-method"]) == ("SHA256", "LINEAR")


def test_several_threads_write_several_blocks_each(target_on):
    service = FakeEbs([])
    target = target_on(service)
    target.begin(GIB)

    def write(first: int) -> None:
        target.write(first * BLOCK_SIZE_BYTES, b"".join(block(number) for number in range(first, first + 5)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(0, 200, 5)))
    target.finish()
    assert service.stored == {number: block(number) for number in range(200)}


def test_the_buffer_is_the_callers_again_at_once(target_on):
    service = FakeEbs([])
    target = target_on(service)
    target.begin(GIB)
    buffer = bytearray(BLOCK_SIZE_BYTES)
    for number in range(20):
        buffer[:] = block(number)
        target.write(number * BLOCK_SIZE_BYTES, buffer)
    target.finish()
    assert service.stored == {number: block(number) for number in range(20)}


@pytest.mark.parametrize(
    ("odd", "kind"),
    [
        (refusal(403, "AccessDeniedException"), PermissionDeniedError),
        (refusal(400, "ServiceQuotaExceededException"), ConflictError),
        (refusal(500, "InternalServerException"), UnavailableError),
    ],
)
def test_what_waiting_does_not_cure_is_raised(target_on, odd, kind):
    target = target_on(FakeEbs([], lambda number, nth: odd))
    target.begin(GIB)
    target.write(0, block(0))
    with pytest.raises(kind, match="ebs:PutSnapshotBlock"):
        target.finish()
    target.abort()


def test_a_snapshot_that_lacks_a_block_is_never_sealed(target_on):
    """Even if whoever wrote the block ignored the error."""
    service = FakeEbs([], lambda number, nth: refusal(403, "AccessDeniedException") if number == 0 else None)
    target = target_on(service)
    target.begin(GIB)
    raised = 0
    for number in range(100):
        try:
            target.write(number * BLOCK_SIZE_BYTES, block(number))
        except PermissionDeniedError:
            raised += 1
    assert raised == 1
    with pytest.raises(PermissionDeniedError):
        target.finish()
    assert service.completed_with == {}
    target.abort()


def test_a_snapshot_that_vanishes_later_is_gone(monkeypatch):
    seconds = iter([0.0] * 3 + [1e6] * 1000)
    service = FakeEbs([], lambda number, nth: refusal(404, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND"))
    with serving(service) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        waiting = Waiting(sleep=lambda seconds: None, monotonic=lambda: next(seconds))
        target = EbsSnapshotTarget(EbsConnection(AwsSession("us-east-1"), waiting=waiting))
        target.begin(GIB)
        target.write(0, block(0))
        with pytest.raises(SourceGoneError):
            target.finish()
        target.abort()


def test_a_snapshot_that_is_not_known_everywhere_yet_is_waited_for(target_on):
    """One of zeros alone is to be completed a moment after it was started."""
    service = FakeEbs([], late=(refusal(404, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND"),) * 2)
    target = target_on(service)
    target.begin(GIB)
    assert target.finish()["snapshot_id"] == SNAPSHOT
    assert (service.completions, service.looks) == (3, 3)


def test_the_aggregate_is_over_written_blocks_in_their_order():
    checksum = LinearChecksum()
    blocks = {number: block(number) for number in (70_000, 5, 1_000_000, 0)}
    for number, data in blocks.items():
        checksum.record(number, hashlib.sha256(data).digest())
    assert base64.b64encode(checksum.digest()).decode() == aggregate(blocks)
    assert checksum.block_count == 4
    checksum.close()
