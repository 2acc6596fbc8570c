"""Waiting for EC2: what is not there yet is waited for, what is refused is not."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from holdfast.appliance.ports.cloud import Ownership, VolumeOrder, nobody_cancels
from holdfast.aws.clients import SHOWN_AFTER_SECONDS
from holdfast.aws.ec2.states import (
    GONE_AFTER_SECONDS,
    IMAGE_TIMEOUT_SECONDS,
    Waits,
    start_instance,
    stop_instance,
    wait_for_image,
    wait_for_volume,
)
from holdfast.aws.ec2.volumes import create_volume, delete_volume
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


MISSING = Refusal(400, "InvalidVolume.NotFound", "The volume 'vol-1' does not exist.")


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


@pytest.mark.parametrize(("shown", "seconds"), [([volume("creating")], GONE_AFTER_SECONDS), ([], SHOWN_AFTER_SECONDS)])
def test_a_volume_that_vanishes_names_its_key_and_another_is_made_when_it_is_asked_for_again(shown, seconds):
    """EBS looks at the key after its answer, and says no more."""
    made: list[Answer] = [{"VolumeId": "vol-1"}, {"VolumeId": "vol-2"}]
    states = [MISSING, *shown, MISSING]
    ec2 = RecordedEc2({"CreateVolume": made, "DescribeVolumes": states, "DeleteVolume": [MISSING]})
    ledger, clock = MemoryLedger(), SleepingClock()
    book = Book(ledger, lambda: datetime(2026, 1, 1, tzinfo=UTC), "own", "eu-west-1")
    waits, whose = Waits.of(clock.waiting(), nobody_cancels), Ownership("a" * 32, "5" * 32, "7" * 32, 1, "restore")
    order = replace(ORDER, kms_key_id="arn:aws:kms:key")
    with pytest.raises(ConflictError, match="vol-1 could not be made") as error:
        create_volume(ec2, book, waits, whose, order, "it")
    assert "arn:aws:kms:key may not be used" in error.value.why
    assert "volume-keys" in error.value.cure
    assert seconds <= clock.seconds < 2 * seconds
    assert ledger.open_rows() == []
    ec2.answer("DescribeVolumes", volume("available"))
    assert create_volume(ec2, book, waits, whose, order, "it") == "vol-2"


def test_a_volume_that_is_asked_for_where_it_is_not_known_yet_is_waited_for():
    clock = SleepingClock()
    states = [MISSING, volume("creating"), MISSING, volume("creating"), MISSING, volume("available")]
    wait_for_volume(RecordedEc2({"DescribeVolumes": states}), clock.waiting(), "vol-1", "available")


def test_a_volume_that_somebody_deletes_is_said_to_be_deleted():
    ec2 = RecordedEc2({"DescribeVolumes": [volume("available"), MISSING]})
    with pytest.raises(ConflictError, match="vol-1 is gone") as error:
        wait_for_volume(ec2, SleepingClock().waiting(), "vol-1", "in-use")
    assert "it was available" in error.value.why


def test_a_volume_that_vanishes_while_it_waits_to_be_deleted_is_deleted():
    busy = Refusal(400, "IncorrectState", "The volume 'vol-1' is 'creating'")
    ec2 = RecordedEc2({"DescribeVolumes": [volume("creating"), MISSING], "DeleteVolume": [busy, MISSING]})
    ledger = MemoryLedger()
    book = Book(ledger, lambda: datetime(2026, 1, 1, tzinfo=UTC), "own", "eu-west-1")
    whose = Ownership("a" * 32, "5" * 32, "7" * 32, 1, "restore")
    book.create("volume", whose, "it", lambda token: "vol-1")
    delete_volume(ec2, book, Waits.of(SleepingClock().waiting(), nobody_cancels), "vol-1")
    assert ledger.open_rows() == []
