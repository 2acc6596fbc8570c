"""A worker is launched once, whatever was lost on the way."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from holdfast.appliance.ports.cloud import Ownership, Worker, WorkerOrder
from holdfast.aws.queues import TaskQueues
from holdfast.aws.worker_instances import Ec2WorkerInstances, WorkerServices
from holdfast.aws.written_down import Book
from holdfast.domain.errors import ConflictError, QuotaReachedError, UnavailableError
from holdfast.protocol.appliance_answers import AwsSettings
from holdfast.signed_http.aws_answers import Refusal
from tests.unit.aws.memory_ledger import MemoryLedger
from tests.unit.aws.recorded_ec2 import RecordedEc2
from tests.unit.sleeping_clock import SleepingClock

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


def no_room(kind, zone):
    return Refusal(500, "InsufficientInstanceCapacity", f"We currently do not have sufficient {kind} in {zone}.")


def not_offered(kind, zone):
    return Refusal(400, "Unsupported", f"Your requested instance type ({kind}) is not supported in {zone}.")


def subnet(number):
    facts = {"SubnetId": f"subnet-{number}", "VpcId": "vpc-1", "AvailabilityZone": f"eu-west-1{'xabc'[number]}"}
    return facts | {"AvailableIpAddressCount": 100 - number}


def new_book():
    return Book(MemoryLedger(), lambda: datetime(2026, 1, 1, tzinfo=UTC), "", "eu-west-1")


def launched(standing, answers=(MISMATCH,), book=None):
    placed = {"InstanceType": "c6i.large", "Placement": {"AvailabilityZone": "eu-west-1b"}}
    running = [{"InstanceId": "i-1", "State": {"Name": "running"}, **placed}] if standing else []
    ec2 = RecordedEc2(
        {
            "DescribeImages": [{"Images": [{"ImageId": "ami-1", "CreationDate": "2026"}]}],
            "DescribeSubnets": [{"Subnets": [subnet(1), subnet(2)]}],
            "DescribeSecurityGroups": [{"SecurityGroups": [{"GroupId": "sg-1"}]}],
            "DescribeSnapshots": [{"Snapshots": []}],
            "RunInstances": list(answers),
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
    book = book or new_book()
    services = WorkerServices(ec2, iam, sqs, RecordedEc2({}))
    workers = Ec2WorkerInstances(services, (book, book), SETTINGS, "a" * 32, SleepingClock().waiting())
    return workers, ec2


def test_a_worker_whose_launch_was_cut_off_is_taken_though_it_would_be_asked_for_in_other_words():
    workers, ec2 = launched(standing=True)
    assert workers.launch(ORDER).instance_id == "i-1"
    looked = next(asked for operation, asked in ec2.asked if operation == "DescribeInstances")
    filters = {one["Name"]: one["Values"] for one in looked["Filters"]}
    assert filters["tag:holdfast:attempt"] == ["1"]
    assert filters["tag:holdfast:purpose"] == ["worker"]
    assert ec2.operations("RunInstances") == ["RunInstances"]


def test_one_that_has_ended_meanwhile_is_said():
    workers, _ec2 = launched(standing=False)
    with pytest.raises(ConflictError, match="RunInstances"):
        workers.launch(ORDER)


def test_a_queue_whose_name_was_deleted_a_moment_ago_is_waited_for():
    clock = SleepingClock()
    sqs = RecordedEc2({"CreateQueue": [TOO_SOON, TOO_SOON, {"QueueUrl": "url"}]})
    assert TaskQueues(sqs, clock.waiting()).create("name", {}, 3600) == "url"
    assert clock.seconds > 0
    with pytest.raises(UnavailableError, match="CreateQueue"):
        TaskQueues(RecordedEc2({"CreateQueue": [TOO_SOON]}), clock.waiting()).create("name", {}, 3600)
    assert clock.seconds > 60


RUNNING = {"Instances": [{"InstanceId": "i-1"}]}
ANYWHERE = replace(ORDER, subnet_id=None, security_group_ids=())


def asked_for(ec2):
    return [
        (asked["InstanceType"], asked["SubnetId"], asked["ClientToken"])
        for operation, asked in ec2.asked
        if operation == "RunInstances"
    ]


def test_the_next_zone_and_the_next_type_are_tried_each_written_down_before():
    book = new_book()
    answers = [not_offered("c5.large", "a"), no_room("c5.large", "b"), no_room("c6i.large", "a"), RUNNING]
    workers, ec2 = launched(True, answers, book)
    worker = workers.launch(ANYWHERE)
    asked = asked_for(ec2)
    assert [one[:2] for one in asked] == [
        ("c5.large", "subnet-1"), ("c5.large", "subnet-2"), ("c6i.large", "subnet-1"), ("c6i.large", "subnet-2")
    ]  # fmt: skip
    assert len({token for _, _, token in asked}) == 4, "EC2 takes a token for one request only"
    assert (worker.instance_id, worker.instance_type, worker.zone) == ("i-1", "c6i.large", "eu-west-1b")
    rows = book.ledger.rows.values()
    instances = [row for row in rows if row.kind == "instance"]
    assert {row.token for row in instances} == {token for _, _, token in asked}
    assert [row.object_id for row in instances if row.gone_at is None] == ["i-1"], "refused places are closed"


def test_a_place_that_was_found_is_kept_to():
    book = new_book()
    workers, _ = launched(True, [no_room("c5.large", "a"), RUNNING], book)
    first = workers.launch(ANYWHERE)
    workers, ec2 = launched(True, [RUNNING], book)
    assert workers.launch(ANYWHERE) == first
    assert not asked_for(ec2)


def test_an_answer_that_was_lost_is_found_again_whatever_place_it_was_for():
    book = new_book()
    lost = UnavailableError("no answer", why="the line was cut", cure="run it again")
    workers, _ = launched(False, [no_room("c5.large", "a"), lost], book)
    with pytest.raises(UnavailableError, match="no answer"):
        workers.launch(ANYWHERE)
    workers, ec2 = launched(True, [RUNNING], book)
    assert workers.launch(ANYWHERE).instance_id == "i-1"
    assert not asked_for(ec2)
    assert [row.object_id for row in book.ledger.open_rows() if row.kind == "instance"] == ["i-1"]


@pytest.mark.parametrize(
    ("named", "count"), [({"instance_type": "c5.large"}, 2), ({"subnet_id": "subnet-1"}, 4)], ids=["type", "subnet"]
)
def test_what_the_policy_names_is_not_replaced(named, count):
    book = new_book()
    workers, ec2 = launched(True, [no_room("c5.large", "a")], book)
    ec2._answers["DescribeSubnets"] = [{"Subnets": [subnet(1)] if "subnet_id" in named else [subnet(1), subnet(2)]}]
    with pytest.raises(ConflictError, match="no place") as error:
        workers.launch(replace(ANYWHERE, **named))
    assert len(asked_for(ec2)) == count
    assert "InsufficientInstanceCapacity" in error.value.why
    assert "worker." in error.value.cure
    assert not [row for row in book.ledger.open_rows() if row.kind in ("instance", "role")], "nothing is left"


def test_room_that_may_come_again_is_waited_for_elsewhere():
    workers, ec2 = launched(True, [no_room("c5.large", "a")])
    with pytest.raises(QuotaReachedError, match="no place"):
        workers.launch(ANYWHERE)
    assert len(asked_for(ec2)) == 8
    workers, _ = launched(True, [not_offered("c5.large", "a")])
    with pytest.raises(ConflictError, match="no place"):
        workers.launch(ANYWHERE)


def test_any_other_refusal_ends_it_at_once():
    workers, ec2 = launched(True, [Refusal(400, "VcpuLimitExceeded", "You have requested more vCPU capacity")])
    with pytest.raises(QuotaReachedError, match="RunInstances"):
        workers.launch(ANYWHERE)
    assert len(asked_for(ec2)) == 1


def test_the_largest_volume_has_the_time_that_it_takes():
    tebibyte = 1024**4
    assert ORDER.lifetime_seconds == 24 * 3600
    assert replace(ORDER, volume_bytes=64 * tebibyte).lifetime_seconds == 24 * 3600 + 64 * 1024**2 // 16


def ended(code, message):
    reason = {"Code": code, "Message": f"{code}: {message}"}
    described = {"InstanceId": "i-1", "State": {"Name": "terminated"}, "StateReason": reason}
    workers, ec2 = launched(True)
    ec2.answer("DescribeInstances", {"Reservations": [{"Instances": [described]}]})
    return workers, Worker("i-1", "c5.large", "role", "AROA1", "queue", "eu-west-1")


@pytest.mark.parametrize(
    ("code", "error", "cure"),
    [
        ("Client.InternalError", ConflictError, "volume-keys"),
        ("Client.VolumeLimitExceeded", QuotaReachedError, "Service Quotas"),
        ("Client.InvalidSnapshot.NotFound", ConflictError, "mend that"),
    ],
)
def test_an_end_that_comes_again_is_told_with_its_cure(code, error, cure):
    workers, worker = ended(code, "it ends")
    assert workers.state(worker) is None
    with pytest.raises(error, match="i-1 has ended") as told:
        workers.why_ended(worker)
    assert f"{code}: it ends" in told.value.why
    assert cure in told.value.cure


@pytest.mark.parametrize("code", ["Server.InternalError", "Client.InstanceInitiatedShutdown"])
def test_any_other_end_is_a_reason_for_the_next_try(code):
    workers, worker = ended(code, "it ends")
    assert workers.why_ended(worker) == f"{code}: it ends"


def test_a_worker_of_which_nothing_is_shown_has_no_reason():
    workers, worker = ended("", "")
    workers._ec2.answer("DescribeInstances", Refusal(400, "InvalidInstanceID.NotFound", "it is not there"))
    assert workers.why_ended(worker) == ""
