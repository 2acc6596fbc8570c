"""How each service says that a request is not allowed, or that it cannot tell who sent it.

The codes are those of each service's "Common Errors" page: services that speak JSON answer 400, EBS direct and other
REST services 403.
"""

from enum import Enum

from holdfast.lab.access.evaluator import Demand, Principal, Verdict
from holdfast.lab.aws_errors import AwsError

FORBIDDEN = "403 Forbidden"
BAD_REQUEST = "400 Bad Request"
UNAUTHORIZED = "401 Unauthorized"


class Doubt(Enum):
    """Why nobody can be sure who sent a request."""

    UNKNOWN_KEY = "unknown key"
    WRONG_TOKEN = "wrong token"  # noqa: S105 - a kind of error
    WRONG_SIGNATURE = "wrong signature"
    EXPIRED = "expired"
    URL_EXPIRED = "url expired"
    OLD_SIGNATURE = "old signature"


_VALIDATION = "AWS was not able to validate the provided access credentials"
_INVALID = "The security token included in the request is invalid."
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_TOKEN_EXPIRED = "The security token included in the request is expired"  # noqa: S105 - a message
_UNKNOWN_TO_S3 = "The AWS Access Key Id you provided does not exist in our records."
_BY_PROTOCOL: dict[str, dict[Doubt, AwsError]] = {
    "ec2": {
        Doubt.UNKNOWN_KEY: AwsError("AuthFailure", _VALIDATION, UNAUTHORIZED),
        Doubt.WRONG_TOKEN: AwsError("AuthFailure", _VALIDATION, UNAUTHORIZED),
        Doubt.WRONG_SIGNATURE: AwsError("AuthFailure", _VALIDATION, UNAUTHORIZED),
        Doubt.EXPIRED: AwsError("RequestExpired", "Request has expired.", BAD_REQUEST),
    },
    "s3": {
        Doubt.UNKNOWN_KEY: AwsError("InvalidAccessKeyId", _UNKNOWN_TO_S3, FORBIDDEN),
        Doubt.WRONG_TOKEN: AwsError(
            "InvalidToken", "The provided token is malformed or otherwise invalid.", BAD_REQUEST
        ),
        Doubt.WRONG_SIGNATURE: AwsError("SignatureDoesNotMatch", _MISMATCH, FORBIDDEN),
        Doubt.EXPIRED: AwsError("ExpiredToken", "The provided token has expired.", BAD_REQUEST),
        Doubt.URL_EXPIRED: AwsError("AccessDenied", "Request has expired", FORBIDDEN),
        Doubt.OLD_SIGNATURE: AwsError(
            "InvalidRequest",
            "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
            BAD_REQUEST,
        ),
    },
    "query": {
        Doubt.UNKNOWN_KEY: AwsError("InvalidClientTokenId", _INVALID, FORBIDDEN),
        Doubt.WRONG_TOKEN: AwsError("InvalidClientTokenId", _INVALID, FORBIDDEN),
        Doubt.WRONG_SIGNATURE: AwsError("SignatureDoesNotMatch", _MISMATCH, FORBIDDEN),
        Doubt.EXPIRED: AwsError("ExpiredToken", _TOKEN_EXPIRED, FORBIDDEN),
    },
    "json": {
        Doubt.UNKNOWN_KEY: AwsError("UnrecognizedClientException", _INVALID, BAD_REQUEST),
        Doubt.WRONG_TOKEN: AwsError("UnrecognizedClientException", _INVALID, BAD_REQUEST),
        Doubt.WRONG_SIGNATURE: AwsError("InvalidSignatureException", _MISMATCH, BAD_REQUEST),
        Doubt.EXPIRED: AwsError("ExpiredTokenException", _TOKEN_EXPIRED, BAD_REQUEST),
    },
    "rest-json": {
        Doubt.UNKNOWN_KEY: AwsError("UnrecognizedClientException", _INVALID, FORBIDDEN),
        Doubt.WRONG_TOKEN: AwsError("UnrecognizedClientException", _INVALID, FORBIDDEN),
        Doubt.WRONG_SIGNATURE: AwsError("InvalidSignatureException", _MISMATCH, FORBIDDEN),
        Doubt.EXPIRED: AwsError("ExpiredTokenException", _TOKEN_EXPIRED, FORBIDDEN),
    },
}


def not_authenticated(protocol: str, doubt: Doubt) -> AwsError:
    """The answer to a request whose sender is in doubt."""
    errors = _BY_PROTOCOL[protocol]
    return errors.get(doubt, errors[Doubt.WRONG_SIGNATURE])


def not_authorized(protocol: str, principal: Principal, demand: Demand, verdict: Verdict) -> AwsError:
    """The answer to a request that may not be made."""
    message = words_of(principal, demand, verdict, quoted=protocol == "s3")
    if protocol == "ec2":
        return AwsError("UnauthorizedOperation", f"You are not authorized to perform this operation. {message}",
                        FORBIDDEN)  # fmt: skip
    if protocol in ("json", "rest-json"):
        return AwsError("AccessDeniedException", message, BAD_REQUEST if protocol == "json" else FORBIDDEN)
    return AwsError("AccessDenied", message, FORBIDDEN)


def key_not_usable() -> AwsError:
    """How the EBS direct APIs say that KMS has denied the caller: not what it was denied (AccessDeniedException)."""
    words = "The caller may not use the KMS key of the snapshot."
    return AwsError("AccessDeniedException", words, FORBIDDEN, "DEPENDENCY_ACCESS_DENIED")


def words_of(principal: Principal, demand: Demand, verdict: Verdict, *, quoted: bool = False) -> str:
    """IAM's own words, which every service hands on."""
    resource = f'"{demand.resource}"' if quoted else demand.resource
    return (
        f"User: {principal.arn} is not authorized to perform: {demand.action} on resource: {resource} {verdict.reason}"
    )


def unusable_profile(name: str, has_no_role: bool) -> AwsError:
    """The answer to an instance that is to have a profile which is not there, not there yet, or empty."""
    if has_no_role:
        return AwsError("InvalidParameterValue", f'IAM Instance Profile "{name}" has no associated IAM Roles',
                        BAD_REQUEST)  # fmt: skip
    kind, word = ("arn", "ARN") if name.startswith("arn:") else ("name", "name")
    message = f"Value ({name}) for parameter iamInstanceProfile.{kind} is invalid. Invalid IAM Instance Profile {word}"
    return AwsError("InvalidParameterValue", message, BAD_REQUEST)
