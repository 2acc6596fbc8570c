"""Against the lab that `holdfast lab run` starts: changed blocks, a snapshot that vanishes, Ctrl-C at any time."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import boto3
import pytest

from holdfast.images.file_source import UNSETTLED_SECONDS
from holdfast.images.file_target import FileTarget
from holdfast.repository.stores.directory import DirectoryStore
from holdfast.signed_http.transfer import TransferLimits
from tests.e2e.campaign.proxy import BEFORE, KillingProxy, Step, Trap
from tests.e2e.cli.conftest import Holdfast
from tests.e2e.program import PROGRAM

BLOCK_BYTES = 512 * 1024
MIB = 1024 * 1024
# Whoever waits for a store that hangs does so until the connection counts as dead.
BEFORE_THE_STORE_IS_GIVEN_UP_SECONDS = TransferLimits().stall_seconds - 10
# Unwinding may take as long as it likes.
PATIENT = """
from holdfast.cli import interruption, main
interruption.UNWINDING_SECONDS.set(3600)
main.main()
"""
# The same, and Ctrl-C comes when a method has first been called with an argument that holds a word.
INTERRUPTED = """
import os, signal
from {module} import {owner}
called = {owner}.{method}
def once(self, *given, **named):
    done = called(self, *given, **named)
    if {word!r} in str(given[0]):
        {owner}.{method} = called
        os.kill(os.getpid(), signal.SIGINT)
    return done
{owner}.{method} = once
"""


def patient(before=""):
    """The program, after those lines."""
    return [sys.executable, "-c", before + PATIENT]


def interrupted_at(owner, method, word=""):
    """The program, which Ctrl-C meets at a moment that hangs on no clock."""
    return patient(INTERRUPTED.format(module=owner.__module__, owner=owner.__name__, method=method, word=word))


class Lab:
    """A lab as a user runs it."""

    def __init__(self, folder, environment):
        words = ["lab", "run", "--state", str(folder), "--faults", "quota=off,pending=50ms", "--output", "json"]
        self.process = subprocess.Popen(
            [*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        assert self.process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read() if self.process.stderr else ""
            text += line
        self.endpoint = json.loads(text)["endpoint"]

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=120)

    def client(self, service):
        return boto3.client(service, endpoint_url=self.endpoint, region_name="us-east-1")

    def ask(self, path, method="GET", document=None):
        data = None if document is None else json.dumps(document).encode()
        with urllib.request.urlopen(urllib.request.Request(self.endpoint + path, data, method=method)) as answer:
            return json.load(answer)

    def faults(self, spec):
        self.ask("/_lab/faults", "PUT", {"spec": spec})

    def asked(self, service):
        return sum(self.ask("/_lab/requests").get(service, {}).values())

    def volume(self):
        ec2 = self.client("ec2")
        volume = ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
        ec2.get_waiter("volume_available").wait(VolumeIds=[volume], WaiterConfig={"Delay": 1})
        return volume, self.ask(f"/_lab/volumes/{volume}")["path"]

    def snapshot(self, volume):
        ec2 = self.client("ec2")
        snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
        ec2.get_waiter("snapshot_completed").wait(SnapshotIds=[snapshot], WaiterConfig={"Delay": 1})
        return snapshot


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[Lab]:
    running = Lab(tmp_path_factory.mktemp("lab"), dict(os.environ))
    yield running
    out, err = running.stop()
    assert running.process.returncode == 0
    assert "Traceback" not in out + err


@pytest.fixture
def cloud(holdfast: Holdfast, lab: Lab, request) -> Iterator[Holdfast]:
    holdfast.environment["AWS_ENDPOINT_URL"] = lab.endpoint
    bucket = f"bucket-{abs(hash(request.node.name)):x}"
    lab.client("s3").create_bucket(Bucket=bucket)
    holdfast.repository = f"s3://{bucket}/p"
    holdfast.init()
    yield holdfast
    lab.faults("")


def wait_until(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def interrupted(process, within_seconds=120):
    """The run ends with 130, and with one line that says so."""
    _out, err = process.communicate(timeout=within_seconds)
    assert process.returncode == 130, err
    assert b"Traceback" not in err
    assert b"Exception" not in err
    assert err.splitlines()[-1].startswith(b"interrupted: ")
    assert err.count(b"interrupted: ") == 1


def fill(path, offset, content):
    with open(path, "r+b") as disk:
        disk.seek(offset)
        disk.write(content)


def sha256_of(path):
    with open(path, "rb") as disk:
        return hashlib.file_digest(disk, "sha256").hexdigest()


def test_only_changed_blocks_are_read_and_the_lost_volume_comes_back(cloud, lab):
    volume, path = lab.volume()
    fill(path, 0, os.urandom(20 * BLOCK_BYTES))
    first = cloud.done("backup", f"ebs:{lab.snapshot(volume)}", "--workload", "db")
    assert (first["method"], first["read_bytes"]) == ("full", 20 * BLOCK_BYTES)
    fill(path, 3 * BLOCK_BYTES + 5, b"changed")
    fill(path, 900 * MIB, b"new")
    before = sha256_of(path)
    second = cloud.done("backup", f"ebs:{lab.snapshot(volume)}?region=us-east-1", "--workload", "db")
    assert (second["method"], second["read_bytes"]) == ("changed-blocks", 2 * BLOCK_BYTES)
    assert second["parent"] == first["restore_point"]
    assert "EBS" in second["trusted"]
    lab.client("ec2").delete_volume(VolumeId=volume)

    made = cloud.done("restore", "latest:db", "--to", "ebs:")["snapshot_id"]
    ec2 = lab.client("ec2")
    again = ec2.create_volume(AvailabilityZone="us-east-1a", SnapshotId=made)["VolumeId"]
    ec2.get_waiter("volume_available").wait(VolumeIds=[again], WaiterConfig={"Delay": 1})
    assert sha256_of(lab.ask(f"/_lab/volumes/{again}")["path"]) == before


def test_a_base_snapshot_that_is_gone_is_a_warning(cloud, lab):
    volume, path = lab.volume()
    fill(path, 0, os.urandom(4 * BLOCK_BYTES))
    base = lab.snapshot(volume)
    cloud.done("backup", f"ebs:{base}", "--workload", "db")
    fill(path, BLOCK_BYTES, os.urandom(10))
    after = lab.snapshot(volume)
    lab.client("ec2").delete_snapshot(SnapshotId=base)
    done = cloud.image("backup", f"ebs:{after}", "--workload", "db", "--output", "json", "--no-progress")
    assert done.status == 3, done.err
    assert done.err.startswith("warning: ")
    assert base in done.err
    assert done.document["warnings"]
    assert (done.document["method"], done.document["new_chunks"]) == ("compared", 1)


def test_snapshot_that_is_not_there(cloud):
    cloud.image("backup", "ebs:snap-0123456789abcdef0", "--workload", "w").failed(4)
    cloud.image("backup", "ebs:vol-1", "--workload", "w").failed(2)
    cloud.image("backup", "ebs:snap-1?colour=red", "--workload", "w").failed(2)
    assert cloud.check()["restore_points"] == 0


def test_snapshot_deleted_meanwhile(cloud, lab):
    volume, path = lab.volume()
    fill(path, 0, os.urandom(150 * BLOCK_BYTES))
    snapshot = lab.snapshot(volume)

    def delete():
        lab.client("ec2").delete_snapshot(SnapshotId=snapshot)
        return False

    with closing(KillingProxy(lab.endpoint)) as proxy:
        cloud.environment["AWS_ENDPOINT_URL"] = proxy.endpoint
        proxy.begin(Trap(Step("ebs GetSnapshotBlock", 20), BEFORE, delete))
        said = cloud.image("backup", f"ebs:{snapshot}", "--workload", "w").failed(4)
        assert "[source-gone]" in said
        assert cloud.check("--read-data")["restore_points"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_while_the_source_is_read(filled, number):
    process = filled.start("image", "backup", "-", "--workload", "dump", *filled.opening, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(os.urandom(3 * MIB))
    process.stdin.flush()
    process.send_signal(number)
    interrupted(process)
    assert [point["workload"] for point in filled.done("list")["restore_points"]] == ["w"]
    filled.done("backup", "-", "--workload", "dump", data=b"whole")
    filled.check("--read-data")


def test_interrupted_while_the_store_hangs(cloud, lab):
    (cloud.folder / "disk").write_bytes(os.urandom(40 * MIB))
    before = lab.asked("s3")
    lab.faults("s3:slow=3s")
    process = cloud.start("image", "backup", "disk", "--workload", "w", *cloud.opening)
    wait_until(lambda: lab.asked("s3") > before + 1)
    lab.faults("s3:slow=3600s")
    before = lab.asked("s3")
    wait_until(lambda: lab.asked("s3") > before)
    process.send_signal(signal.SIGINT)
    interrupted(process, BEFORE_THE_STORE_IS_GIVEN_UP_SECONDS)
    lab.faults("")
    cloud.done("backup", "disk", "--workload", "w")
    cloud.check("--read-data")


def test_interrupted_restore_leaves_no_file(filled):
    program = interrupted_at(FileTarget, "write")
    interrupted(filled.start("image", "restore", "latest:w", "--to", "out", *filled.opening, program=program))
    assert [path.name for path in filled.folder.iterdir() if "out" in path.name] == []
    filled.done("restore", "latest:w", "--to", "out")


def test_a_second_signal_ends_it_at_once(cloud, lab):
    lab.faults("s3:slow=3600s")
    before = lab.asked("s3")
    process = cloud.start("image", "list", *cloud.opening, program=patient())
    wait_until(lambda: lab.asked("s3") > before)

    def ended_by_another():
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)  # two that come together are one
        return process.poll() is not None

    wait_until(ended_by_another, BEFORE_THE_STORE_IS_GIVEN_UP_SECONDS)
    interrupted(process)


def test_killed_backup_leaves_nothing_in_the_way(filled):
    process = filled.start("image", "backup", "-", "--workload", "dump", *filled.opening, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(os.urandom(3 * MIB))
    process.stdin.flush()
    process.kill()
    process.communicate()
    assert [point["workload"] for point in filled.done("list")["restore_points"]] == ["w"]
    filled.done("backup", "-", "--workload", "dump", data=b"whole")
    filled.check("--read-data")


def test_an_interrupted_backup_is_gone_on_with(filled):
    disk = filled.folder / "disk"
    disk.write_bytes(os.urandom(256 * MIB))
    time.sleep(UNSETTLED_SECONDS + 0.5)
    program = interrupted_at(DirectoryStore, "create", "/checkpoint-")
    interrupted(filled.start("image", "backup", "disk", "--workload", "other", *filled.opening, program=program))
    sessions = Path(filled.repository) / "sessions"
    assert list(sessions.glob("*/checkpoint-*"))
    again = filled.image("backup", "disk", "--workload", "other", "--output", "json")
    assert "an earlier run did not end" in again.err
    # One pack at least.
    assert again.document["resumed_bytes"] >= 4 * MIB
    assert again.document["read_bytes"] + again.document["resumed_bytes"] == 256 * MIB
    assert not list(sessions.glob("*/*")), "the interrupted session has its end"
    filled.done("restore", "latest:other", "--to", "out")
    assert sha256_of(filled.folder / "out") == sha256_of(disk)
    filled.check("--read-data")


def test_lab_on_an_address_that_is_taken(lab, holdfast):
    holdfast.run("lab", "run", "--listen", lab.endpoint.removeprefix("http://")).failed(7)
