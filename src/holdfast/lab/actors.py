"""The people of the demo: an administrator who owns a volume with a real file system, and an accident that destroys it.

They speak to the lab by boto3 and to the volume by mkfs and debugfs, as an attached instance would; nothing here passes
through Holdfast's data path, so what they hash is a witness of its own.
"""

import hashlib
import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import boto3

from holdfast.domain.errors import HoldfastError, NotFoundError

REGION = "eu-central-1"
GIB = 1024**3
_FILE_BYTES = 2 * 1024 * 1024
_FILLED_SHARE = 4
# Debian keeps the tools of file systems where only root's PATH leads.
_TOOL_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def credentials(endpoint: str) -> dict[str, str]:
    """The environment in which any AWS client finds the lab; the lab takes every key."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
    }


class Administrator:
    """Owns volumes in a lab: fills, changes, snapshots and loses them. `folder` is for files on their way to a disk."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self._endpoint = endpoint
        self._folder = folder
        session = boto3.Session(aws_access_key_id="demo", aws_secret_access_key="demo", region_name=REGION)  # noqa: S106
        self._ec2 = session.client("ec2", endpoint_url=endpoint)
        self._s3 = session.client("s3", endpoint_url=endpoint)

    def make_bucket(self, name: str) -> None:
        """A bucket for the repository."""
        self._s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def make_disk(self, size_bytes: int) -> str:
        """A volume with an ext4 file system, a quarter full of files, half of them incompressible; its id."""
        volume = self._ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=-(-size_bytes // GIB), VolumeType="gp3")
        volume_id: str = volume["VolumeId"]
        self._ec2.get_waiter("volume_available").wait(VolumeIds=[volume_id], WaiterConfig={"Delay": 1})
        files = self._folder / "files"
        files.mkdir()
        for number in range(size_bytes // _FILLED_SHARE // _FILE_BYTES):
            (files / f"{number:05}.bin").write_bytes(_content(number))
        self._tool("mkfs.ext4", "-q", "-F", "-d", str(files), str(self.disk(volume_id)))
        shutil.rmtree(files)
        return volume_id

    def change_disk(self, volume_id: str, count: int) -> None:
        """Write `count` new files and remove one."""
        commands = ["rm 00000.bin"]
        for number in range(count):
            source = self._folder / f"new-{number}.bin"
            source.write_bytes(_content(1_000_000 + 2 * number))
            commands.append(f"write {source} new-{number}.bin")
        script = self._folder / "changes"
        script.write_text("\n".join(commands) + "\n", encoding="utf-8")
        self._tool("debugfs", "-w", "-f", str(script), str(self.disk(volume_id)))

    def snapshot(self, volume_id: str) -> str:
        """A completed snapshot of the volume; its id."""
        snapshot_id: str = self._ec2.create_snapshot(VolumeId=volume_id, Description="demo")["SnapshotId"]
        self._ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot_id], WaiterConfig={"Delay": 1})
        return snapshot_id

    def lose(self, volume_id: str, snapshots: list[str]) -> None:
        """The accident: the volume and every snapshot of it are gone."""
        self._ec2.delete_volume(VolumeId=volume_id)
        for snapshot_id in snapshots:
            self._ec2.delete_snapshot(SnapshotId=snapshot_id)

    def volume_from(self, snapshot_id: str) -> str:
        """A new volume made from a snapshot; its id."""
        volume_id: str = self._ec2.create_volume(AvailabilityZone=f"{REGION}a", SnapshotId=snapshot_id)["VolumeId"]
        self._ec2.get_waiter("volume_available").wait(VolumeIds=[volume_id], WaiterConfig={"Delay": 1})
        return volume_id

    def check_file_system(self, volume_id: str) -> None:
        """e2fsck finds nothing to mend. Raises HoldfastError otherwise."""
        self._tool("e2fsck", "-f", "-n", str(self.disk(volume_id)))

    def disk(self, volume_id: str) -> Path:
        """Where the lab keeps the volume's raw content."""
        return Path(self._ask(f"/_lab/volumes/{volume_id}")["path"])

    def blocks_read(self) -> int:
        """How many blocks anybody has read from snapshots in this lab so far."""
        count: int = self._ask("/_lab/requests").get("ebs", {}).get("GetSnapshotBlock", 0)
        return count

    def _ask(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self._endpoint + path) as answer:  # noqa: S310 - the lab's own loopback address
            document: dict[str, Any] = json.load(answer)
        return document

    def _tool(self, name: str, *arguments: str) -> None:
        program = shutil.which(name, path=_TOOL_PATH)
        if program is None:
            raise NotFoundError(
                f"{name} is not installed", why="the demo makes a real ext4 file system", cure="install e2fsprogs"
            )
        done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise HoldfastError(
                f"{name} failed", why=(done.stderr or done.stdout).strip()[-300:], cure="run the demo again with --keep"
            )


def disk_sha256(path: Path) -> str:
    """SHA-256 of a whole disk as it lies there."""
    with path.open("rb") as disk:
        return hashlib.file_digest(disk, "sha256").hexdigest()


def _content(number: int) -> bytes:
    """Every other file is text that compresses, every other one is noise."""
    if number % 2:
        return os.urandom(_FILE_BYTES)
    line = f"{number} an ordinary line of a log file, much like the one before\n".encode()
    return (line * (_FILE_BYTES // len(line) + 1))[:_FILE_BYTES]
