"""Which machine a worker gets."""

import pytest

from holdfast.appliance.ports.cloud import Ownership, WorkerOrder
from holdfast.aws.stock_images import stock_image
from holdfast.aws.worker_instances import name_of
from holdfast.aws.worker_places import GIB, TIB, architecture_of, instance_types_for
from holdfast.aws.worker_rights import bundle_of, queue_arn
from holdfast.domain.errors import NotFoundError, UsageError
from holdfast.protocol.appliance_answers import AwsSettings
from tests.unit.aws.recorded_ec2 import RecordedEc2

OWNER = Ownership("a" * 32, "5" * 32, "7" * 32, 1, "worker")


@pytest.mark.parametrize(
    ("volume_bytes", "kind"),
    [
        (0, "c5.large"),
        (1024 * GIB - 1, "c5.large"),
        (1024 * GIB, "c5.2xlarge"),
        (16 * TIB, "c5.2xlarge"),
        (16 * TIB + 1, "c5.4xlarge"),
    ],
)
def test_by_the_size_of_what_is_moved(volume_bytes, kind):
    assert instance_types_for(WorkerOrder(OWNER, "s3://b", "5", volume_bytes=volume_bytes))[0] == kind


def test_what_the_policy_names_wins():
    assert instance_types_for(WorkerOrder(OWNER, "s3://b", "5", instance_type="m7g.large")) == ("m7g.large",)


@pytest.mark.parametrize(
    ("kind", "architecture"),
    [
        ("c5.large", "x86_64"),
        ("t3.medium", "x86_64"),
        ("g5.xlarge", "x86_64"),
        ("c7g.large", "arm64"),
        ("m6gd.large", "arm64"),
        ("t4g.small", "arm64"),
        ("x2gd.medium", "arm64"),
        ("a1.large", "arm64"),
        ("c7i.large", "x86_64"),
    ],
)
def test_the_architecture_follows_from_the_family(kind, architecture):
    assert architecture_of(kind) == architecture


def test_the_newest_image_is_taken():
    images = [{"ImageId": f"ami-{n}", "CreationDate": f"2025-0{n}-01T00:00:00.000Z"} for n in (2, 3, 1)]
    assert stock_image(RecordedEc2({"DescribeImages": [{"Images": images}]}), "x86_64") == "ami-3"
    with pytest.raises(NotFoundError):
        stock_image(RecordedEc2({"DescribeImages": [{"Images": []}]}), "arm64")


def test_each_attempt_has_names_of_its_own():
    names = {name_of(OWNER), name_of(Ownership("a" * 32, "5" * 32, "7" * 32, 2, "worker"))}
    assert len(names) == 2
    assert all(len(name) <= 64 for name in names)


def test_the_arn_of_a_queue():
    url = "https://sqs.eu-west-1.amazonaws.com/123456789012/events"
    assert queue_arn(url, "eu-west-1") == "arn:aws:sqs:eu-west-1:123456789012:events"
    assert queue_arn("https://sqs.cn-north-1.amazonaws.com.cn/1/q", "cn-north-1") == "arn:aws-cn:sqs:cn-north-1:1:q"


def test_a_missing_bundle_is_told():
    settings = AwsSettings("s", "eu-west-1", "1", "b", {"worker-x86_64": {"key": "k", "sha256": "0"}}, "k", "q", "p")
    assert bundle_of(settings, "x86_64") == ("k", "0")
    with pytest.raises(UsageError, match="arm64"):
        bundle_of(settings, "arm64")
