"""A worker that is a process: its task through a pipe, blocks from a lab, and an end when its pipe ends."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from holdfast.protocol.worker_messages import TaskKind, TaskPointer, decode_event, encode_pointer
from holdfast.repository.delegation.acceptance import accept_backup
from holdfast.repository.delegation.backup_side import VolumeSource, prepare_backup, write_task
from holdfast.repository.delegation.orders import read_result
from holdfast.repository.delegation.results import BackupResult
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.sessions.points import list_points
from holdfast.testing.memory_volumes import MemoryTarget
from holdfast.wiring.local import opening
from holdfast.wiring.own_program import own_command
from tests.e2e.lab.account import Account, block
from tests.labs import start_lab

REGION = "us-east-1"
PASSWORD = b"password"
BLOCKS = {number: block(number) for number in range(400)}
MEMORY_LIMIT_BYTES = 256 * 1024 * 1024


@pytest.fixture(scope="module")
def lab():
    with start_lab(faults="quota=off,pending=100ms") as lab:
        yield lab


@pytest.fixture
def opened(lab, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", lab.endpoint)
    location = str(tmp_path / "repository")

    def quiet(line):
        raise AssertionError(line)

    with opening.initialised(location, quiet, PASSWORD, None, 64 * 1024**2):
        pass
    with opening.opened(location, PASSWORD, quiet) as opened:
        yield opened


@pytest.fixture
def snapshot_id(lab):
    return Account(lab.endpoint).snapshot_of(BLOCKS)


@pytest.fixture
def locked(lab, monkeypatch):
    """An immutable repository in a bucket of the lab, and a plain client."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", lab.endpoint)
    s3 = boto3.client("s3", endpoint_url=lab.endpoint, region_name=REGION)
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    location, told = "s3://locked/p", list[str]()
    with opening.initialised(location, told.append, PASSWORD, None, 64 * 1024**2, immutable=True):
        pass
    with opening.opened(location, PASSWORD, told.append) as opened:
        yield opened, s3
    assert told == []


def ordered(opened, snapshot_id, keep_until=None):
    source = {"kind": "ebs", "snapshot": snapshot_id, "region": REGION}
    backup = prepare_backup(
        opened.repository, "default", "machine", [VolumeSource("/dev/xvda", source)], keep_until=keep_until
    )
    write_task(backup, 1)
    master = opened.repository.master
    pointer = TaskPointer(
        session=backup.session.hex(),
        attempt=1,
        kind=TaskKind.BACKUP,
        location=opened.repository.store.location,
        repository=master.repository.hex(),
        kid=master.kid,
        region=REGION,
    )
    line = json.dumps({**json.loads(encode_pointer(pointer)), "scratch_key": backup.scratch_key.hex()})
    return backup, line + "\n"


def started(command=None):
    command, pipe = command or own_command("worker", "run", "--stdin"), subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_task_in_events_out_result_in_the_repository(opened, snapshot_id):
    backup, line = ordered(opened, snapshot_id)
    with started() as worker:
        worker.stdin.write(line)
        worker.stdin.flush()
        events = [decode_event(text) for text in worker.stdout]
        errors = worker.stderr.read()
    assert worker.returncode == 0, errors
    assert (events[0].type, events[-1].type) == ("started", "done")
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert backup.scratch_key.hex() not in errors
    result = read_result(opened.repository, backup.session, 1)
    assert isinstance(result, BackupResult)
    accept_backup(opened.repository, backup.session, result)
    (point,) = list_points(opened.repository, "default", "machine")
    assert point.session == backup.session


def test_what_a_worker_writes_is_locked_as_its_task_says(locked, snapshot_id):
    """Each pack by its own PUT; what is put over them all afterwards keeps no restore from what was promised."""
    opened, s3 = locked
    promise = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    backup, line = ordered(opened, snapshot_id, promise)
    with started() as worker:
        worker.stdin.write(line)
        worker.stdin.flush()
        assert decode_event(worker.stdout.read().splitlines()[-1]).type == "done"
    packs = [one["Key"] for one in s3.list_objects_v2(Bucket="locked", Prefix="p/packs/")["Contents"]]
    assert packs
    for key in packs:
        lock = s3.head_object(Bucket="locked", Key=key)
        assert lock["ObjectLockMode"] == "COMPLIANCE"
        assert lock["ObjectLockRetainUntilDate"] >= promise + timedelta(days=10)
    result = read_result(opened.repository, backup.session, 1)
    assert isinstance(result, BackupResult)
    accept_backup(opened.repository, backup.session, result)
    for key in packs:
        s3.put_object(Bucket="locked", Key=key, Body=b"junk")
    (point,) = list_points(opened.repository, "default", "machine")
    target = MemoryTarget()
    restore_volume(opened.repository, point, target, Silence())
    assert target.volume is not None
    assert {number: target.volume.blocks[number] for number in BLOCKS} == BLOCKS


def test_memory_is_bounded(opened, snapshot_id):
    _, line = ordered(opened, snapshot_id)
    measured = (
        "import os, subprocess, sys\nworker = subprocess.Popen(sys.argv[1:])\n"
        "_, status, usage = os.wait4(worker.pid, 0)\nprint(usage.ru_maxrss * 1024, usage.ru_utime + usage.ru_stime)"
    )
    command = [sys.executable, "-c", measured, *own_command("worker", "run", "--stdin")]
    with started(command) as process:
        process.stdin.write(line)
        process.stdin.flush()
        *events, told = process.stdout.read().splitlines()
    assert decode_event(events[-1]).type == "done"
    memory_bytes, _cpu_seconds = told.split()
    assert int(memory_bytes) < MEMORY_LIMIT_BYTES


def test_end_of_its_input_ends_a_worker_at_work(opened, lab, snapshot_id):
    account = Account(lab.endpoint)
    _, line = ordered(opened, snapshot_id)
    account.faults("ebs:slow=3600s")
    try:
        with started() as worker:
            worker.stdin.write(line)
            worker.stdin.flush()
            first = decode_event(worker.stdout.readline())
            worker.stdin.close()
            last = decode_event(worker.stdout.read().splitlines()[-1])
            worker.wait(120)
    finally:
        account.faults("")
    assert first.type == "started"
    assert (last.type, last.exit_status, worker.returncode) == ("failed", 130, 130)
