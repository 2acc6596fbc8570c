"""Waiting for EC2: what is not there yet is waited for, what is refused is not."""

import pytest

from holdfast.aws.ec2.states import IMAGE_TIMEOUT_SECONDS, wait_for_image
from holdfast.domain.errors import ConflictError, PermissionDeniedError, UnavailableError
from holdfast.signed_http.aws_answers import Refusal
from holdfast.signed_http.patience import Waiting
from tests.unit.aws.recorded_ec2 import RecordedEc2

UNKNOWN = Refusal(400, "InvalidAMIID.NotFound", "it is not there")
DENIED = Refusal(403, "UnauthorizedOperation", "you may not")


class Clock:
    def __init__(self):
        self.seconds = 0.0

    def waiting(self):
        return Waiting(sleep=self.sleep, monotonic=lambda: self.seconds)

    def sleep(self, seconds):
        self.seconds += seconds


def image(state):
    return {"Images": [{"State": state}]}


def waited(*answers):
    clock = Clock()
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
