"""What AWS says, and the error that it becomes."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError

from holdfast.aws.errors import error_of_aws_refusal, error_of_botocore
from holdfast.domain.errors import (
    ConflictError,
    HoldfastError,
    NotFoundError,
    PermissionDeniedError,
    QuotaReachedError,
    SourceGoneError,
    ThrottledError,
    UnavailableError,
    UsageError,
    WrongKeyError,
)
from holdfast.signed_http.aws_answers import Refusal

SNAPSHOT = "snap-0123"


@pytest.mark.parametrize(
    ("status", "code", "resource", "kind"),
    [
        (404, "ResourceNotFoundException", SNAPSHOT, SourceGoneError),
        (400, "InvalidSnapshot.NotFound", SNAPSHOT, SourceGoneError),
        (404, "ResourceNotFoundException", "a key", NotFoundError),
        (400, "RequestThrottledException", SNAPSHOT, ThrottledError),
        (503, "RequestLimitExceeded", SNAPSHOT, ThrottledError),
        (503, "", SNAPSHOT, ThrottledError),
        (500, "InternalServerException", SNAPSHOT, UnavailableError),
        (403, "AccessDeniedException", SNAPSHOT, PermissionDeniedError),
        (403, "UnauthorizedOperation", SNAPSHOT, PermissionDeniedError),
        (400, "ExpiredTokenException", SNAPSHOT, PermissionDeniedError),
        (401, "AuthFailure", SNAPSHOT, PermissionDeniedError),
        (400, "ConcurrentLimitExceededException", SNAPSHOT, ThrottledError),
        (402, "ServiceQuotaExceededException", SNAPSHOT, QuotaReachedError),
        (400, "VcpuLimitExceeded", "a worker", QuotaReachedError),
        (400, "InstanceLimitExceeded", "a worker", QuotaReachedError),
        (400, "OperationNotPermitted", "i-1", ConflictError),
        (400, "IncorrectInstanceState", "i-1", ConflictError),
        (400, "VolumeInUse", "vol-1", ConflictError),
        (400, "InvalidInstanceID.NotFound", "i-1", NotFoundError),
        (404, "NoSuchEntity", "a role", NotFoundError),
        (400, "AWS.SimpleQueueService.NonExistentQueue", "a queue", NotFoundError),
        (400, "InvalidCiphertextException", "a wrapped key", WrongKeyError),
        (400, "DisabledException", "KMS key k", ConflictError),
        (400, "ValidationException", SNAPSHOT, HoldfastError),
    ],
)
def test_a_refusal_becomes_the_right_error_and_names_what_was_asked(status, code, resource, kind):
    error = error_of_aws_refusal(Refusal(status, code, "a message", "A_REASON"), "ebs:SomeAction", resource)
    assert type(error) is kind
    assert error.cure
    assert resource in error.what
    if kind is PermissionDeniedError:
        assert "ebs:SomeAction" in error.what


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (NoCredentialsError(), PermissionDeniedError),
        (NoRegionError(), UsageError),
        (EndpointConnectionError(endpoint_url="http://host:1"), UnavailableError),
        (ClientError({"Error": {"Code": "RequestLimitExceeded"}}, "DescribeSnapshots"), ThrottledError),
        (ClientError({}, "DescribeSnapshots"), HoldfastError),
    ],
)
def test_what_botocore_raises_becomes_the_right_error(raised, kind):
    error = error_of_botocore(raised, "ec2:DescribeSnapshots", SNAPSHOT)
    assert type(error) is kind
    assert error.cure


def test_a_refusal_names_the_action_that_was_lacking_not_the_one_that_was_asked():
    words = "User: arn:aws:iam::1:user/a is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/w."
    error = error_of_aws_refusal(Refusal(403, "UnauthorizedOperation", words), "ec2:RunInstances", "a worker")
    assert isinstance(error, PermissionDeniedError)
    assert error.what == "iam:PassRole on arn:aws:iam::1:role/w was refused"
    assert "ec2:RunInstances" in error.cure


@pytest.mark.parametrize("reason", ["DEPENDENCY_RESOURCE_NOT_FOUND", "GRANT_NOT_FOUND"])
def test_a_key_that_is_not_there_is_not_taken_for_the_snapshot(reason):
    refusal = Refusal(404, "ResourceNotFoundException", "The customer master key does not exist", reason)
    error = error_of_aws_refusal(refusal, "ebs:GetSnapshotBlock", SNAPSHOT)
    assert type(error) is NotFoundError
    assert "KMS key" in error.what
