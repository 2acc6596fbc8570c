"""What the lab's tests do in an account, with plain boto3 and a file's path."""

import base64
import hashlib
import json
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

BLOCK_BYTES = 512 * 1024
ZONE = "us-east-1a"
WAIT_SECONDS = 120
# How long new things stay as they are in a lab whose clock the test turns.
HOUR_SECONDS = 3600


def checksum(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def aggregate(blocks: Mapping[int, bytes]) -> str:
    digests = [hashlib.sha256(data).digest() for _, data in sorted(blocks.items())]
    return base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()


def block(number: int, seed: int = 0) -> bytes:
    """A block that differs from every other."""
    return hashlib.sha256(f"{number} {seed}".encode()).digest() * (BLOCK_BYTES // 32)


def _nap() -> None:
    time.sleep(0.02)


def until(true: Callable[[], bool], nap: Callable[[], None] = _nap) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < end, "waited too long"
        nap()


def paged(operation: Callable[..., Any], **options: Any) -> Iterator[Any]:
    """Every page of a listing; botocore has no paginators for `ebs`."""
    page = operation(**options)
    yield page
    while "NextToken" in page:
        page = operation(**options, NextToken=page["NextToken"])
        yield page


@dataclass
class Account:
    """One account and region of a lab; requests are sent once, never again by the SDK."""

    endpoint: str
    region: str = "us-east-1"
    access_key: str = "testing"

    def client(self, service: str, **options: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key="testing",
            config=Config(**{"retries": {"total_max_attempts": 1}, **options}),
        )

    def __post_init__(self) -> None:
        self.ec2 = self.client("ec2")
        self.ebs = self.client("ebs")
        self.s3 = self.client("s3")

    # ------------------------------------------------------------------------------------------------ the lab's own

    def lab(self, path: str, document: Mapping[str, object] | None = None, method: str | None = None) -> Any:
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.endpoint}/_lab/{path}", body, method=method)
        with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as answer:
            return json.load(answer)

    def advance(self, seconds: float) -> None:
        self.lab("clock", {"advance_seconds": seconds})

    def faults(self, spec: str) -> None:
        self.lab("faults", {"spec": spec}, "PUT")

    def settled(self) -> None:
        """Wait until no instance is on its way to its end: its disk, its interface and its files go with it."""
        ending = [{"Name": "instance-state-name", "Values": ["shutting-down"]}]
        until(lambda: not self.ec2.describe_instances(Filters=ending)["Reservations"])

    # ------------------------------------------------------------------------------------------------------- volumes

    def new_volume(self, gib: int | None = 1, snapshot_id: str | None = None) -> str:
        options: dict[str, Any] = {"Size": gib} if gib else {}
        if snapshot_id:
            options["SnapshotId"] = snapshot_id
        volume_id: str = self.ec2.create_volume(AvailabilityZone=ZONE, **options)["VolumeId"]
        until(lambda: self.volume(volume_id)["State"] == "available")
        return volume_id

    def volume(self, volume_id: str) -> dict[str, Any]:
        (found,) = self.ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"]
        return dict(found)

    def path(self, volume_id: str) -> Path:
        return Path(self.lab(f"volumes/{volume_id}")["path"])

    def write(self, volume_id: str, blocks: Mapping[int, bytes]) -> None:
        with self.path(volume_id).open("r+b") as file:
            for number, data in blocks.items():
                file.seek(number * BLOCK_BYTES)
                file.write(data)

    def content(self, volume_id: str, number: int) -> bytes:
        with self.path(volume_id).open("rb") as file:
            file.seek(number * BLOCK_BYTES)
            return file.read(BLOCK_BYTES)

    # ----------------------------------------------------------------------------------------------------- snapshots

    def state(self, snapshot_id: str) -> str:
        (found,) = self.ec2.describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"]
        return str(found["State"])

    def completed(self, snapshot_id: str) -> str:
        until(lambda: self.state(snapshot_id) == "completed")
        return snapshot_id

    def snapshot(self, volume_id: str) -> str:
        return self.completed(self.ec2.create_snapshot(VolumeId=volume_id)["SnapshotId"])

    def snapshot_of(self, blocks: Mapping[int, bytes], gib: int = 1) -> str:
        """A snapshot written through the EBS direct APIs."""
        return self.written(self.ebs.start_snapshot(VolumeSize=gib)["SnapshotId"], blocks)

    def put(self, snapshot_id: str, number: int, data: bytes, **options: Any) -> Any:
        facts = {"DataLength": len(data), "Checksum": checksum(data), "ChecksumAlgorithm": "SHA256", **options}
        return self.ebs.put_snapshot_block(SnapshotId=snapshot_id, BlockIndex=number, BlockData=data, **facts)

    def written(self, snapshot_id: str, blocks: Mapping[int, bytes]) -> str:
        for number, data in blocks.items():
            self.put(snapshot_id, number, data)
        self.ebs.complete_snapshot(SnapshotId=snapshot_id, ChangedBlocksCount=len(blocks))
        return self.completed(snapshot_id)

    def listed(self, snapshot_id: str) -> dict[int, str]:
        """Number and token of every block."""
        pages = paged(self.ebs.list_snapshot_blocks, SnapshotId=snapshot_id)
        return {entry["BlockIndex"]: entry["BlockToken"] for page in pages for entry in page["Blocks"]}

    def changed(self, first: str, second: str) -> dict[int, tuple[bool, bool]]:
        """Which of the two tokens each changed block has."""
        return {
            entry["BlockIndex"]: ("FirstBlockToken" in entry, "SecondBlockToken" in entry)
            for page in self.change_pages(first, second)
            for entry in page["ChangedBlocks"]
        }

    def change_pages(self, first: str, second: str, **options: Any) -> Iterator[Any]:
        return paged(self.ebs.list_changed_blocks, FirstSnapshotId=first, SecondSnapshotId=second, **options)

    def read(self, snapshot_id: str, number: int, token: str) -> bytes:
        answer = self.ebs.get_snapshot_block(SnapshotId=snapshot_id, BlockIndex=number, BlockToken=token)
        data: bytes = answer["BlockData"].read()
        assert answer["Checksum"] == checksum(data)
        return data

    def blocks(self, snapshot_id: str) -> dict[int, bytes]:
        return {number: self.read(snapshot_id, number, token) for number, token in self.listed(snapshot_id).items()}
