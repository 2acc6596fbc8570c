"""Taking a deployment away again, where EC2 does not show yet what is new."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holdfast.aws.clients import SHOWN_AFTER_SECONDS
from holdfast.aws.deployment.cleaning import Cleaning
from holdfast.aws.deployment.deployment_ledger import DeploymentLedger
from holdfast.aws.deployment.network import Site, create_group
from holdfast.domain.errors import CancelledError, PermissionDeniedError, UnavailableError
from holdfast.signed_http.aws_answers import Refusal
from tests.unit.aws.memory_ledger import MemoryLedger
from tests.unit.aws.recorded_ec2 import Answer, RecordedEc2
from tests.unit.sleeping_clock import SleepingClock

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
NO_INSTANCE = Refusal(400, "InvalidInstanceID.NotFound", "The instance ID 'i-1' does not exist")
NO_GROUP = Refusal(400, "InvalidGroup.NotFound", "The security group 'sg-1' does not exist")
DENIED = PermissionDeniedError("ec2:RunInstances was refused", why="you may not", cure="allow it")
LOST = UnavailableError("no answer", why="the line was cut", cure="run it again")


def described(*states):
    return {"Reservations": [{"Instances": [{"InstanceId": "i-1", "State": {"Name": state}} for state in states]}]}


class Deployed:
    """A session's rows and what EC2 answers; `aged` lets time pass before the cleaning."""

    def __init__(self, **answers):
        self.clock, self.rows, self.said = SleepingClock(), MemoryLedger(), []
        self.ledger = DeploymentLedger(
            self.rows, "5e" * 16, "a1" * 16, "eu-west-1", lambda: BEGIN + timedelta(seconds=self.clock.seconds)
        )
        self.ec2 = RecordedEc2(answers)

    def made(self, kind, object_id):
        self.ledger.create(kind, kind, lambda token: object_id)
        return self

    def aged(self, seconds):
        self.clock.sleep(seconds)
        return self

    def clean(self):
        """How long it took."""
        began = self.clock.seconds
        cleaning = Cleaning(self.ec2, self.ledger, self.clock.waiting())
        cleaning.run(self.said.append)
        cleaning.close()
        assert self.rows.open_rows() == []
        return self.clock.seconds - began


def raising(error):
    def make(token):
        raise error

    return make


def test_an_instance_that_ec2_does_not_show_yet_is_told_to_end_until_it_is():
    one = Deployed(
        TerminateInstances=[NO_INSTANCE, NO_INSTANCE, NO_INSTANCE, {}],
        DescribeInstances=[NO_INSTANCE, described("shutting-down"), NO_INSTANCE, described("terminated")],
    ).made("instance", "i-1")
    assert 0 < one.clean() < SHOWN_AFTER_SECONDS
    assert one.ec2.operations("TerminateInstances", "DescribeInstances") == (
        ["TerminateInstances"] * 4 + ["DescribeInstances"] * 4
    )
    assert "may only not show it yet" in one.said[0]
    assert one.said[1:] == ["instance i-1 is terminated"]


def test_one_that_is_not_shown_long_after_it_was_made_is_gone():
    one = Deployed(TerminateInstances=[NO_INSTANCE]).made("instance", "i-1")
    assert one.clean() >= SHOWN_AFTER_SECONDS
    assert one.said[-1] == "instance i-1 is gone"
    old = Deployed(TerminateInstances=[NO_INSTANCE]).made("instance", "i-1").aged(SHOWN_AFTER_SECONDS)
    assert old.clean() == 0
    assert old.said == ["instance i-1 is gone"]


def test_one_that_ends_and_is_shown_no_more_is_terminated():
    one = Deployed(TerminateInstances=[{}], DescribeInstances=[NO_INSTANCE]).made("instance", "i-1")
    assert one.aged(SHOWN_AFTER_SECONDS).clean() == 0


def test_one_whose_answer_was_lost_is_looked_for_as_long_as_ec2_may_not_show_it():
    nothing: dict[str, Any] = {"Reservations": []}
    one = Deployed(
        DescribeInstances=[*[nothing] * 9, described("running"), described("terminated")], TerminateInstances=[{}]
    )
    with pytest.raises(UnavailableError):
        one.ledger.create_by_one_call("instance", "north", raising(LOST))
    # Nobody knows when it was made: the last try may have been it.
    one.aged(300)
    assert one.clean() > 20
    assert one.said[-1] == "instance i-1 is terminated"
    never = Deployed(DescribeInstances=[nothing])
    with pytest.raises(UnavailableError):
        never.ledger.create_by_one_call("instance", "north", raising(LOST))
    assert never.clean() >= SHOWN_AFTER_SECONDS


@pytest.mark.parametrize("error", [DENIED, CancelledError("cancelled", why="somebody asked for it", cure="run it")])
def test_what_was_refused_is_not_looked_for(error):
    one = Deployed().made("security-group", "sg-1")
    with pytest.raises(type(error)):
        one.ledger.create_by_one_call("instance", "north", raising(error))
    assert [row.object_id for row in one.rows.open_rows()] == ["sg-1"]


def test_a_group_that_ec2_does_not_show_yet_is_deleted_when_it_does():
    in_use = Refusal(400, "DependencyViolation", "it has a dependent object")
    one = Deployed(DeleteSecurityGroup=[NO_GROUP, NO_GROUP, in_use, {}]).made("security-group", "sg-1")
    one.clean()
    assert one.said[1:] == ["security group sg-1 is removed"]
    lost = Deployed(
        DescribeSecurityGroups=[{"SecurityGroups": []}, {"SecurityGroups": [{"GroupId": "sg-1"}]}],
        DeleteSecurityGroup=[{}],
    )
    with pytest.raises(UnavailableError):
        lost.ledger.create_by_one_call("security-group", "group", raising(LOST))
    lost.clean()
    assert lost.said[-1] == "security group sg-1 is removed"
    old = Deployed(DeleteSecurityGroup=[NO_GROUP]).made("security-group", "sg-1").aged(SHOWN_AFTER_SECONDS)
    assert old.clean() == 0
    assert old.said == ["security group sg-1 is gone"]


def test_a_group_that_a_lost_answer_left_is_taken_once_it_is_shown():
    duplicate = Refusal(400, "InvalidGroup.Duplicate", "The security group 'one' already exists")
    site = Site("vpc-1", "subnet-1", ())
    clock = SleepingClock()
    shown: list[Answer] = [{"SecurityGroups": []}, {"SecurityGroups": [{"GroupId": "sg-1"}]}]
    ec2 = RecordedEc2({"CreateSecurityGroup": [duplicate], "DescribeSecurityGroups": list(shown)})
    assert create_group(ec2, clock.waiting(), site, "one", {}) == "sg-1"
    ec2 = RecordedEc2({"CreateSecurityGroup": [duplicate], "DescribeSecurityGroups": shown[:1]})
    with pytest.raises(UnavailableError, match="CreateSecurityGroup"):
        create_group(ec2, clock.waiting(), site, "one", {})
