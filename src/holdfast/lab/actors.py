"""The people of the demo: an administrator who owns an instance with real data, and an accident that destroys it.

They speak to the lab by boto3 and to volumes by mkfs and debugfs, as the instance itself would; nothing here passes
through Holdfast's data path, so what they hash is a witness of its own.
"""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3

from holdfast.domain.errors import HoldfastError, NotFoundError

REGION = "eu-central-1"
GIB = 1024**3
DATA_DEVICE = "/dev/sdf"
DEBIAN_ACCOUNT = "136693071363"
_FILE_BYTES = 2 * 1024 * 1024
_ZEROS = memoryview(bytes(1 << 20))
_FILLED_SHARE = 4
_WAIT = {"Delay": 1, "MaxAttempts": 120}
# Debian keeps the tools of file systems where only root's PATH leads.
_TOOL_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def credentials(endpoint: str) -> dict[str, str]:
    """The environment in which any AWS client finds the lab; the lab takes every key that it did not issue."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
    }


class Administrator:
    """Owns an instance in a lab: starts it, fills and changes its disks, loses it. `folder` is for files on their way
    to a disk.
    """

    def __init__(self, endpoint: str, folder: Path) -> None:
        self._endpoint = endpoint
        self._folder = folder
        session = boto3.Session(aws_access_key_id="demo", aws_secret_access_key="demo", region_name=REGION)  # noqa: S106
        self._ec2 = session.client("ec2", endpoint_url=endpoint)
        self._s3 = session.client("s3", endpoint_url=endpoint)

    def make_bucket(self, name: str) -> None:
        """A bucket for the repository."""
        self._s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def start_instance(self, name: str, size_bytes: int, tags: Mapping[str, str]) -> str:
        """A running Debian with a data disk of that size, a quarter full of files; its id."""
        images = self._ec2.describe_images(
            Owners=[DEBIAN_ACCOUNT], Filters=[{"Name": "name", "Values": ["debian-12-amd64-*"]}]
        )["Images"]
        data_disk = {"VolumeSize": -(-size_bytes // GIB), "VolumeType": "gp3", "DeleteOnTermination": False}
        made = self._ec2.run_instances(
            ImageId=max(images, key=lambda image: str(image["CreationDate"]))["ImageId"],
            InstanceType="t3.small",
            MinCount=1,
            MaxCount=1,
            BlockDeviceMappings=[{"DeviceName": DATA_DEVICE, "Ebs": data_disk}],
            UserData="#!/bin/sh\necho the application runs\n",
            TagSpecifications=[
                {
                    "ResourceType": "instance",
                    "Tags": [{"Key": key, "Value": value} for key, value in {"Name": name, **tags}.items()],
                }
            ],
        )
        instance_id: str = made["Instances"][0]["InstanceId"]
        self._ec2.get_waiter("instance_running").wait(InstanceIds=[instance_id], WaiterConfig=_WAIT)
        self._fill(self.disks(instance_id)[DATA_DEVICE], size_bytes)
        return instance_id

    def _fill(self, disk: Path, size_bytes: int) -> None:
        files = self._folder / "files"
        files.mkdir()
        for number in range(size_bytes // _FILLED_SHARE // _FILE_BYTES):
            (files / f"{number:05}.bin").write_bytes(_content(number))
        self._tool("mkfs.ext4", "-q", "-F", "-d", str(files), str(disk))
        shutil.rmtree(files)

    def change_files(self, instance_id: str, count: int) -> None:
        """Write `count` new files to the data disk and remove one."""
        commands = ["rm 00000.bin"]
        for number in range(count):
            source = self._folder / f"new-{number}.bin"
            source.write_bytes(_content(1_000_000 + 2 * number))
            commands.append(f"write {source} new-{number}.bin")
        script = self._folder / "changes"
        script.write_text("\n".join(commands) + "\n", encoding="utf-8")
        self._tool("debugfs", "-w", "-f", str(script), str(self.disks(instance_id)[DATA_DEVICE]))

    def destroy(self, instance_id: str) -> None:
        """The accident: the instance, its volumes and every snapshot of the account are gone."""
        volumes = list(self._volumes(instance_id).values())
        self._ec2.terminate_instances(InstanceIds=[instance_id])
        self._ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance_id], WaiterConfig=_WAIT)
        left = self._ec2.describe_volumes(Filters=[{"Name": "volume-id", "Values": volumes}])["Volumes"]
        for volume in left:
            self._ec2.delete_volume(VolumeId=volume["VolumeId"])
        for snapshot in self._ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]:
            self._ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])

    def instance(self, instance_id: str) -> dict[str, Any]:
        """What EC2 says of it."""
        found = self._ec2.describe_instances(InstanceIds=[instance_id])["Reservations"][0]["Instances"][0]
        return dict(found)

    def running_instances(self) -> list[str]:
        """Every instance that is not terminated."""
        answer = self._ec2.describe_instances(
            Filters=[{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
        )
        return [one["InstanceId"] for reservation in answer["Reservations"] for one in reservation["Instances"]]

    def disks(self, instance_id: str) -> dict[str, Path]:
        """Device name -> where the lab keeps that volume's raw content."""
        return {device: self.volume_path(volume_id) for device, volume_id in self._volumes(instance_id).items()}

    def hashes(self, instance_id: str) -> dict[str, str]:
        """Device name -> SHA-256 of the whole disk as it lies there."""
        disks = dict(sorted(self.disks(instance_id).items()))
        with ThreadPoolExecutor(len(disks)) as readers:
            return dict(zip(disks, readers.map(disk_sha256, disks.values()), strict=True))

    def check_file_system(self, disk: Path) -> None:
        """e2fsck finds nothing to mend. Raises HoldfastError otherwise."""
        self._tool("e2fsck", "-f", "-n", str(disk))

    def volume_path(self, volume_id: str) -> Path:
        """Where the lab keeps that volume's raw content."""
        return Path(self._ask(f"/_lab/volumes/{volume_id}")["path"])

    def let_pass(self, seconds: float) -> None:
        """So much of the lab's time, at once."""
        self._ask("/_lab/clock", {"advance_seconds": seconds})

    def stop(self, instance_id: str) -> None:
        """Until nothing of it runs any more."""
        self._ec2.stop_instances(InstanceIds=[instance_id])
        self._ec2.get_waiter("instance_stopped").wait(InstanceIds=[instance_id], WaiterConfig=_WAIT)

    def start(self, instance_id: str) -> None:
        """Its machine begins anew."""
        self._ec2.start_instances(InstanceIds=[instance_id])

    def blocks_read(self) -> int:
        """How many blocks anybody has read from snapshots in this lab so far."""
        count: int = self._ask("/_lab/requests").get("ebs", {}).get("GetSnapshotBlock", 0)
        return count

    def _volumes(self, instance_id: str) -> dict[str, str]:
        mappings = self.instance(instance_id)["BlockDeviceMappings"]
        return {one["DeviceName"]: one["Ebs"]["VolumeId"] for one in mappings}

    def _ask(self, path: str, order: Mapping[str, Any] | None = None) -> dict[str, Any]:
        body = None if order is None else json.dumps(order).encode()
        with urllib.request.urlopen(self._endpoint + path, body) as answer:  # noqa: S310 - the lab's own loopback address
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
    """SHA-256 of a whole disk as it lies there. Holes, which are most of a demo's disks, are hashed and not read."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as disk:
        size_bytes, at = os.fstat(disk.fileno()).st_size, 0
        while at < size_bytes:
            data = _next_data(disk.fileno(), at, size_bytes)
            for _zeros in range((data - at) // len(_ZEROS)):
                digest.update(_ZEROS)
            digest.update(_ZEROS[: (data - at) % len(_ZEROS)])
            hole = os.lseek(disk.fileno(), data, os.SEEK_HOLE) if data < size_bytes else size_bytes
            disk.seek(data)
            for start in range(data, hole, len(_ZEROS)):
                digest.update(disk.read(min(len(_ZEROS), hole - start)))
            at = hole
    return digest.hexdigest()


def _next_data(descriptor: int, at: int, size_bytes: int) -> int:
    """Where the next byte that was written lies, or the end."""
    try:
        return os.lseek(descriptor, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return size_bytes


def _content(number: int) -> bytes:
    """Every other file is text that compresses, every other one is noise."""
    if number % 2:
        return os.urandom(_FILE_BYTES)
    line = f"{number} an ordinary line of a log file, much like the one before\n".encode()
    return (line * (_FILE_BYTES // len(line) + 1))[:_FILE_BYTES]
