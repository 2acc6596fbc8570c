"""A worker is launched once, whatever was lost on the way."""

from datetime import UTC, datetime

import pytest

from holdfast.appliance.ports.cloud import Ownership, WorkerOrder
from holdfast.aws.queues import TaskQueues
from holdfast.aws.worker_instances import Ec2WorkerInstances, WorkerServices
from holdfast.aws.written_down import Book
from holdfast.domain.errors import ConflictError, UnavailableError
from holdfast.protocol.appliance_answers import AwsSettings
from holdfast.signed_http.aws_answers import Refusal
from holdfast.signed_http.patience import Waiting
from tests.unit.aws.memory_ledger import MemoryLedger
from tests.unit.aws.recorded_ec2 import RecordedEc2

OWNER = Ownership("a" * 32, "5" * 32, "7" * 32, 1, "worker")
SETTINGS = AwsSettings(
    "stack", "eu-west-1", "123456789012", "bundles", {"worker-x86_64": {"key": "k", "sha256": "0" * 64}},
    "arn:aws:kms:eu-west-1:123456789012:key/k", "https://sqs.eu-west-1.amazonaws.com/123456789012/events", "arn:b",
)  # fmt: skip
ORDER = WorkerOrder(
    OWNER, "s3://bucket/prefix", "5" * 32, ("snap-1",), subnet_id="subnet-1", security_group_ids=("sg-1",)
)
MISMATCH = Refusal(400, "IdempotentParameterMismatch", "Arguments on this idempotent request are inconsistent")
TOO_SOON = Refusal(400, "AWS.SimpleQueueService.QueueDeletedRecently", "You must wait 60 seconds")


class Clock:
    """Time that passes by waiting alone."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.waiting = Waiting(self.sleep, lambda: 1.0, lambda: self.seconds)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def launched(standing):
    running = [{"InstanceId": "i-1", "State": {"Name": "running"}}] if standing else []
    ec2 = RecordedEc2(
        {
            "DescribeImages": [{"Images": [{"ImageId": "ami-1", "CreationDate": "2026"}]}],
            "DescribeSubnets": [{"Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1"}]}],
            "DescribeSnapshots": [{"Snapshots": []}],
            "RunInstances": [MISMATCH],
            "DescribeInstances": [{"Reservations": [{"Instances": running}]}],
        }
    )
    iam = RecordedEc2(
        {
            "CreateRole": [{"Role": {"RoleId": "AROA1"}}],
            "PutRolePolicy": [{}],
            "CreateInstanceProfile": [{"InstanceProfile": {}}],
            "AddRoleToInstanceProfile": [{}],
            "RemoveRoleFromInstanceProfile": [{}],
            "DeleteInstanceProfile": [{}],
            "DeleteRolePolicy": [{}],
            "DeleteRole": [{}],
        }
    )
    sqs = RecordedEc2({"CreateQueue": [{"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/1/q"}], "ListQueues": [{}]})
    book = Book(MemoryLedger(), lambda: datetime(2026, 1, 1, tzinfo=UTC), "", "eu-west-1")
    services = WorkerServices(ec2, iam, sqs, RecordedEc2({}))
    workers = Ec2WorkerInstances(services, (book, book), SETTINGS, "a" * 32, Clock().waiting)
    return workers, ec2


def test_a_worker_whose_launch_was_cut_off_is_taken_though_it_would_be_asked_for_in_other_words():
    workers, ec2 = launched(standing=True)
    assert workers.launch(ORDER).instance_id == "i-1"
    filters = {one["Name"]: one["Values"] for one in ec2.parameters("DescribeInstances")["Filters"]}
    assert filters["tag:holdfast:attempt"] == ["1"]
    assert filters["tag:holdfast:purpose"] == ["worker"]
    assert ec2.operations("RunInstances") == ["RunInstances"]


def test_one_that_has_ended_meanwhile_is_said():
    workers, _ec2 = launched(standing=False)
    with pytest.raises(ConflictError, match="RunInstances"):
        workers.launch(ORDER)


def test_a_queue_whose_name_was_deleted_a_moment_ago_is_waited_for():
    clock = Clock()
    sqs = RecordedEc2({"CreateQueue": [TOO_SOON, TOO_SOON, {"QueueUrl": "url"}]})
    assert TaskQueues(sqs, clock.waiting).create("name", {}, 3600) == "url"
    assert clock.seconds > 0
    with pytest.raises(UnavailableError, match="CreateQueue"):
        TaskQueues(RecordedEc2({"CreateQueue": [TOO_SOON]}), clock.waiting).create("name", {}, 3600)
    assert clock.seconds > 60
