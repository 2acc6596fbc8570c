"""Reading a snapshot from a service that misbehaves: damaged blocks, cut connections, refusals, odd lists."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from holdfast.aws.ebs_blocks.budget import shared_budget
from holdfast.aws.ebs_blocks.connection import WINDOW_BLOCKS, EbsConnection
from holdfast.aws.ebs_blocks.fetching import MAX_MISMATCHES
from holdfast.aws.ebs_blocks.reader import EbsSnapshotSource
from holdfast.domain.errors import (
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    SourceGoneError,
    UnavailableError,
    UnsupportedFormatError,
)
from holdfast.patience import Waiting
from holdfast.repository.block_source import BlockReference
from holdfast.repository.stores.s3.session import AwsSession
from tests.unit.aws.fake_ebs import SNAPSHOT, FakeEbs, block, good, refusal
from tests.unit.signed_http.loopback import Answer, serving

_key_numbers = itertools.count()


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def access_key(monkeypatch) -> str:
    """An identity of the test's own, and with it a request budget that no other test has worn."""
    name = f"key-{next(_key_numbers)}"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", name)
    return name


@pytest.fixture
def source_of(monkeypatch, slept, access_key) -> Iterator[Callable[[FakeEbs], EbsSnapshotSource]]:
    stack = []

    def open_one(service: FakeEbs) -> EbsSnapshotSource:
        context = serving(service)
        server = context.__enter__()
        monkeypatch.setenv("AWS_ENDPOINT_URL_EBS", server.url)
        connection = EbsConnection(AwsSession("us-east-1"), waiting=Waiting(sleep=slept.append))
        stack.append((context, EbsSnapshotSource(SNAPSHOT, connection)))
        return stack[-1][1]

    yield open_one
    for context, source in stack:
        source.close()
        context.__exit__(None, None, None)


def read_all(source: EbsSnapshotSource) -> list[tuple[int, bytes]]:
    return [(reference.number, bytes(data)) for reference, data in source.read(source.allocated())]


def right(numbers: list[int]) -> list[tuple[int, bytes]]:
    return [(number, block(number)) for number in numbers]


FLIPPED = bytes([block(3)[0] ^ 1]) + block(3)[1:]


@pytest.mark.parametrize(
    "odd",
    [
        good(3, FLIPPED),
        good(3, block(3)[:-1]),
        good(3, b""),
        good(3, block(4)),
        Answer(200, block(3)),
        Answer(200, block(3), {"x-amz-checksum": "no base64!"}),
    ],
    ids=["bit", "short", "empty", "other block", "no checksum", "no base64"],
)
def test_a_block_that_does_not_fit_its_checksum_is_asked_for_again(source_of, odd):
    numbers = list(range(8))
    service = FakeEbs(numbers, lambda number, nth: odd if number == 3 and nth < MAX_MISMATCHES - 1 else None)
    assert read_all(source_of(service)) == right(numbers)
    assert service.asked.count(3) == MAX_MISMATCHES


def test_a_block_that_stays_damaged_is_named(source_of):
    service = FakeEbs(list(range(8)), lambda number, nth: good(3, FLIPPED) if number == 3 else None)
    source = source_of(service)
    reading = source.read(source.allocated())
    assert [next(reading)[0].number for _ in range(3)] == [0, 1, 2]
    with pytest.raises(IntegrityError, match=f"block 3 of {SNAPSHOT}"):
        next(reading)
    assert service.asked.count(3) == MAX_MISMATCHES


@pytest.mark.parametrize(
    "odd",
    [
        refusal(400, "RequestThrottledException", "ACCOUNT_THROTTLED"),
        refusal(503, "ServiceUnavailable"),
        refusal(500, "InternalServerException"),
        Answer(200, b"half", announced_bytes=1000, cut=True),
    ],
    ids=["throttled", "503", "500", "cut"],
)
def test_a_window_in_trouble_is_asked_again_together(source_of, slept, odd):
    """Sixty-four first requests fail: that costs a few waits, and not one for each block."""
    numbers = list(range(WINDOW_BLOCKS))
    service = FakeEbs(numbers, lambda number, nth: odd if nth == 0 else None)
    assert read_all(source_of(service)) == right(numbers)
    assert len(service.asked) == 2 * len(numbers)
    assert sum(slept) < 60


def test_throttling_slows_everybody_down(source_of, access_key, monkeypatch):
    throttled = refusal(400, "RequestThrottledException", "ACCOUNT_THROTTLED")
    source = source_of(FakeEbs([0, 1], lambda number, nth: throttled if nth == 0 else None))
    budget = shared_budget(access_key, "us-east-1", "ebs:GetSnapshotBlock")
    assert budget.requests_per_second == budget.full_per_second
    # It comes back with time, and none passes here.
    moment = time.monotonic()
    monkeypatch.setattr(budget, "waiting", Waiting(monotonic=lambda: moment))
    read_all(source)
    assert budget.requests_per_second < budget.full_per_second


def test_patience_ends(source_of, slept):
    source = source_of(FakeEbs([0], lambda number, nth: refusal(500, "InternalServerException")))
    with pytest.raises(UnavailableError):
        read_all(source)
    assert slept


@pytest.mark.parametrize(
    ("odd", "kind"),
    [
        (refusal(404, "ResourceNotFoundException", "SNAPSHOT_NOT_FOUND"), SourceGoneError),
        (refusal(403, "AccessDeniedException"), PermissionDeniedError),
    ],
)
def test_what_waiting_does_not_cure_is_raised_at_once(source_of, odd, kind):
    service = FakeEbs([0, 1], lambda number, nth: odd if number == 1 else None)
    with pytest.raises(kind) as caught:
        read_all(source_of(service))
    assert service.asked.count(1) == 1
    assert SNAPSHOT in caught.value.what
    if kind is PermissionDeniedError:
        assert "ebs:GetSnapshotBlock" in caught.value.what


def test_a_refused_list_names_its_action(source_of):
    source = source_of(FakeEbs([], listing=lambda query: refusal(403, "AccessDeniedException")))
    with pytest.raises(PermissionDeniedError, match="ebs:ListSnapshotBlocks"):
        assert source.size_bytes


def test_requests_under_way_are_bounded_and_blocks_are_taken_as_they_are_needed(source_of):
    service = FakeEbs(list(range(300)))
    source = source_of(service)
    taken: list[int] = []

    def blocks() -> Iterator[BlockReference]:
        for number in range(300):
            taken.append(number)
            yield BlockReference(number, "token")

    reading = source.read(blocks())
    for delivered in range(1, 301):
        assert next(reading)[1] == block(delivered - 1)
        assert len(taken) <= delivered + WINDOW_BLOCKS
    assert next(reading, None) is None


def test_many_requests_are_under_way_at_once(source_of):
    """The server answers nobody before eight are there."""
    together = threading.Barrier(8, timeout=120)

    def wait(number: int, nth: int) -> None:
        together.wait()

    assert len(read_all(source_of(FakeEbs(list(range(16)), wait)))) == 16


def page(document: dict[str, object]) -> Answer:
    return Answer(200, json.dumps(document).encode(), {"content-type": "application/json"})


def test_a_page_in_any_order_is_read_ascending(source_of):
    assert read_all(source_of(FakeEbs([5, 1, 3]))) == right([1, 3, 5])


@pytest.mark.parametrize("sent_share", [0.0, 0.5])
def test_a_list_that_is_cut_off_is_no_short_list(source_of, slept, sent_share):
    whole = json.dumps({"Blocks": [], "VolumeSize": 1, "BlockSize": 524288}).encode()
    sent = whole[: int(len(whole) * sent_share)]
    answers = iter([Answer(200, sent, {"content-type": "application/json"}, announced_bytes=len(whole), cut=True)])
    source = source_of(FakeEbs([1, 2], listing=lambda query: next(answers, None)))
    assert read_all(source) == right([1, 2])
    assert len(slept) == 1


def test_pages_that_go_back_are_refused(source_of):
    def listing(query: dict[str, str]) -> Answer:
        blocks = [{"BlockIndex": number, "BlockToken": "t"} for number in (1, 2)]
        return page({"Blocks": blocks, "VolumeSize": 1, "BlockSize": 524288, "NextToken": "again"})

    with pytest.raises(IntegrityError):
        list(source_of(FakeEbs([], listing=listing)).allocated())


def test_page_tokens_that_are_always_refused_end(source_of):
    def listing(query: dict[str, str]) -> Answer:
        if "pageToken" in query or "startingBlockIndex" in query:
            return refusal(400, "ValidationException", "INVALID_PAGE_TOKEN")
        return page({"Blocks": [], "VolumeSize": 1, "BlockSize": 524288, "NextToken": "stale"})

    with pytest.raises(UnavailableError):
        list(source_of(FakeEbs([], listing=listing)).allocated())


def test_the_next_page_is_asked_for_before_it_is_needed(source_of):
    asked = threading.Event()

    def listing(query: dict[str, str]) -> Answer:
        if "pageToken" in query:
            asked.set()
        number, more = (2, {}) if "pageToken" in query else (1, {"NextToken": "second"})
        block = {"BlockIndex": number, "BlockToken": "t"}
        return page({"Blocks": [block], "VolumeSize": 1, "BlockSize": 524288, **more})

    blocks = source_of(FakeEbs([], listing=listing)).allocated()
    assert next(blocks).number == 1
    assert asked.wait(120)
    assert next(blocks).number == 2
    assert next(blocks, None) is None


def test_empty_pages_are_followed(source_of):
    def listing(query: dict[str, str]) -> Answer | None:
        nth = int(query.get("pageToken", "0"))
        more = {} if nth == 5 else {"NextToken": str(nth + 1)}
        blocks = [{"BlockIndex": 9, "BlockToken": "t"}] if nth == 5 else []
        return page({"Blocks": blocks, "VolumeSize": 3, "BlockSize": 524288, **more})

    source = source_of(FakeEbs([], listing=listing))
    assert [reference.number for reference in source.allocated()] == [9]
    assert source.size_bytes == 3 * 1024**3


def test_a_block_that_is_gone_from_the_second_snapshot_reads_as_zeros(source_of):
    def listing(query: dict[str, str]) -> Answer | None:
        if "firstSnapshotId" not in query:
            return None
        changed = [
            {"BlockIndex": 1, "FirstBlockToken": "a", "SecondBlockToken": "b"},
            {"BlockIndex": 2, "FirstBlockToken": "a"},
        ]
        return page({"ChangedBlocks": changed, "VolumeSize": 1, "BlockSize": 524288})

    service = FakeEbs([1], listing=listing)
    source = source_of(service)
    changes = source.changed_since({"kind": "ebs", "snapshot": "snap-0", "region": "us-east-1"})
    assert changes is not None
    assert [(reference.number, bytes(data)) for reference, data in source.read(changes)] == [(1, block(1)), (2, b"")]
    assert service.asked == [1]


def test_a_refused_right_to_compare_is_no_full_backup_in_silence(source_of):
    def listing(query: dict[str, str]) -> Answer | None:
        return refusal(403, "AccessDeniedException") if "firstSnapshotId" in query else None

    source = source_of(FakeEbs([1], listing=listing))
    with pytest.raises(PermissionDeniedError, match="ebs:ListChangedBlocks"):
        source.changed_since({"kind": "ebs", "snapshot": "snap-0", "region": "us-east-1"})


@pytest.mark.parametrize(
    ("size_bytes", "read"), [(524288, True), (512, True), (4096, False), (1048576, False), (0, False)]
)
def test_only_block_sizes_that_are_understood_are_read(source_of, size_bytes, read):
    source = source_of(FakeEbs([1], block_size_bytes=size_bytes))
    if read:
        assert read_all(source) == right([1])
        return
    with pytest.raises(UnsupportedFormatError):
        read_all(source)


def test_a_comparison_that_lacks_the_key_is_no_reason_to_read_everything(source_of):
    gone = refusal(404, "ResourceNotFoundException", "DEPENDENCY_RESOURCE_NOT_FOUND")
    source = source_of(FakeEbs([1], listing=lambda query: gone if "firstSnapshotId" in query else None))
    with pytest.raises(NotFoundError, match="KMS key"):
        source.changed_since({"kind": "ebs", "region": "us-east-1", "snapshot": "snap-0000"})
