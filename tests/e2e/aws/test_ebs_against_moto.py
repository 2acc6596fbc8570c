"""EBS snapshots against an unmodified moto server: written by plain botocore and read by us, and the reverse."""

import base64
import hashlib
import random

import botocore.session
import pytest

from holdfast.aws.location import open_source, open_target
from holdfast.domain.errors import UsageError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES, BlockReference

GIB = 1024**3
BLOCKS_PER_GIB = GIB // BLOCK_SIZE_BYTES


def noise(seed: int) -> bytes:
    return random.Random(seed).randbytes(BLOCK_SIZE_BYTES)


@pytest.fixture
def ebs(endpoint):
    return botocore.session.Session().create_client("ebs")


@pytest.fixture
def ec2(endpoint):
    return botocore.session.Session().create_client("ec2")


def plain_snapshot(ebs, blocks: dict[int, bytes], size_gib: int = 1) -> str:
    """A snapshot written as anybody would: no code of ours."""
    snapshot_id = ebs.start_snapshot(VolumeSize=size_gib)["SnapshotId"]
    for number, block in blocks.items():
        ebs.put_snapshot_block(
            SnapshotId=snapshot_id,
            BlockIndex=number,
            BlockData=block,
            DataLength=len(block),
            Checksum=base64.b64encode(hashlib.sha256(block).digest()).decode(),
            ChecksumAlgorithm="SHA256",
        )
    ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=len(blocks))
    return snapshot_id


def plain_content(ebs, snapshot_id: str) -> dict[int, bytes]:
    """What a snapshot holds, read as anybody would."""
    listed = ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["Blocks"]
    return {
        block["BlockIndex"]: ebs.get_snapshot_block(
            SnapshotId=snapshot_id, BlockIndex=block["BlockIndex"], BlockToken=block["BlockToken"]
        )["BlockData"].read()
        for block in listed
    }


def test_a_snapshot_written_by_others_is_read(ebs):
    content = {number: noise(number) for number in [700, 3, 0, 2 * BLOCKS_PER_GIB - 1, *range(100, 230)]}
    snapshot_id = plain_snapshot(ebs, content, size_gib=2)
    source = open_source(f"ebs:{snapshot_id}")
    try:
        assert source.size_bytes == 2 * GIB
        assert source.facts == {"kind": "ebs", "snapshot": snapshot_id, "region": "us-east-1"}
        listed = [block.number for block in source.allocated()]
        assert listed == sorted(content)
        read = [(block.number, bytes(data)) for block, data in source.read(source.allocated())]
        assert read == sorted(content.items())
    finally:
        source.close()


def test_blocks_come_in_the_order_asked_and_known_zeros_are_not_read(ebs):
    content = {number: noise(number) for number in range(5)}
    source = open_source(f"ebs:{plain_snapshot(ebs, content)}?region=us-east-1")
    try:
        known = {block.number: block for block in source.allocated()}
        asked = [known[3], BlockReference(9, zero=True), known[0], known[4], known[3]]
        read = [(block, bytes(data)) for block, data in source.read(asked)]
        assert read == [(block, b"" if block.zero else content[block.number]) for block in asked]
    finally:
        source.close()


def test_a_reader_may_stop_early(ebs):
    source = open_source(f"ebs:{plain_snapshot(ebs, {number: noise(number) for number in range(90)})}")
    reading = source.read(source.allocated())
    block, data = next(reading)
    assert (block.number, bytes(data)) == (0, noise(0))
    source.close()
    source.close()


def test_an_empty_snapshot_has_no_blocks(ebs):
    source = open_source(f"ebs:{plain_snapshot(ebs, {})}")
    try:
        assert list(source.read(source.allocated())) == []
        assert source.size_bytes == GIB
    finally:
        source.close()


def test_changes_are_not_trusted_to_a_simulator_that_leaves_out_new_blocks(ebs):
    base, newer = plain_snapshot(ebs, {0: noise(0)}), plain_snapshot(ebs, {0: noise(0), 1: noise(1)})
    source = open_source(f"ebs:{newer}")
    try:
        assert source.changed_since({"kind": "ebs", "snapshot": base, "region": "us-east-1"}) is None
        assert source.changed_since({"kind": "file"}) is None
    finally:
        source.close()


def test_what_is_restored_is_read_by_others(ebs, ec2):
    content = {number: noise(number) for number in [5, 0, *range(200, 300)]}
    target = open_target(
        "ebs:?region=us-east-1&description=restored%20by%20test", {"holdfast:restore-point": "point-1"}
    )
    assert not target.sequential
    target.begin(GIB)
    for number, block in content.items():
        target.write(number * BLOCK_SIZE_BYTES, bytearray(block))
    target.write(10 * BLOCK_SIZE_BYTES, bytes(2 * BLOCK_SIZE_BYTES) + noise(12))
    target.write_zeros(20 * BLOCK_SIZE_BYTES, 5 * BLOCK_SIZE_BYTES)
    snapshot_id = target.finish()["snapshot_id"]
    assert plain_content(ebs, snapshot_id) == {**content, 12: noise(12)}
    described = ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0]
    assert described["VolumeSize"] == 1
    assert described["Description"] == "restored by test"
    assert {"Key": "holdfast:restore-point", "Value": "point-1"} in described["Tags"]


def test_a_size_that_is_no_multiple_of_the_block_is_padded(ebs):
    target = open_target("ebs:")
    size_bytes = GIB + 1000
    target.begin(size_bytes)
    target.write(GIB, b"x" * 1000)
    snapshot_id = target.finish()["snapshot_id"]
    assert plain_content(ebs, snapshot_id) == {BLOCKS_PER_GIB: b"x" * 1000 + bytes(BLOCK_SIZE_BYTES - 1000)}
    assert ebs.list_snapshot_blocks(SnapshotId=snapshot_id)["VolumeSize"] == 2


@pytest.mark.parametrize(("offset", "length"), [(1, 5), (0, GIB + 1), (GIB, 1)])
def test_what_does_not_fit_is_refused(ebs, offset, length):
    target = open_target("ebs:")
    target.begin(GIB)
    with pytest.raises(UsageError):
        target.write(offset, bytes(length))
    target.abort()


def test_an_aborted_restore_leaves_no_snapshot(ebs, ec2):
    before = {snapshot["SnapshotId"] for snapshot in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    target = open_target("ebs:")
    target.begin(GIB)
    target.write(0, noise(0))
    target.abort()
    after = {snapshot["SnapshotId"] for snapshot in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    assert after == before


def test_a_volume_that_ebs_cannot_hold_is_refused(endpoint):
    target = open_target("ebs:")
    with pytest.raises(UsageError, match="cannot make a snapshot"):
        target.begin(65_537 * GIB)
    target.abort()
