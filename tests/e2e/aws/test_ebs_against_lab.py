"""EBS snapshots against the lab, which keeps AWS's rules: changed blocks, tokens that expire, throttling, faults."""

import random
from collections.abc import Callable, Iterator

import pytest

from holdfast.aws.ebs_blocks.connection import EbsConnection
from holdfast.aws.ebs_blocks.reader import EbsSnapshotSource
from holdfast.aws.location import open_source, open_target
from holdfast.domain.errors import PermissionDeniedError, SourceGoneError, UnavailableError
from holdfast.patience import Waiting
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.stores.s3.session import AwsSession
from holdfast.wiring.worker import open_ordered_target
from tests.e2e.lab.account import Account, block
from tests.labs import start_lab

GIB = 1024**3
DAY_SECONDS = 24 * 3600
REGION = "us-east-1"


@pytest.fixture(scope="module")
def running_lab() -> Iterator[Account]:
    with start_lab(faults="pending=300ms") as lab:
        yield Account(lab.endpoint)


@pytest.fixture
def lab(running_lab, monkeypatch) -> Iterator[Account]:
    monkeypatch.setenv("AWS_ENDPOINT_URL", running_lab.endpoint)
    yield running_lab
    running_lab.faults("pending=300ms")


@pytest.fixture
def source_of(lab) -> Iterator[Callable[..., EbsSnapshotSource]]:
    opened = []

    def open_one(snapshot_id: str, page_blocks: int = 100) -> EbsSnapshotSource:
        opened.append(EbsSnapshotSource(snapshot_id, EbsConnection(AwsSession(REGION)), page_blocks=page_blocks))
        return opened[-1]

    yield open_one
    for source in opened:
        source.close()


def base(snapshot_id: str) -> dict[str, str]:
    return {"kind": "ebs", "snapshot": snapshot_id, "region": REGION}


def content_of(source: EbsSnapshotSource) -> dict[int, bytes]:
    return {reference.number: bytes(data) for reference, data in source.read(source.allocated())}


def test_pages_follow_each_other(lab, source_of):
    content = {number: block(number) for number in range(0, 700, 2)}
    source = source_of(lab.snapshot_of(content))
    assert content_of(source) == content
    assert source.size_bytes == GIB


def test_only_what_changed_is_listed(lab, source_of):
    before = {number: block(number) for number in range(500)}
    volume_id = lab.new_volume(1)
    lab.write(volume_id, before)
    first = lab.snapshot(volume_id)
    changes = {7: block(7, 1), 499: block(499, 1), 1000: block(1000), 20: bytes(BLOCK_SIZE_BYTES)}
    lab.write(volume_id, changes)
    second = lab.snapshot(volume_id)
    source = source_of(second)
    changed = source.changed_since(base(first))
    assert changed is not None
    found = {reference.number: bytes(data) for reference, data in source.read(changed)}
    assert {number: data or bytes(BLOCK_SIZE_BYTES) for number, data in found.items()} == changes


def test_what_cannot_be_compared_says_so(lab, source_of):
    content = {1: block(1)}
    one, other, deleted = lab.snapshot_of(content), lab.snapshot_of(content), lab.snapshot_of(content)
    lab.ec2.delete_snapshot(SnapshotId=deleted)
    source = source_of(one)
    assert source.changed_since(base(other)) is None
    assert source.changed_since(base(deleted)) is None
    assert source.changed_since(base("snap-0123")) is None
    assert source.changed_since({**base(other), "region": "eu-central-1"}) is None
    assert source.changed_since({"kind": "file", "path": "disk.raw"}) is None


def test_an_expired_page_token_is_replaced(lab, source_of):
    content = {number: block(number) for number in range(350)}
    source = source_of(lab.snapshot_of(content))
    numbers: list[int] = []
    for reference in source.allocated():
        if len(numbers) in (50, 250):
            lab.advance(2 * 3600)
        numbers.append(reference.number)
    assert numbers == list(content)


def test_expired_block_tokens_are_renewed(lab, source_of):
    content = {number: block(number) for number in range(150)}
    source = source_of(lab.snapshot_of(content))
    references = list(source.allocated())
    lab.advance(8 * DAY_SECONDS)
    read = {reference: bytes(data) for reference, data in source.read(references)}
    assert list(read) == references
    assert {reference.number: data for reference, data in read.items()} == content


@pytest.mark.parametrize("faults", ["ebs:throttle=0.3", "ebs:error=0.2", "ebs:cut=0.2", "ebs:lost=0.1,ebs:slow=5ms"])
def test_passing_faults_are_waited_out(lab, source_of, faults):
    content = {number: block(number) for number in range(120)}
    snapshot_id = lab.snapshot_of(content)
    lab.faults(f"{faults},seed=3")
    before = lab.lab("requests")["ebs"].get("GetSnapshotBlock", 0)
    assert content_of(source_of(snapshot_id)) == content
    asked = lab.lab("requests")["ebs"]["GetSnapshotBlock"] - before
    assert len(content) < asked < 2 * len(content)


def test_a_deleted_snapshot_is_gone(lab, source_of):
    content = {number: block(number) for number in range(300)}
    snapshot_id = lab.snapshot_of(content)
    source = source_of(snapshot_id)
    reading = source.read(source.allocated())
    next(reading)
    lab.ec2.delete_snapshot(SnapshotId=snapshot_id)
    with pytest.raises(SourceGoneError, match=snapshot_id):
        list(reading)


def test_a_snapshot_that_never_was_is_not_found(lab):
    source = open_source("ebs:snap-0123456789abcdef0")
    with pytest.raises(SourceGoneError, match="snap-0123456789abcdef0") as caught:
        assert source.size_bytes
    assert caught.value.exit_status == 4
    source.close()


def test_without_credentials_the_cure_is_named(lab, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    source = open_source("ebs:snap-0123456789abcdef0")
    with pytest.raises(PermissionDeniedError) as caught:
        assert source.size_bytes
    source.close()
    assert "AWS_ACCESS_KEY_ID" in caught.value.cure


def restore(content: dict[int, bytes]) -> str:
    target = open_target("ebs:?description=restored", {"holdfast:restore-point": "one"})
    target.begin(GIB)
    numbers = list(content)
    random.Random(5).shuffle(numbers)
    for number in numbers:
        target.write(number * BLOCK_SIZE_BYTES, content[number])
    return target.finish()["snapshot_id"]


@pytest.mark.parametrize(
    "faults", ["pending=300ms", "ebs:throttle=0.3", "ebs:error=0.2", "ebs:cut=0.2", "ebs:lost=0.1"]
)
def test_a_restored_snapshot_is_completed_and_equal(lab, faults):
    content = {number: block(number) for number in range(0, 300, 3)}
    lab.faults(f"{faults},seed=4")
    snapshot_id = restore(content)
    lab.faults("")
    assert lab.state(snapshot_id) == "completed"
    assert lab.blocks(snapshot_id) == content


def test_an_empty_volume_is_restored(lab):
    assert lab.blocks(restore({})) == {}


def test_aborting_deletes_what_was_begun(lab):
    target = open_target("ebs:")
    target.begin(GIB)
    target.write(0, block(0))
    started = lab.ec2.describe_snapshots(Filters=[{"Name": "status", "Values": ["pending"]}])["Snapshots"]
    assert len(started) == 1
    target.abort()
    target.abort()
    assert lab.ec2.describe_snapshots(Filters=[{"Name": "status", "Values": ["pending"]}])["Snapshots"] == []


def test_an_endpoint_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    waits: list[float] = []
    connection = EbsConnection(AwsSession(REGION), waiting=Waiting(sleep=waits.append))
    source = EbsSnapshotSource("snap-0123456789abcdef0", connection)
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:9"):
        assert source.size_bytes
    source.close()
    assert waits


@pytest.mark.parametrize("encryption", ["none", "default", "key"])
def test_a_snapshot_is_encrypted_as_the_order_of_a_restore_says(lab, encryption):
    """EBS user guide, "Encryption outcomes for EBS direct APIs": without a parent."""
    key = lab.client("kms").create_key()["KeyMetadata"]["Arn"]
    facts = {"none": {}, "default": {"encrypted": True}, "key": {"encrypted": True, "kms_key_arn": key}}
    target = open_ordered_target({"kind": "ebs", "region": REGION, **facts[encryption]})
    target.begin(GIB)
    target.write(0, block(1))
    snapshot_id = target.finish()["snapshot_id"]
    (made,) = lab.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
    assert made["Encrypted"] == (encryption != "none")
    assert (made.get("KmsKeyId") == key) == (encryption == "key")
    volume = lab.volume(lab.new_volume(1, snapshot_id))
    assert volume["Encrypted"] == (encryption != "none")
