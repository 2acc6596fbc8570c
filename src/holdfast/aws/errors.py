"""The one place of this room where what AWS says becomes an error of Holdfast; names the action that was denied."""

from botocore.exceptions import BotoCoreError, ClientError

from holdfast.domain.errors import ConflictError, HoldfastError, SourceGoneError, WrongKeyError
from holdfast.repository.stores.s3.errors import refusal_of, translate_botocore_error
from holdfast.signed_http.aws_answers import Refusal, error_of_refusal

_GONE_CODES = frozenset({"InvalidSnapshot.NotFound", "ResourceNotFoundException"})
_LIMIT_CODES = frozenset(
    {
        "ConcurrentLimitExceededException",
        "ConcurrentSnapshotLimitExceeded",
        "LimitExceededException",
        "ServiceQuotaExceededException",
        "SnapshotLimitExceeded",
    }
)
# KMS answers these for a blob, key or encryption context that do not belong together.
_WRONG_KEY_CODES = frozenset({"IncorrectKeyException", "InvalidCiphertextException"})
_UNUSABLE_KEY_CODES = frozenset({"DisabledException", "KMSInvalidStateException", "KeyUnavailableException"})


def error_of_aws_refusal(refusal: Refusal, action: str, resource: str) -> HoldfastError:
    """The error for a refused `action` (IAM's name, `ebs:GetSnapshotBlock`) on `resource` (as a person names it)."""
    what = f"{action} on {resource} was refused"
    why = ": ".join(part for part in (refusal.code, refusal.reason, refusal.message) if part)
    if refusal.code in _GONE_CODES and resource.startswith("snap-"):
        return SourceGoneError(
            f"snapshot {resource} not found",
            why=why,
            cure="check the id, the region and the account; if it was deleted, take a new snapshot",
        )
    if refusal.code in _LIMIT_CODES:
        return ConflictError(what, why=why, cure="wait for other work of this account to end, or raise the quota")
    if refusal.code in _WRONG_KEY_CODES:
        return WrongKeyError(what, why=why, cure="name the KMS key that wrapped this; nothing was changed")
    if refusal.code in _UNUSABLE_KEY_CODES:
        return ConflictError(what, why=why, cure="enable the KMS key, or cancel its deletion")
    return error_of_refusal(refusal, action, resource)


def error_of_botocore(error: ClientError | BotoCoreError, action: str, resource: str) -> HoldfastError:
    """The error for what botocore raised."""
    if isinstance(error, ClientError):
        return error_of_aws_refusal(refusal_of(error), action, resource)
    return translate_botocore_error(error, action, resource)
