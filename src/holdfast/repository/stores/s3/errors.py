"""The one place where errors of botocore become errors of Holdfast."""

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    InvalidConfigError,
    NoAuthTokenError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from holdfast.domain.errors import HoldfastError, PermissionDeniedError, UnavailableError, UsageError
from holdfast.signed_http.aws_answers import Refusal, denied_action, error_of_refusal

_NO_CREDENTIALS = (
    CredentialRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
_NO_CONNECTION = (ConnectionClosedError, ConnectionError, HTTPClientError)
_BAD_SETTINGS = (InvalidConfigError, ProfileNotFound)


def error_of_store_refusal(refusal: Refusal, action: str, resource: str) -> HoldfastError:
    """What it means that a store refuses `action`. Of a bucket that encrypts by default S3 hands on what KMS denies."""
    error = error_of_refusal(refusal, action, resource)
    lacking = denied_action(refusal)
    if isinstance(error, PermissionDeniedError) and lacking is not None and lacking[0].startswith("kms:"):
        cure = f"{error.cure}; for appliances by the option repository-keys of the plug-in (docs/permissions.md)"
        return PermissionDeniedError(error.what, why=error.why, cure=cure)
    return error


def translate_botocore_error(error: ClientError | BotoCoreError, action: str, resource: str) -> HoldfastError:
    """What `error` means; `action` is IAM's name (`s3:ListBucket`), `resource` what a person calls the thing."""
    if isinstance(error, ClientError):
        return error_of_refusal(refusal_of(error), action, resource)
    what, why = f"{action} on {resource} failed", str(error)
    if isinstance(error, _NO_CREDENTIALS):
        return PermissionDeniedError(
            what,
            why=why,
            cure="give AWS credentials: an instance role, AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret",
        )
    if isinstance(error, NoRegionError):
        return UsageError("no AWS region", why="none is given or configured", cure="set AWS_REGION, or write ?region=")
    if isinstance(error, _BAD_SETTINGS):
        return UsageError(what, why=why, cure="check ~/.aws/config and AWS_PROFILE")
    if isinstance(error, _NO_CONNECTION):
        return UnavailableError(what, why=why, cure="check the network, the region and the endpoint (AWS_ENDPOINT_URL)")
    return HoldfastError(what, why=why, cure="check the location's options and the AWS settings of this machine")


def refusal_of(error: ClientError) -> Refusal:
    """Status, code and message that the service gave; a HEAD has no body, so its code is the status in digits."""
    details = error.response.get("Error", {})
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    code = str(details.get("Code", ""))
    reason = str(error.response.get("Reason", ""))
    return Refusal(status, "" if code.isdigit() else code, str(details.get("Message", "")), reason)
