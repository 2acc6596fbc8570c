"""A stack that stands is never removed to make it anew; one that never did is."""

from typing import Any, cast

import pytest

from holdfast.aws.deployment.stack import Stack
from holdfast.domain.errors import ConflictError
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
