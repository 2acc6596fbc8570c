"""The one place of this room where what AWS says becomes an error of Holdfast; names the action that was denied."""

from botocore.exceptions import BotoCoreError, ClientError

from holdfast.domain.errors import (
    ConflictError,
    HoldfastError,
    NotFoundError,
    PermissionDeniedError,
    QuotaReachedError,
    SourceGoneError,
    WrongKeyError,
)
from holdfast.repository.stores.s3.errors import refusal_of, translate_botocore_error
from holdfast.signed_http.aws_answers import Refusal, denied_action, error_of_refusal

_GONE_CODES = frozenset({"InvalidSnapshot.NotFound", "ResourceNotFoundException"})
# Reasons of the EBS direct APIs' ResourceNotFoundException that speak of the key, not of the snapshot.
KEY_GONE_REASONS = frozenset({"DEPENDENCY_RESOURCE_NOT_FOUND", "GRANT_NOT_FOUND"})
_LIMIT_CODES = frozenset(
    {
        "AddressLimitExceeded",
        "ConcurrentSnapshotLimitExceeded",
        "InstanceLimitExceeded",
        "InsufficientFreeAddressesInSubnet",
        "LimitExceeded",
        "LimitExceededException",
        "MaxIOPSLimitExceeded",
        "NetworkInterfaceLimitExceeded",
        "PendingSnapshotLimitExceeded",
        "ResourceLimitExceeded",
        "SecurityGroupLimitExceeded",
        "ServiceQuotaExceededException",
        "SnapshotLimitExceeded",
        "VcpuLimitExceeded",
        "VolumeLimitExceeded",
    }
)
# EC2 itself has none left: asking the same again at once is of no use ("Error codes for the Amazon EC2 API").
NO_CAPACITY_CODES = frozenset({"InsufficientCapacity", "InsufficientHostCapacity", "InsufficientInstanceCapacity"})
# What the EBS direct APIs ask KMS for as their caller ("Control access to EBS direct APIs using IAM").
_USES_OF_KEYS = (
    "kms:Decrypt, and to write kms:CreateGrant, kms:DescribeKey, kms:Encrypt, kms:GenerateDataKey, "
    "kms:GenerateDataKeyWithoutPlaintext and kms:ReEncrypt*"
)
# The thing is there, and its state or its protection forbids what was asked.
_STATE_CODES = frozenset(
    {
        "DeleteConflict",
        "DependencyViolation",
        "EntityAlreadyExists",
        "IncorrectInstanceState",
        "IncorrectState",
        "InvalidAMIName.Duplicate",
        "InvalidGroup.Duplicate",
        "InvalidGroup.InUse",
        "InvalidIPAddress.InUse",
        "InvalidNetworkInterface.InUse",
        "InvalidNetworkInterfaceID.InUse",
        "InvalidSnapshot.InUse",
        "OperationNotPermitted",
        "Resource.AlreadyAssociated",
        "UnsupportedOperation",
        "VolumeInUse",
    }
)
_MISSING_CODES = frozenset(
    {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "InvalidAMIID.Unavailable", "NoSuchEntity"}
)
# KMS answers these for a blob, key or encryption context that do not belong together.
_WRONG_KEY_CODES = frozenset({"IncorrectKeyException", "InvalidCiphertextException"})
# How EC2 says that an encrypted disk could not be made ("Instance terminates immediately" in the EC2 user guide).
NO_DISK = "Client.InternalError"
# Ends that somebody wanted, also the instance itself: nothing stands in the way of another one.
_WANTED_ENDS = frozenset(
    {
        "Client.InstanceInitiatedShutdown",
        "Client.InstanceTerminated",
        "Client.UserInitiatedHibernate",
        "Client.UserInitiatedShutdown",
    }
)
_UNUSABLE_KEY_CODES = frozenset({"DisabledException", "KMSInvalidStateException", "KeyUnavailableException"})


def is_unknown_profile(refusal: Refusal) -> bool:
    """Whether EC2 does not know an instance profile, or not its role; yet, where they were made a moment ago."""
    return refusal.code == "InvalidParameterValue" and "IAM Instance Profile" in refusal.message


def is_unknown_group(refusal: Refusal) -> bool:
    """Whether EC2 does not know a security group; yet, where it was made a moment ago."""
    return refusal.code in ("InvalidGroup.NotFound", "InvalidSecurityGroupID.NotFound")


def error_of_aws_refusal(refusal: Refusal, action: str, resource: str) -> HoldfastError:
    """The error for a refused `action` (IAM's name, `ebs:GetSnapshotBlock`) on `resource` (as a person names it)."""
    what = f"{action} on {resource} was refused"
    why = ": ".join(part for part in (refusal.code, refusal.reason, refusal.message) if part)
    if refusal.reason in KEY_GONE_REASONS:
        return NotFoundError(
            f"the KMS key that {resource} is encrypted under is not there",
            why=why,
            cure="see in the KMS console that it is enabled and not to be deleted, or cancel its deletion",
        )
    if refusal.code in _GONE_CODES and resource.startswith("snap-"):
        return SourceGoneError(
            f"snapshot {resource} not found",
            why=why,
            cure="check the id, the region and the account; if it was deleted, take a new snapshot",
        )
    if refusal.code in _LIMIT_CODES:
        return QuotaReachedError(what, why=why, cure="wait for other work of this account to end, or raise the quota")
    if refusal.reason == "DEPENDENCY_ACCESS_DENIED":
        return PermissionDeniedError(
            f"the KMS key that {resource} is encrypted under may not be used",
            why=f"{why}; EBS needs {_USES_OF_KEYS} on it of whoever asks, and does not say which lacks",
            cure="allow them: for appliances by the option volume-keys of the plug-in (docs/permissions.md)",
        )
    if refusal.code in NO_CAPACITY_CODES:
        return QuotaReachedError(what, why=why, cure="wait until AWS has room again, or choose another type or zone")
    if refusal.code in _STATE_CODES:
        return ConflictError(what, why=why, cure=f"look at {resource} in the AWS console, then run this again")
    if refusal.code in _MISSING_CODES:
        return NotFoundError(what, why=why, cure="check the name, the region and the account")
    if refusal.code in _WRONG_KEY_CODES:
        return WrongKeyError(what, why=why, cure="name the KMS key that wrapped this; nothing was changed")
    if refusal.code in _UNUSABLE_KEY_CODES:
        return ConflictError(what, why=why, cure="enable the KMS key, or cancel its deletion")
    error = error_of_refusal(refusal, action, resource)
    lacking = denied_action(refusal)
    passes_role = lacking is not None and lacking[0] == "iam:PassRole" and ":role/holdfast/" not in lacking[1]
    if passes_role and isinstance(error, PermissionDeniedError):
        cure = f"{error.cure}: name the role, `plugin install aws --set instance-roles=…` (docs/permissions.md)"
        return PermissionDeniedError(error.what, why=why, cure=cure)
    return error


def would_end_again(code: str) -> bool:
    """Whether another instance would end as this one, by the code of its end (StateReason in the EC2 API reference)."""
    return code.startswith("Client.") and code not in _WANTED_ENDS


def error_of_end(instance_id: str, code: str, message: str) -> ConflictError:
    """The error for an instance that has ended, by EC2's code and words for it."""
    what, why = f"instance {instance_id} has ended", message or code or "EC2 gives no reason"
    if code == "Client.VolumeLimitExceeded":
        cure = "raise the quota of storage for EBS volumes in Service Quotas, or delete volumes, then run it again"
        return QuotaReachedError(what, why=why, cure=cure)
    if code == NO_DISK:
        return ConflictError(
            what,
            why=f"{why}; mostly the KMS key of a volume may not be used: disabled, deleted, or no rights on it",
            cure="see that the key of its volumes, or the account's default for EBS, is enabled, and allow its use: "
            "for appliances by the option volume-keys of the plug-in (docs/permissions.md)",
        )
    return ConflictError(what, why=why, cure="mend that, and run it again")


def error_of_botocore(error: ClientError | BotoCoreError, action: str, resource: str) -> HoldfastError:
    """The error for what botocore raised."""
    if isinstance(error, ClientError):
        return error_of_aws_refusal(refusal_of(error), action, resource)
    return translate_botocore_error(error, action, resource)
