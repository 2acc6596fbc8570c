"""The images that are there without anybody having made them: Debian 12, found as one finds it in AWS.

Owner, names and devices are Debian's (https://wiki.debian.org/Cloud/AmazonEC2Image/Bookworm); ids follow from region
and name, so they are the same in every lab. The root volume's snapshot is made when the first instance needs it.
"""

import hashlib
from dataclasses import dataclass

from holdfast.lab.blobs import digest_of
from holdfast.lab.block_store import BlockStore
from holdfast.lab.instances.block_devices import BlockDevice
from holdfast.lab.records import NO_VOLUME, SnapshotRecord
from holdfast.repository.block_source import BLOCK_SIZE_BYTES

DEBIAN_ACCOUNT = "136693071363"
ROOT_DEVICE = "/dev/xvda"
ROOT_GIB = 8
# Under this name AWS's parameter store has the newest image.
PARAMETER = "/aws/service/debian/release/12/latest/"
_BUILDS = (("20250316-2053", 1_742_158_380), ("20250814-2204", 1_755_209_040), ("20251006-2257", 1_759_791_420))
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}
_ROOT_BLOCKS = 6


@dataclass(frozen=True, slots=True)
class StockImage:
    """One of Debian's images in one region."""

    id: str
    name: str
    debian_architecture: str
    created_at: float
    snapshot_id: str

    @property
    def architecture(self) -> str:
        """As EC2 calls it."""
        return _ARCHITECTURES[self.debian_architecture]

    @property
    def root(self) -> BlockDevice:
        """The only volume."""
        return BlockDevice(ROOT_DEVICE, self.snapshot_id, ROOT_GIB)


def stock_images(region: str) -> list[StockImage]:
    """All of a region, oldest first."""
    return [
        StockImage(
            id=f"ami-0{_hex(region, name)}",
            name=name,
            debian_architecture=architecture,
            created_at=created_at,
            snapshot_id=f"snap-0{_hex(region, name)}",
        )
        for build, created_at in _BUILDS
        for architecture in _ARCHITECTURES
        for name in (f"debian-12-{architecture}-{build}",)
    ]


def latest(region: str, debian_architecture: str) -> StockImage | None:
    """The newest one, or None for an architecture that Debian has no image of."""
    return next((i for i in reversed(stock_images(region)) if i.debian_architecture == debian_architecture), None)


def ensure_snapshot(store: BlockStore, image: StockImage, region: str) -> None:
    """Make the root volume's snapshot where it is not there yet: a few blocks that name their image."""
    if store.snapshot(image.snapshot_id) is not None:
        return
    record = SnapshotRecord(
        id=image.snapshot_id,
        account=DEBIAN_ACCOUNT,
        region=region,
        volume_id=NO_VOLUME,
        size_gib=ROOT_GIB,
        lineage=image.snapshot_id,
        started_at=image.created_at,
        completed_at=None,
        description=image.name,
    )
    store.start(record)
    for number in range(_ROOT_BLOCKS):
        data = root_block(image.name, number)
        store.put(image.snapshot_id, number, digest_of(data), data)
    store.complete(image.snapshot_id, image.created_at)


def root_block(name: str, number: int) -> bytes:
    """What a block of the root volume of a fresh instance holds."""
    line = f"{name} block {number}\n".encode()
    return (line * (BLOCK_SIZE_BYTES // len(line) + 1))[:BLOCK_SIZE_BYTES]


def _hex(region: str, name: str) -> str:
    return hashlib.sha256(f"{region} {name}".encode()).hexdigest()[:16]
