"""A worker on an instance of its own, from a stock image to a restore point and back, with no right too many."""

import base64
import time
from dataclasses import dataclass
from typing import Any

import pytest

from holdfast.aws.bundle.building import Bundle, build_bundle
from holdfast.aws.bundle.user_data import BootOrder, user_data
from holdfast.aws.policies.grants import as_text
from holdfast.aws.policies.worker import SnapshotsToRead, WorkerScope, worker_backup_grants, worker_restore_grants
from holdfast.domain.ownership import SESSION
from holdfast.protocol.worker_messages import TaskKind, TaskPointer, WorkerEvent, decode_event, encode_pointer
from holdfast.repository.delegation.acceptance import accept_backup
from holdfast.repository.delegation.backup_side import VolumeSource, prepare_backup, write_task
from holdfast.repository.delegation.orders import read_result
from holdfast.repository.delegation.restore_side import (
    VolumeTarget,
    finish_reading,
    prepare_restore,
    write_restore_task,
)
from holdfast.repository.delegation.results import BackupResult, RestoreResult
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.wiring.local import opening
from tests.e2e.lab.account import BLOCK_BYTES, Account, block
from tests.e2e.lab.fleet import Fleet
from tests.labs import start_lab

REGION = "us-east-1"
BUCKET = "holdfast-worker-test"
LOCATION = f"s3://{BUCKET}/backups"
PASSWORD = b"password"
PATIENCE_SECONDS = 240
OLD_BLOCKS = {0: block(0), 7: block(7), 1500: block(1500)}
NEW_BLOCKS = {7: block(7, seed=1), 9: block(9)}


@dataclass
class Site:
    """A lab with a bucket, a bundle in it, a role, two queues and a key: what an appliance has prepared."""

    account: Account
    bundle: Bundle

    def __post_init__(self):
        account = self.account
        self.fleet = Fleet(account)
        self.sqs, self.kms, self.iam = (account.client(name) for name in ("sqs", "kms", "iam"))
        account.s3.create_bucket(Bucket=BUCKET)
        account.s3.put_object(Bucket=BUCKET, Key=self.bundle.key, Body=self.bundle.path.read_bytes())
        self.tasks, self.events = (self.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("tasks", "events"))
        self.key_arn = self.kms.create_key()["KeyMetadata"]["Arn"]
        self.profile = self.fleet.role("worker")
        self.role_id = self.iam.get_role(RoleName="worker")["Role"]["RoleId"]

    def scope(self, prepared=None):
        """What the worker of that task works on."""
        queues = f"arn:aws:sqs:{REGION}:123456789012:"
        return WorkerScope(
            partition="aws",
            region=REGION,
            bucket=BUCKET,
            prefix="backups",
            session=prepared.session.hex() if prepared else "0" * 32,
            task_queue_arn=f"{queues}tasks",
            event_queue_arn=f"{queues}events",
            kms_key_arn=self.key_arn,
            bundle_bucket=BUCKET,
            bundle_key=self.bundle.key,
        )

    def launch(self, grants, *words):
        """An instance whose role has exactly these rights."""
        self.iam.put_role_policy(RoleName="worker", PolicyName="worker", PolicyDocument=as_text(grants))
        command = ("worker", "run", "--queue", self.tasks, *words)
        bundle = self.bundle
        order = BootOrder(BUCKET, bundle.key, bundle.sha256, REGION, command, lifetime_seconds=600)
        return self.fleet.launch(
            user_data(order), IamInstanceProfile=self.profile, InstanceInitiatedShutdownBehavior="terminate"
        )

    def send(self, instance_id, prepared, kind, key_for=None):
        master = prepared.repository.master
        context = {
            "holdfast:session": prepared.session.hex(),
            "holdfast:attempt": "1",
            "holdfast:userid": f"{self.role_id}:{key_for or instance_id}",
        }
        wrapped = self.kms.encrypt(KeyId=self.key_arn, Plaintext=prepared.scratch_key, EncryptionContext=context)
        pointer = TaskPointer(
            session=prepared.session.hex(),
            attempt=1,
            kind=kind,
            location=LOCATION,
            repository=master.repository.hex(),
            kid=master.kid,
            region=REGION,
            kms_key_id=self.key_arn,
            wrapped_key=wrapped["CiphertextBlob"],
            encryption_context=context,
            events_queue_url=self.events,
        )
        message = encode_pointer(pointer)
        assert prepared.scratch_key.hex() not in message
        assert base64.b64encode(prepared.scratch_key).decode() not in message
        self.sqs.send_message(QueueUrl=self.tasks, MessageBody=message)

    def heard(self, instance_id):
        """All events of a worker until its last."""
        events: list[WorkerEvent] = []
        deadline_seconds = time.monotonic() + PATIENCE_SECONDS
        while not any(event.is_last for event in events):
            assert time.monotonic() < deadline_seconds, self.fleet.console(instance_id)
            answer = self.sqs.receive_message(QueueUrl=self.events, MaxNumberOfMessages=10, WaitTimeSeconds=1)
            for message in answer.get("Messages", ()):
                events.append(decode_event(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.events, ReceiptHandle=message["ReceiptHandle"])
        return sorted(events, key=lambda event: event.sequence)

    def work(self, prepared, kind, grants):
        """A new worker does the task and is gone; its events."""
        instance_id = self.launch(grants)
        self.send(instance_id, prepared, kind)
        events = self.heard(instance_id)
        self.fleet.reaches(instance_id, "terminated")
        assert events[-1].type == "done", events[-1]
        assert events[0].type == "started"
        return events


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return build_bundle("worker", tmp_path_factory.mktemp("bundles"))


@pytest.fixture
def site(bundle, monkeypatch):
    with start_lab(faults="quota=off,pending=100ms") as lab:
        monkeypatch.setenv("AWS_ENDPOINT_URL", lab.endpoint)
        yield Site(Account(lab.endpoint), bundle)


def quiet(line):
    raise AssertionError(line)


def backed_up(site, repository, snapshot_id, base=()):
    """A backup of the snapshot by a worker that may read it, and `base`; the point's manifest and the last event."""
    source = {"kind": "ebs", "snapshot": snapshot_id, "region": REGION}
    backup = prepare_backup(repository, "default", "machine", [VolumeSource("/dev/xvda", source)])
    write_task(backup, 1)
    events = site.work(
        backup, TaskKind.BACKUP, worker_backup_grants(site.scope(backup), SnapshotsToRead(ids=(snapshot_id, *base)))
    )
    result = read_result(repository, backup.session, 1)
    assert isinstance(result, BackupResult)
    accept_backup(repository, backup.session, result)
    return result, events[-1]


def test_backups_and_restore_by_workers_with_the_rights_that_they_get(site):
    account = site.account
    volume_id = account.new_volume()
    account.write(volume_id, OLD_BLOCKS)
    first = account.snapshot(volume_id)
    with opening.initialised(LOCATION, quiet, PASSWORD, None, 64 * 1024**2):
        pass
    with opening.opened(LOCATION, PASSWORD, quiet) as opened:
        repository = opened.repository
        _, last = backed_up(site, repository, first)
        assert last.done_bytes == last.total_bytes
        account.write(volume_id, NEW_BLOCKS)
        second = account.snapshot(volume_id)
        result, last = backed_up(site, repository, second, base=(first,))
        assert result.statistics["read_bytes"] == len(NEW_BLOCKS) * BLOCK_BYTES
        assert not result.warnings

        point = list_points(repository, "default", "machine")[-1]
        target: dict[str, Any] = {"kind": "ebs", "region": REGION, "description": "again", "volume_size_gib": 2}
        target["tags"] = {SESSION: "session-1"}
        restore = prepare_restore(repository, point, [VolumeTarget("/dev/xvda", target)], Silence())
        write_restore_task(restore, 1)
        site.work(restore, TaskKind.RESTORE, worker_restore_grants(site.scope(restore), {SESSION: "session-1"}))
        result = read_result(repository, restore.session, 1)
        assert isinstance(result, RestoreResult)
        (restored,) = result.volumes
        finish_reading(repository, restore.session, Silence())
    (new,) = account.ec2.describe_snapshots(SnapshotIds=[restored.facts["snapshot_id"]])["Snapshots"]
    assert (new["Description"], new["VolumeSize"], new["State"]) == ("again", 2, "completed")
    assert {"Key": SESSION, "Value": "session-1"} in new["Tags"]
    again = account.new_volume(2, new["SnapshotId"])
    for number in (0, 1, 7, 8, 9, 1499, 1500, 2047):
        assert account.content(again, number) == account.content(volume_id, number)


def test_a_key_of_another_instance_opens_nothing_and_the_worker_says_so(site):
    with opening.initialised(LOCATION, quiet, PASSWORD, None, 64 * 1024**2) as new:
        source = {"kind": "ebs", "snapshot": "snap-0", "region": REGION}
        backup = prepare_backup(new.repository, "default", "machine", [VolumeSource("/dev/xvda", source)])
        write_task(backup, 1)
    instance_id = site.launch(worker_backup_grants(site.scope(backup), SnapshotsToRead(ids=("snap-0",))))
    site.send(instance_id, backup, TaskKind.BACKUP, key_for="i-0123456789abcdef0")
    last = site.heard(instance_id)[-1]
    assert last.error is not None
    assert (last.error.code, last.exit_status) == ("wrong-key", 5)
    site.fleet.reaches(instance_id, "terminated")


def test_a_worker_without_a_task_ends_its_machine(site):
    instance_id = site.launch(
        worker_backup_grants(site.scope(), SnapshotsToRead(ids=("snap-0",))), "--idle-timeout", "2"
    )
    deadline_seconds = time.monotonic() + PATIENCE_SECONDS
    while site.fleet.state(instance_id) != "terminated":
        assert time.monotonic() < deadline_seconds
        time.sleep(0.2)
    console = site.fleet.console(instance_id)
    assert "no task came within 2 s" in console
    assert "ended with exit code 4" in console
