"""Waiting for EC2: what is not there yet is waited for, what is refused is not."""

from datetime import UTC, datetime

import pytest

from holdfast.appliance.ports.cloud import Ownership, VolumeOrder, nobody_cancels
from holdfast.aws.ec2.states import IMAGE_TIMEOUT_SECONDS, Waits, start_instance, stop_instance, wait_for_image
from holdfast.aws.ec2.volumes import create_volume
from holdfast.aws.written_down import Book
from holdfast.domain.errors import CancelledError, ConflictError, PermissionDeniedError, UnavailableError
from holdfast.signed_http.aws_answers import Refusal
from tests.unit.aws.memory_ledger import MemoryLedger
from tests.unit.aws.recorded_ec2 import Answer, RecordedEc2
from tests.unit.sleeping_clock import SleepingClock

UNKNOWN = Refusal(400, "InvalidAMIID.NotFound", "it is not there")
ORDER = VolumeOrder("snap-1", 1, "gp3", "eu-west-1a")
DENIED = Refusal(403, "UnauthorizedOperation", "you may not")


def image(state):
    return {"Images": [{"State": state}]}


def waited(*answers):
    clock = SleepingClock()
    wait_for_image(RecordedEc2({"DescribeImages": list(answers)}), clock.waiting(), "ami-1")
    return clock.seconds


def test_an_image_that_is_not_known_everywhere_is_waited_for():
    assert waited(UNKNOWN, {"Images": []}, image("pending"), image("available")) > 0


def test_a_refusal_is_told_at_once():
    with pytest.raises(PermissionDeniedError):
        waited(DENIED)


def test_an_image_that_failed_or_never_comes_is_an_error():
    with pytest.raises(ConflictError):
        waited(image("failed"))
    with pytest.raises(UnavailableError, match="image ami-1 takes too long"):
        waited(image("pending"))
    assert IMAGE_TIMEOUT_SECONDS <= 1800


def in_states(*states):
    described: list[Answer] = [
        {"Reservations": [{"Instances": [{"InstanceId": "i-1", "State": {"Name": one}}]}]} for one in states
    ]
    return RecordedEc2({"DescribeInstances": described, "StartInstances": [{}], "StopInstances": [{}]})


@pytest.mark.parametrize(
    ("act", "operation", "states"),
    [
        (start_instance, "StartInstances", ["stopping", "stopping", "stopped", "pending", "running"]),
        (stop_instance, "StopInstances", ["pending", "pending", "running", "stopping", "stopped"]),
    ],
)
def test_an_instance_on_its_way_is_waited_for_before_it_is_told_more(act, operation, states):
    ec2 = in_states(*states)
    act(ec2, SleepingClock().waiting(), "i-1")
    assert [one for one, _ in ec2.asked] == ["DescribeInstances"] * 3 + [operation] + ["DescribeInstances"] * 2


def cancelled():
    raise CancelledError("the session was cancelled", why="somebody asked for it", cure="start it again")


def test_who_cancels_is_asked_each_second_of_what_is_made_and_never_of_what_is_undone():
    clock, asked = SleepingClock(), []
    waits = Waits.of(clock.waiting(), lambda: asked.append(clock.seconds))
    waits.making.sleep(2.5)
    waits.undoing.sleep(10.0)
    assert asked == [0.0, 1.0, 2.0]
    assert clock.seconds == 12.5
    with pytest.raises(CancelledError):
        Waits.of(clock.waiting(), cancelled).making.sleep(2.5)


def volume(state):
    return {"Volumes": [{"VolumeId": "vol-1", "State": state}]}


@pytest.mark.parametrize("go_on", [cancelled, nobody_cancels])
def test_a_volume_that_nobody_wants_any_more_is_deleted_when_it_can_be(go_on):
    """EBS deletes only what is available."""
    busy = Refusal(400, "IncorrectState", "The volume 'vol-1' is 'creating'")
    states = [volume("creating"), volume("creating"), volume("available" if go_on is cancelled else "error")]
    ec2 = RecordedEc2({"CreateVolume": [{"VolumeId": "vol-1"}], "DescribeVolumes": states, "DeleteVolume": [busy, {}]})
    if go_on is nobody_cancels:
        ec2 = RecordedEc2({"CreateVolume": [{"VolumeId": "vol-1"}], "DescribeVolumes": states, "DeleteVolume": [{}]})
    ledger = MemoryLedger()
    book = Book(ledger, lambda: datetime(2026, 1, 1, tzinfo=UTC), "own", "eu-west-1")
    waits = Waits.of(SleepingClock().waiting(), go_on)
    with pytest.raises(CancelledError if go_on is cancelled else ConflictError):
        create_volume(ec2, book, waits, Ownership("a" * 32, "5" * 32, "7" * 32, 1, "restore"), ORDER, "it")
    assert ec2.asked[-1] == ("DeleteVolume", {"VolumeId": "vol-1"})
    assert ledger.open_rows() == []
