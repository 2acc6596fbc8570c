"""Launching an appliance, where EC2 does not know yet what was made for it, and where it ends at once."""

from datetime import UTC, datetime

import pytest

from holdfast.aws.clients import NEW_THINGS_POLICY
from holdfast.aws.deployment.appliance_instance import ApplianceInstances, LaunchOrder
from holdfast.aws.deployment.deployment_ledger import DeploymentLedger
from holdfast.aws.deployment.network import Site
from holdfast.domain.errors import CancelledError, HoldfastError, UnavailableError
from holdfast.plugin_api import DeployOrder
from holdfast.signed_http.aws_answers import Refusal
from tests.unit.aws.memory_ledger import MemoryLedger
from tests.unit.aws.recorded_ec2 import Answer, RecordedEc2
from tests.unit.sleeping_clock import SleepingClock

NO_GROUP = Refusal(400, "InvalidGroup.NotFound", "The security group 'sg-1' does not exist")
NO_PROFILE = Refusal(400, "InvalidParameterValue", "Value (p) is invalid. Invalid IAM Instance Profile name")
RUNNING = {"InstanceId": "i-1", "State": {"Name": "running"}, "PrivateIpAddress": "10.0.0.7"}


class Launching:
    def __init__(self, group=None, **answers):
        self.clock, self.rows, self.said = SleepingClock(), MemoryLedger(), []
        order = DeployOrder("north", security_group_id=group, allowed_sources=() if group else ("203.0.113.7/32",))
        self.order = LaunchOrder(
            order, "a1" * 16, Site("vpc-1", "subnet-1", order.allowed_sources), "bucket", "bundle", "0" * 64, "x86_64",
            "profile", "certificate\n", "arn:aws:kms:eu-west-1:123456789012:key/k",
        )  # fmt: skip
        made: dict[str, list[Answer]] = {
            "DescribeImages": [{"Images": [{"ImageId": "ami-1", "CreationDate": "2026"}]}],
            "DescribeSecurityGroups": [{"SecurityGroups": []}],
            "CreateSecurityGroup": [{"GroupId": "sg-1"}],
            "AuthorizeSecurityGroupIngress": [{}],
            "RunInstances": [{"Instances": [{"InstanceId": "i-1"}]}],
            "DescribeInstances": [{"Reservations": [{"Instances": [RUNNING]}]}],
        }
        self.ec2 = RecordedEc2(made | answers)
        self.ec2._waiting = self.clock.waiting()

    def launch(self, cancelled=lambda: False):
        ledger = DeploymentLedger(
            self.rows, "5e" * 16, "a1" * 16, "eu-west-1", lambda: datetime(2026, 1, 1, tzinfo=UTC)
        )
        instances = ApplianceInstances(self.ec2, ledger, self.clock.waiting())
        return instances.launch(self.order, self.said.append, cancelled).instance_id


def test_a_group_that_was_made_a_moment_ago_is_waited_for():
    one = Launching(
        AuthorizeSecurityGroupIngress=[NO_GROUP, NO_GROUP, Refusal(400, "InvalidPermission.Duplicate", "there")],
        RunInstances=[NO_GROUP, NO_PROFILE, {"Instances": [{"InstanceId": "i-1"}]}],
    )
    assert one.launch() == "i-1"
    assert one.clock.seconds > 0
    assert len({asked["ClientToken"] for name, asked in one.ec2.asked if name == "RunInstances"}) == 1


@pytest.mark.parametrize("operation", ["AuthorizeSecurityGroupIngress", "RunInstances"])
def test_it_is_not_waited_for_without_end(operation):
    one = Launching(**{operation: [NO_GROUP]})
    with pytest.raises(UnavailableError, match=operation):
        one.launch()
    assert 60 < one.clock.seconds <= NEW_THINGS_POLICY.total_seconds


def test_who_cancels_meanwhile_is_heard():
    one = Launching(RunInstances=[NO_GROUP])
    with pytest.raises(CancelledError):
        one.launch(lambda: bool(one.ec2.operations("RunInstances")))
    assert one.ec2.operations("RunInstances") == ["RunInstances"]
    assert one.rows.open_objects() == {("security-group", "sg-1")}, "what was refused is not looked for"


def test_a_person_s_group_is_there_or_is_not():
    one = Launching(group="sg-9", RunInstances=[NO_GROUP])
    with pytest.raises(HoldfastError, match="RunInstances") as error:
        one.launch()
    assert not isinstance(error.value, UnavailableError)
    assert one.clock.seconds == 0


@pytest.mark.parametrize(("code", "cure"), [("Client.InternalError", "KMS"), ("Server.InternalError", "see what AWS")])
def test_an_instance_that_ends_at_once_says_why(code, cure):
    said = {"Code": code, "Message": f"{code}: error on launch"}
    ended = {"InstanceId": "i-1", "State": {"Name": "terminated"}, "StateReason": said}
    one = Launching(DescribeInstances=[{"Reservations": [{"Instances": [ended]}]}])
    with pytest.raises(HoldfastError, match="i-1 does not run") as error:
        one.launch()
    assert error.value.why == f"it is terminated: {code}: error on launch"
    assert cure in error.value.cure
