"""A stack that stands is never removed to make it anew; one that never did is."""

from typing import Any, cast

import pytest

from holdfast.aws.deployment.stack import Stack
from holdfast.domain.errors import ConflictError, PermissionDeniedError
from holdfast.patience import Waiting
from holdfast.signed_http.aws_answers import Refusal

OUTPUTS = [{"OutputKey": "Name", "OutputValue": "value"}]


class Cloudformation:
    """One stack that becomes what it is told at once."""

    def __init__(self, status: str | None) -> None:
        self.status = status
        self.calls: list[str] = []

    def try_call(self, operation, resource, **words):
        self.calls.append(operation)
        if operation == "DescribeStacks":
            if self.status is None:
                return Refusal(400, "ValidationError", "Stack with id x does not exist")
            return {"Stacks": [{"StackId": "id", "StackStatus": self.status, "Outputs": OUTPUTS}]}
        self.status = {"CreateStack": "CREATE_COMPLETE", "UpdateStack": "UPDATE_COMPLETE"}.get(operation)
        return {"StackId": "id"}

    def call(self, operation, resource, **words):
        return self.try_call(operation, resource, **words)


def ensured(status):
    client = Cloudformation(status)
    stack = Stack(cast(Any, client), "x")
    stood = stack.stands()
    outputs = stack.ensure("{}", {}, lambda line: None, lambda: False)
    assert outputs == {"Name": "value"}
    return stood, [call for call in client.calls if call != "DescribeStacks"]


@pytest.mark.parametrize("status", ["CREATE_FAILED", "DELETE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"])
def test_what_never_stood_is_removed_and_made_anew(status):
    assert ensured(status) == (False, ["DeleteStack", "CreateStack"])


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"])
def test_what_stands_is_brought_up_to_date(status):
    assert ensured(status) == (True, ["UpdateStack"])


def test_none_is_made():
    assert ensured(None) == (False, ["CreateStack"])


@pytest.mark.parametrize("status", ["UPDATE_FAILED", "UPDATE_ROLLBACK_FAILED"])
def test_one_whose_update_went_wrong_is_in_use_and_stays(status):
    client = Cloudformation(status)
    with pytest.raises(ConflictError, match=status):
        Stack(cast(Any, client), "x").ensure("{}", {}, lambda line: None, lambda: False)
    assert set(client.calls) == {"DescribeStacks"}
    assert Stack(cast(Any, client), "x").stands()


class SlowCloudformation(Cloudformation):
    """A stack of two resources: the first is there after eight looks, both are after fifteen."""

    def __init__(self) -> None:
        super().__init__(None)
        self.looks = 0

    def try_call(self, operation, resource, **words):
        if operation == "DescribeStackResources":
            assert words == {"StackName": "id"}
            statuses = ["CREATE_COMPLETE", "CREATE_IN_PROGRESS"] if self.looks > 8 else ["CREATE_IN_PROGRESS"]
            return {"StackResources": [{"ResourceStatus": status} for status in statuses]}
        answer = super().try_call(operation, resource, **words)
        if operation == "CreateStack":
            self.status = "CREATE_IN_PROGRESS"
        elif operation == "DescribeStacks" and self.status is not None:
            self.looks += 1
            if self.looks == 15:
                self.status = "CREATE_COMPLETE"
        return answer


def test_a_stack_that_takes_its_time_says_how_far_it_is():
    seconds = [0.0]

    def sleep(duration):
        seconds[0] += duration

    said: list[str] = []
    waiting = Waiting(sleep=sleep, monotonic=lambda: seconds[0])
    template = '{"Resources": {"Key": {}, "Bucket": {}}}'
    Stack(cast(Any, SlowCloudformation()), "x", waiting).ensure(template, {}, said.append, lambda: False)
    assert said == [
        "creating stack x",
        "stack x is CREATE_IN_PROGRESS for 10 s: 0 of 2 resources",
        "stack x is CREATE_IN_PROGRESS for 20 s: 1 of 2 resources",
    ]


class FailingCloudformation(Cloudformation):
    """An update of it fails again, for another reason than before."""

    def try_call(self, operation, resource, **words):
        if operation == "DescribeStackEvents":
            begun = {"PhysicalResourceId": "id", "ResourceStatus": "UPDATE_IN_PROGRESS"}
            failed = {"ResourceStatus": "UPDATE_FAILED", "ResourceType": "AWS::IAM::Role"}
            reasons = ("is not authorized to perform: iam:UpdateRole", "is not authorized to perform: iam:TagRole")
            now, earlier = ({**failed, "ResourceStatusReason": reason} for reason in reasons)
            return {"StackEvents": [now, begun, earlier, begun]}
        answer = super().try_call(operation, resource, **words)
        if operation == "UpdateStack":
            self.status = "UPDATE_ROLLBACK_COMPLETE"
        return answer


def test_the_reason_of_a_failure_is_none_of_an_earlier_one():
    stack = Stack(cast(Any, FailingCloudformation("CREATE_COMPLETE")), "x")
    with pytest.raises(PermissionDeniedError, match="up to date") as error:
        stack.ensure("{}", {}, lambda line: None, lambda: False)
    assert "iam:UpdateRole" in error.value.why
