"""Which key EBS uses where nobody names one, and whether it encrypts in any case: settings of an account in a region
("Enable Amazon EBS encryption by default" in the EBS user guide).
"""

from holdfast.appliance.ports.cloud import DefaultEncryption
from holdfast.aws.clients import PatientClient

# How EC2 names AWS's own key, whose ARN it does not tell (GetEbsDefaultKmsKeyId).
_AWS_OWN = "alias/aws/ebs"


def read_default_encryption(ec2: PatientClient) -> DefaultEncryption:
    """Those of the client's account and region."""
    about = f"encryption by default in {ec2.region}"
    always = bool(ec2.call("GetEbsEncryptionByDefault", about)["EbsEncryptionByDefault"])
    key = str(ec2.call("GetEbsDefaultKmsKeyId", about)["KmsKeyId"])
    return DefaultEncryption(None if key.endswith(_AWS_OWN) else key, always)
