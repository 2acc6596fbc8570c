"""A lab, an appliance started by hand behind a killing proxy, and a customer with instances to protect."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from holdfast.aws.bundle.building import Bundle
from holdfast.aws.policies.grants import document
from holdfast.aws.policies.worker import worker_boundary_grants
from holdfast.domain.errors import UnavailableError
from holdfast.lab.listening import port_for_later
from holdfast.lab.process import LabProcess
from holdfast.plugin_api import ServerIdentity
from holdfast.rest.client.appliance import ApplianceClient, enrol
from holdfast.rest.tls import keep_certificate
from holdfast.wiring.local import opening
from tests.e2e.campaign.proxy import KillingProxy
from tests.e2e.lab.account import Account, block, until
from tests.labs import start_lab

ACCOUNT_ID, REGION = "123456789012", "us-east-1"
BUCKET, PREFIX, BUNDLES = "campaign", "backups", "campaign-bundles"
LOCATION = f"s3://{BUCKET}/{PREFIX}"
PASSWORD = "of the campaign"
ROOT, DATA = "/dev/sda1", "/dev/sdf"
FAULTS = "quota=off,pending=50ms,iam=20ms"
KEPT = 2
_PROGRAM = Path(__file__).with_name("quick_appliance.py")
_START_SECONDS, _END_SECONDS = 180, 600


@dataclass
class RunningAppliance:
    """The appliance's process: started, killed, started again at the same address."""

    home: Path
    endpoint: str
    log: Path
    listen: str = field(default_factory=lambda: f"127.0.0.1:{port_for_later()}")

    def start(self) -> dict[str, Any]:
        environment = os.environ | {"AWS_ENDPOINT_URL": self.endpoint, "HOLDFAST_HOME": str(self.home)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(_PROGRAM), str(self.home), self.listen],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        line = self.process.stdout.readline() if self.process.stdout else ""
        assert line, self.log.read_text()[-3000:]
        facts: dict[str, Any] = json.loads(line)
        return facts

    def kill(self) -> bool:
        """As a machine that loses its power."""
        self.process.kill()
        self.process.wait()
        return True

    def kill_worker(self) -> bool:
        """Kill the local worker, if one runs; whether one did."""
        workers = [pid for pid in children(self.process.pid) if b"--stdin" in command_line(pid)]
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        return bool(workers)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        if self.process.stdout:
            self.process.stdout.close()


@dataclass
class Site:
    """Everything, for many kills. `log` is told when a test fails."""

    lab: LabProcess
    proxy: KillingProxy
    appliance: RunningAppliance
    client: ApplianceClient
    account: Account
    image_id: str
    instances: list[str] = field(default_factory=list)
    seed: int = 0

    # --------------------------------------------------------------------------------------------------- the customer

    def new_instance(self) -> str:
        """An instance that runs, with a root disk and a data disk of 1 GiB."""
        data = {"DeviceName": DATA, "Ebs": {"VolumeSize": 1, "VolumeType": "gp3", "DeleteOnTermination": True}}
        made = self.account.ec2.run_instances(
            ImageId=self.image_id, InstanceType="t3.small", MinCount=1, MaxCount=1, BlockDeviceMappings=[data]
        )
        instance_id: str = made["Instances"][0]["InstanceId"]
        until(lambda: self.instance(instance_id)["State"]["Name"] == "running")
        self.instances.append(instance_id)
        self.write(instance_id, 6)
        return instance_id

    def instance(self, instance_id: str) -> dict[str, Any]:
        found = self.account.ec2.describe_instances(InstanceIds=[instance_id])
        return dict(found["Reservations"][0]["Instances"][0])

    def volumes(self, instance_id: str) -> dict[str, str]:
        mappings = self.instance(instance_id)["BlockDeviceMappings"]
        return {one["DeviceName"]: one["Ebs"]["VolumeId"] for one in mappings}

    def write(self, instance_id: str, blocks: int) -> None:
        """New content in so many blocks of each volume."""
        self.seed += 1
        for number, volume_id in enumerate(sorted(self.volumes(instance_id).values())):
            self.account.write(volume_id, {3 + 7 * one: block(one + 100 * number, self.seed) for one in range(blocks)})

    def contents(self, instance_id: str) -> dict[str, dict[int, bytes]]:
        """Device -> blocks that are not zeros."""
        return {device: blocks_of(self.account.path(one)) for device, one in self.volumes(instance_id).items()}

    def terminate(self, instance_id: str) -> None:
        """The customer's own end of an instance, with its volumes."""
        volumes = list(self.volumes(instance_id).values())
        self.account.ec2.terminate_instances(InstanceIds=[instance_id])
        until(lambda: self.instance(instance_id)["State"]["Name"] == "terminated")
        for volume_id in volumes:
            if volume_id in self.census()["volumes"]:
                self.account.ec2.delete_volume(VolumeId=volume_id)
        if instance_id in self.instances:
            self.instances.remove(instance_id)

    def census(self) -> dict[str, Any]:
        found: dict[str, Any] = self.account.lab("census")[ACCOUNT_ID]
        return found

    # -------------------------------------------------------------------------------------------------- the appliance

    def send(self, method: str, path: str, body: object = None, query: Mapping[str, str] | None = None) -> Any:
        """Ask again while the appliance is not there; not for what must not be asked twice."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                return self.client.send(method, path, body, query)
            except UnavailableError:
                assert time.monotonic() < deadline
                if self.appliance.process.poll() is not None:
                    self.revive()
                time.sleep(0.1)

    def kill_instances(self, purpose: str) -> None:
        """Kill every process of the instances that have that purpose; the instances go on running, without them."""
        answer = self.account.ec2.describe_instances(Filters=[{"Name": "tag:holdfast:purpose", "Values": [purpose]}])
        meant = {one["InstanceId"] for reservation in answer["Reservations"] for one in reservation["Instances"]}
        for one in self.account.lab("instances")["instances"]:
            for pid in one["pids"] if one["instance_id"] in meant else ():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def revive(self) -> None:
        """Start the appliance again, without a trap."""
        self.appliance.process.wait()
        self.proxy.begin()
        self.appliance.start()

    def policy(self, instance_id: str, mode: str) -> str:
        """A policy for that instance; its name."""
        name = f"of-{instance_id}"
        spec = {
            "account": "own",
            "regions": [REGION],
            "select": {"ids": [instance_id]},
            "snapshot": {"keep": KEPT},
            "backup": {"repository": "main", "retention": {"keep": KEPT}},
            "worker": {"mode": mode} | ({"instance_type": "t3.small"} if mode == "ec2" else {}),
        }
        metadata = {"name": name}
        self.send(
            "PUT",
            f"/policies/{name}",
            {"apiVersion": "holdfast/v1", "kind": "EC2Policy", "metadata": metadata, "spec": spec},
        )
        return name

    def points(self, instance_id: str | None = None) -> list[dict[str, Any]]:
        query = {"limit": "1000"} | ({"workload": instance_id} if instance_id else {})
        found: list[dict[str, Any]] = self.send("GET", "/points", query=query)["items"]
        return found

    def sessions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.send("GET", "/sessions", query={"limit": "1000"})["items"]
        return found

    def ended(self, session_id: str) -> dict[str, Any]:
        """A session with its tasks, when it has ended; an appliance that is killed meanwhile is started again."""
        deadline = time.monotonic() + _END_SECONDS
        while True:
            if self.appliance.process.poll() is not None:
                self.revive()
            detail: dict[str, Any] = self.send("GET", f"/sessions/{session_id}")
            if detail["session"]["state"] in ("succeeded", "warning", "failed", "cancelled"):
                return detail
            assert time.monotonic() < deadline, (detail, self.told(session_id), self._standing_still())
            time.sleep(0.1)

    def _standing_still(self) -> tuple[list[str], str]:
        """What AWS says of the instances, and where the appliance's threads are."""
        os.kill(self.appliance.process.pid, signal.SIGUSR1)
        time.sleep(1)
        groups = self.account.ec2.describe_instances()["Reservations"]
        states = [f"{one['InstanceId']} {one['State']['Name']}" for group in groups for one in group["Instances"]]
        return states, self.appliance.log.read_text()[-20_000:]

    def told(self, session_id: str) -> list[str]:
        return [line["message"] for line in self.send("GET", f"/sessions/{session_id}/log")]


@contextmanager
def running_site(folder: Path, bundle: Bundle) -> Iterator[Site]:
    """Made from nothing; ended with everything in it."""
    with start_lab(folder / "lab", FAULTS) as lab, pytest.MonkeyPatch.context() as environment:
        # For what looks into the repository from here: past the proxy.
        environment.setenv("AWS_ENDPOINT_URL", lab.endpoint)
        account = Account(lab.endpoint)
        settings = _stack(account, bundle)
        proxy = KillingProxy(lab.endpoint)
        appliance = RunningAppliance(folder / "home", proxy.endpoint, folder / "appliance.log")
        facts = appliance.start()
        key, certificate = keep_certificate(folder / "tls", "a server", datetime.now(UTC))
        identity = ServerIdentity(certificate, key, "5e" * 16)
        code = Path(facts["enrolment_code_file"]).read_text()
        enrolled = enrol(facts["url"], facts["certificate_sha256"], code, identity)
        client = ApplianceClient(facts["url"], enrolled.certificate, identity)
        with opening.initialised(LOCATION, _quiet, PASSWORD.encode(), None, 64 * 1024**2):
            pass
        site = Site(lab, proxy, appliance, client, account, _image(account))
        site.send("PUT", "/settings", settings)
        site.send("PUT", "/accounts/own", {"name": "own"})
        definition = {"name": "main", "location": LOCATION}
        site.send("PUT", "/repositories/main", {"repository": definition, "password": PASSWORD})
        try:
            yield site
        finally:
            client.close()
            appliance.close()
            proxy.close()


def _stack(account: Account, bundle: Bundle) -> dict[str, Any]:
    """What the plug-in's stack makes; the settings that tell an appliance of it."""
    iam, sqs, kms = (account.client(name) for name in ("iam", "sqs", "kms"))
    account.s3.create_bucket(Bucket=BUCKET)
    account.s3.create_bucket(Bucket=BUNDLES)
    account.s3.put_object(Bucket=BUNDLES, Key=bundle.key, Body=bundle.path.read_bytes())
    queue_url = sqs.create_queue(QueueName="holdfast-events-1")["QueueUrl"]
    key_arn = kms.create_key()["KeyMetadata"]["Arn"]
    queue_arn = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:holdfast-events-1"
    boundary = json.dumps(document(worker_boundary_grants("aws", ACCOUNT_ID, key_arn, queue_arn)))
    made = iam.create_policy(PolicyName="boundary", Path="/holdfast/", PolicyDocument=boundary)
    return {
        "stack": "holdfast-1",
        "region": REGION,
        "account_id": ACCOUNT_ID,
        "bundle_bucket": BUNDLES,
        "bundles": {bundle.architecture: {"key": bundle.key, "sha256": bundle.sha256}},
        "kms_key_arn": key_arn,
        "event_queue_url": queue_url,
        "worker_boundary_arn": made["Policy"]["Arn"],
    }


def _image(account: Account) -> str:
    """An image whose root disk is small."""
    mappings = [{"DeviceName": ROOT, "Ebs": {"SnapshotId": account.snapshot_of({0: block(0)}), "VolumeType": "gp3"}}]
    made = account.ec2.register_image(
        Name="small", RootDeviceName=ROOT, Architecture="x86_64", BlockDeviceMappings=mappings
    )
    image_id: str = made["ImageId"]
    return image_id


def blocks_of(path: Path) -> dict[int, bytes]:
    """Blocks of 512 KiB of a sparse file that are not zeros."""
    found, size = {}, 512 * 1024
    with path.open("rb") as file:
        position, end = 0, path.stat().st_size
        while position < end:
            try:
                position = os.lseek(file.fileno(), position, os.SEEK_DATA) // size * size
            except OSError:
                break
            content = os.pread(file.fileno(), size, position)
            if any(content):
                found[position // size] = content
            position += size
    return found


def children(pid: int) -> list[int]:
    """The processes that a process has started, of any thread of it."""
    found = []
    for folder in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # a thread that has just ended
            found += [int(one) for one in folder.read_text().split()]
    return found


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _quiet(line: str) -> None:
    raise AssertionError(line)
