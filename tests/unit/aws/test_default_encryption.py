"""What EC2 says of encryption where nobody names a key."""

import pytest

from holdfast.appliance.ports.cloud import DefaultEncryption
from holdfast.aws.ec2.default_encryption import read_default_encryption
from holdfast.domain.errors import PermissionDeniedError
from holdfast.signed_http.aws_answers import Refusal
from tests.unit.aws.recorded_ec2 import RecordedEc2

KEY = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.mark.parametrize("always", [True, False])
@pytest.mark.parametrize(
    ("named", "key"),
    [
        ("alias/aws/ebs", None),
        ("arn:aws:kms:eu-west-1:123456789012:alias/aws/ebs", None),
        (KEY, KEY),
    ],
)
def test_the_key_and_whether_it_encrypts_all(always, named, key):
    ec2 = RecordedEc2(
        {
            "GetEbsEncryptionByDefault": [{"EbsEncryptionByDefault": always}],
            "GetEbsDefaultKmsKeyId": [{"KmsKeyId": named}],
        }
    )
    assert read_default_encryption(ec2) == DefaultEncryption(key, always)


def test_who_may_not_ask_is_told_of_which_right():
    refusal = Refusal(code="UnauthorizedOperation", message="You are not authorized", status=403)
    with pytest.raises(PermissionDeniedError, match="GetEbsEncryptionByDefault"):
        read_default_encryption(RecordedEc2({"GetEbsEncryptionByDefault": [refusal]}))
