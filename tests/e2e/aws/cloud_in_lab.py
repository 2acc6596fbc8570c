"""The adapters to AWS in a lab: a cloud with a ledger, and instances to protect that a customer made."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from holdfast.appliance.ports.cloud import Ownership
from holdfast.aws.cloud import AwsCloud, CloudMemory
from holdfast.domain.infrastructure import Account as CloudAccount
from holdfast.domain.ownership import SNAPSHOT
from holdfast.patience import Waiting
from holdfast.protocol.appliance_answers import AwsSettings
from tests.e2e.lab.account import Account, block, until
from tests.unit.aws.memory_ledger import MemoryLedger

APPLIANCE = "a" * 32
REGION = "us-east-1"
OWN = CloudAccount("")
# Polls of seconds would be most of a test's time.
IMPATIENT = Waiting(sleep=lambda seconds: time.sleep(min(seconds, 0.05)))


def lab_time(account: Account) -> Waiting:
    """Time that passes for who waits, and in the lab: with a `pending` of many seconds nothing is there before that."""
    ahead_seconds = 0.0

    def sleep(seconds: float) -> None:
        nonlocal ahead_seconds
        account.advance(seconds)
        ahead_seconds += seconds
        time.sleep(min(seconds, 0.1))

    return Waiting(sleep=sleep, monotonic=lambda: time.monotonic() + ahead_seconds)


def owner(task: str = "1", attempt: int = 1, purpose: str = SNAPSHOT, session: str = "5") -> Ownership:
    return Ownership(APPLIANCE, session * 32, task * 32, attempt, purpose)


@dataclass
class CloudInLab:
    """`account` is the customer's hand in the lab, `cloud` what is tested."""

    account: Account
    settings: AwsSettings | None = None
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    waiting: Waiting = IMPATIENT

    def __post_init__(self) -> None:
        memory = CloudMemory(self.ledger, lambda: datetime.now(UTC))
        self.cloud = AwsCloud(APPLIANCE, REGION, lambda: self.settings, memory, self.waiting)
        self.compute = self.cloud.compute(OWN, REGION)
        self.site = self.cloud.restore_site(OWN, REGION)

    def image(self) -> str:
        images = self.account.ec2.describe_images(
            Owners=["136693071363"], Filters=[{"Name": "name", "Values": ["debian-12-amd64-*"]}]
        )["Images"]
        return str(max(images, key=lambda one: one["CreationDate"])["ImageId"])

    def subnet(self) -> dict[str, Any]:
        found = self.account.ec2.describe_subnets(Filters=[{"Name": "availability-zone", "Values": ["us-east-1a"]}])
        return dict(found["Subnets"][0])

    def run(self, **more: Any) -> dict[str, Any]:
        """An instance that runs, with a second volume."""
        data = {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 1, "VolumeType": "gp3", "DeleteOnTermination": False}}
        request = {"ImageId": self.image(), "InstanceType": "t3.small", "BlockDeviceMappings": [data], **more}
        if "NetworkInterfaces" not in request:
            request.setdefault("SubnetId", self.subnet()["SubnetId"])
        made = self.account.ec2.run_instances(MinCount=1, MaxCount=1, **request)
        return self.in_state(made["Instances"][0]["InstanceId"], "running")

    def instance(self, instance_id: str) -> dict[str, Any]:
        found = self.account.ec2.describe_instances(InstanceIds=[instance_id])
        return dict(found["Reservations"][0]["Instances"][0])

    def in_state(self, instance_id: str, state: str) -> dict[str, Any]:
        until(lambda: self.instance(instance_id)["State"]["Name"] == state, self._nap)
        return self.instance(instance_id)

    def volumes(self, instance_id: str) -> dict[str, str]:
        mappings = self.instance(instance_id)["BlockDeviceMappings"]
        return {one["DeviceName"]: one["Ebs"]["VolumeId"] for one in mappings}

    def write(self, instance_id: str, seed: int) -> None:
        """Something of its own into each volume."""
        for number, volume_id in enumerate(sorted(self.volumes(instance_id).values())):
            self.account.write(volume_id, {3: block(number, seed)})

    def contents(self, instance_id: str) -> dict[str, bytes]:
        return {device: self.account.content(one, 3) for device, one in self.volumes(instance_id).items()}

    def completed(self, snapshots: dict[str, str]) -> dict[str, str]:
        until(lambda: self.compute.snapshots_percent(tuple(snapshots.values())) == 100, self._nap)
        return snapshots

    def _nap(self) -> None:
        self.waiting.sleep(0.5)
