"""An instance that is made again: who cancels is heard at each wait, and nothing of it stays."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from holdfast.appliance.ports.cloud import InstanceOrder, Ownership, VolumeOrder
from holdfast.aws.ec2.restored_instance import ADDRESS_IN_USE, ADDRESS_TIMEOUT_SECONDS, InstanceMaker
from holdfast.aws.ec2.states import Waits
from holdfast.aws.written_down import Book
from holdfast.domain.errors import CancelledError, ConflictError, UnavailableError
from holdfast.signed_http.aws_answers import Refusal
from holdfast.testing.simulated_site import SimulatedSite
from tests.unit.aws.memory_ledger import MemoryLedger
from tests.unit.aws.recorded_ec2 import RecordedEc2
from tests.unit.aws.test_states import cancelled, image
from tests.unit.sleeping_clock import SleepingClock

OWNER = Ownership("a" * 32, "5" * 32, "7" * 32, 1, "restored")


def order() -> InstanceOrder:
    cloud = SimulatedSite().cloud
    configuration = cloud.instances[cloud.add_instance("web-1")]
    volumes = {
        one.device: VolumeOrder(f"snap-of-{one.volume_id}", one.size_gib, one.volume_type, configuration.zone)
        for one in configuration.volumes
    }
    return InstanceOrder(
        configuration=configuration, zone=configuration.zone, instance_type="m5.large",
        root_device=configuration.root_device, volumes=volumes, interfaces=(), tags={"Name": "restored"},
        key_name=None, instance_profile_arn=None,
    )  # fmt: skip


def described(*states):
    found = [{"Instances": [{"InstanceId": "i-1", "State": {"Name": one}}]} for one in states]
    return {"Reservations": found}


@pytest.mark.parametrize(
    ("images", "instances", "launches"),
    [
        pytest.param([image("pending")], [described(), described()], 0, id="while its image is registered"),
        pytest.param(
            [image("available")],
            [described(), described("pending"), described("pending"), described("terminated")],
            1,
            id="while it starts",
        ),
    ],
)
def test_who_cancels_is_heard_at_each_wait_and_nothing_stays(images, instances, launches):
    named = {"Images": [{"ImageId": "ami-1", "State": "available"}]}
    ec2 = RecordedEc2(
        {
            "DescribeImages": [{"Images": []}, *images, named],
            "RegisterImage": [{"ImageId": "ami-1"}],
            "RunInstances": [{"Instances": [{"InstanceId": "i-1"}]}],
            "DescribeInstances": instances,
            "ModifyInstanceAttribute": [{}],
            "TerminateInstances": [{}],
            "DeregisterImage": [{}],
        }
    )
    ledger = MemoryLedger()
    book = Book(ledger, lambda: datetime(2026, 1, 1, tzinfo=UTC), "own", "eu-west-1")
    with pytest.raises(CancelledError):
        InstanceMaker(ec2, book, Waits.of(SleepingClock().waiting(), cancelled), OWNER).make(order())
    done = ["RegisterImage", "RunInstances", "TerminateInstances", "DeregisterImage"]
    assert ec2.operations(*done) == (done if launches else [done[0], done[3]])
    assert ledger.open_rows() == []
    assert len(ledger.rows) == 1 + launches, "all that was made was written down before"


@pytest.mark.parametrize("shown", [True, False])
def test_an_image_whose_name_is_taken_by_a_call_of_ours_is_taken(shown):
    """RegisterImage was sent twice, as the first answer was lost; EC2 may not show the image at once."""
    taken = Refusal(400, "InvalidAMIName.Duplicate", "AMI name is already in use")
    registered = {"Images": [{"ImageId": "ami-1", "State": "available"}]} if shown else {"Images": []}
    ec2 = RecordedEc2(
        {
            "DescribeImages": [{"Images": []}, {"Images": []}, registered],
            "RegisterImage": [taken],
            "RunInstances": [Refusal(400, "InstanceLimitExceeded", "so many")],
            "DescribeInstances": [described()],
            "DeregisterImage": [{}],
        }
    )
    book = Book(MemoryLedger(), lambda: datetime(2026, 1, 1, tzinfo=UTC), "own", "eu-west-1")
    with pytest.raises(ConflictError, match="so many" if shown else "already in use"):
        InstanceMaker(ec2, book, Waits.of(SleepingClock().waiting(), lambda: None), OWNER).make(order())
    assert len(ec2.operations("RunInstances")) == shown


@pytest.mark.parametrize(("platform", "launches"), [("Windows", 1), ("Linux/UNIX", 0), (None, 0)])
def test_windows_is_launched_only_of_an_image_that_is_known_as_such(platform, launches):
    available = {"ImageId": "ami-1", "State": "available"} | ({"PlatformDetails": platform} if platform else {})
    ec2 = RecordedEc2(
        {
            "DescribeImages": [{"Images": []}, {"Images": [available]}],
            "RegisterImage": [{"ImageId": "ami-1"}],
            "RunInstances": [Refusal(400, "InstanceLimitExceeded", "so many")],
            "DescribeInstances": [described()],
            "DeregisterImage": [{}],
        }
    )
    book = Book(MemoryLedger(), lambda: datetime(2026, 1, 1, tzinfo=UTC), "own", "eu-west-1")
    wanted = order()
    wanted = replace(wanted, configuration=replace(wanted.configuration, platform="Windows"))
    with pytest.raises(ConflictError, match="so many" if launches else "no image of Windows"):
        InstanceMaker(ec2, book, Waits.of(SleepingClock().waiting(), lambda: None), OWNER).make(wanted)
    assert len(ec2.operations("RunInstances")) == launches
    assert ec2.operations("DeregisterImage"), "the image does not stay"


TAKEN = Refusal(400, ADDRESS_IN_USE, "Address 172.31.0.4 is in use.")


def launched(*answers):
    """An order is carried out up to the launch, to which EC2 answers so; and how long that took."""
    ec2 = RecordedEc2(
        {
            "DescribeImages": [{"Images": []}, image("available"), {"Images": []}],
            "RegisterImage": [{"ImageId": "ami-1"}],
            "RunInstances": list(answers),
            "DescribeInstances": [described(), described(), described("running"), described("terminated")],
            "TerminateInstances": [{}],
            "DeregisterImage": [{}],
            "ModifyInstanceAttribute": [{}],
        }
    )
    clock = SleepingClock()
    book = Book(MemoryLedger(), lambda: datetime(2026, 1, 1, tzinfo=UTC), "own", "eu-west-1")
    with pytest.raises(ConflictError) as caught:
        InstanceMaker(ec2, book, Waits.of(clock.waiting(), lambda: None), OWNER).make(order())
    return str(caught.value), len(ec2.operations("RunInstances")), clock.seconds


def test_an_address_that_a_worker_gives_back_is_waited_for():
    said, times, _seconds = launched(TAKEN, TAKEN, {"Instances": [{"InstanceId": "i-1"}]})
    assert times == 3
    assert "lacks volumes" in said, "it was launched, and goes on from there"


def test_one_that_stays_in_use_is_a_conflict_after_some_minutes():
    said, times, seconds = launched(TAKEN)
    assert TAKEN.message in said
    assert times > 3
    assert ADDRESS_TIMEOUT_SECONDS < seconds < 2 * ADDRESS_TIMEOUT_SECONDS


def test_another_refusal_is_told_at_once():
    said, times, seconds = launched(Refusal(400, "InstanceLimitExceeded", "so many"))
    assert "so many" in said
    assert (times, seconds) == (1, 0.0)


@pytest.mark.parametrize("before", [[], [TAKEN]], ids=["at once", "while an address is waited for"])
def test_a_service_that_does_not_answer_is_told_as_such(before):
    silent = UnavailableError("EC2 does not answer", why="no word", cure="run it again")
    ec2 = RecordedEc2(
        {
            "DescribeImages": [{"Images": []}, image("available"), {"Images": []}],
            "RegisterImage": [{"ImageId": "ami-1"}],
            "RunInstances": [*before, silent],
            "DescribeInstances": [described()],
            "DeregisterImage": [{}],
        }
    )
    book = Book(MemoryLedger(), lambda: datetime(2026, 1, 1, tzinfo=UTC), "own", "eu-west-1")
    with pytest.raises(UnavailableError, match="EC2 does not answer"):
        InstanceMaker(ec2, book, Waits.of(SleepingClock().waiting(), lambda: None), OWNER).make(order())
