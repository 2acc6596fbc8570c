"""What a refusal of an AWS service, or of one that speaks like it, means: one table from error codes to our errors.

Codes as in "Error responses" (Amazon S3 API Reference), "Error codes" (Amazon EC2 and EBS direct API references) and
"Common errors" (AWS KMS API Reference).
"""

import json
import re
from dataclasses import dataclass

from holdfast.domain.errors import (
    ConflictError,
    HoldfastError,
    IntegrityError,
    NeedsRetrievalError,
    NotFoundError,
    OutOfSpaceError,
    PermissionDeniedError,
    ThrottledError,
    UnavailableError,
    UsageError,
)
from holdfast.signed_http.messages import HttpResponse

THROTTLING_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "ConcurrentLimitExceededException",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "SnapshotCreationPerVolumeRateExceeded",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)
_PASSING_CODES = frozenset(
    {
        "ConcurrentModification",
        "ConditionalRequestConflict",
        "InternalError",
        "InternalFailure",
        "InternalServerException",
        "KMSInternalException",
        "DependencyTimeoutException",
        "OperationAborted",
        "RequestTimeout",
        "ServiceUnavailable",
    }
)
_CREDENTIALS_CODES = {
    "ExpiredToken": "renew the session (for example `aws sso login`) and run the command again",
    "ExpiredTokenException": "renew the session (for example `aws sso login`) and run the command again",
    "RequestExpired": "set this machine's clock; it is off by more than AWS allows",
    "RequestTimeTooSkewed": "set this machine's clock; it is off by more than AWS allows",
    "OptInRequired": "enable the region for this account, or choose another region",
}
_DENIED_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AllAccessDisabled",
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
_WRONG_REGION_CODES = frozenset(
    {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}
)
_DAMAGED_CODES = frozenset({"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch", "XAmzContentSHA256Mismatch"})
_NO_ROOM_CODES = frozenset({"EntityTooLarge", "QuotaExceeded", "XMinioStorageFull", "StorageFull"})
_TAKEN_CODES = frozenset({"PreconditionFailed", "ConflictException", "IdempotentParameterMismatch"})

# "User: … is not authorized to perform: iam:PassRole on resource: … because …": the request may have been another. S3
# puts the resource in quotes.
_DENIED = re.compile(
    r"not authorized to perform: ([A-Za-z0-9-]+:[A-Za-z0-9]+)(?: on resource: (?:\"|&quot;)?([^\s\"&]+))?"
)
_XML_CODE = re.compile(rb"<Code>([^<]{1,200})</Code>")
_XML_MESSAGE = re.compile(rb"<Message>([^<]{1,1000})</Message>")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What an AWS service said: HTTP status, error code and message (may be empty), EBS's reason (may be empty)."""

    status: int
    code: str
    message: str
    reason: str = ""


def read_refusal(response: HttpResponse) -> Refusal:
    """The refusal in an answer whose status is 300 or more: S3's XML or the JSON of the newer services."""
    body = bytes(memoryview(response.body)[:65536])
    xml_code = _XML_CODE.search(body)
    if xml_code:
        message = _XML_MESSAGE.search(body)
        return Refusal(response.status, xml_code.group(1).decode(errors="replace"), _text(message and message.group(1)))
    try:
        document = json.loads(body)
    except ValueError:
        document = {}
    fields = document if isinstance(document, dict) else {}
    # "com.amazonaws.ebs#ThrottlingException:http://…" is one of the ways in which the code is written.
    named = response.headers.get("x-amzn-errortype") or str(fields.get("__type") or fields.get("code") or "")
    code = named.split(":")[0].rpartition("#")[2]
    message_text = str(fields.get("message") or fields.get("Message") or "")[:1000]
    return Refusal(response.status, code, message_text, str(fields.get("Reason") or "")[:200])


def denied_action(refusal: Refusal) -> tuple[str, str] | None:
    """The action that AWS says was denied, often another than the one that was asked for, and on what (may be empty);
    None where it does not say.
    """
    found = _DENIED.search(refusal.message)
    return None if found is None else (found[1], (found[2] or "").rstrip(".,"))


def error_of_refusal(refusal: Refusal, action: str, resource: str) -> HoldfastError:
    """The error for a refused `action` (IAM's name, as in `s3:PutObject`) on `resource` (as a person names it)."""
    code, status = refusal.code, refusal.status
    what = f"{action} on {resource} was refused"
    why = ": ".join(part for part in (code or f"HTTP status {status}", refusal.reason, refusal.message) if part)
    if code in THROTTLING_CODES or status == 429:
        throttled = ThrottledError(what, why=why, cure="wait a moment, or ask AWS for a higher request rate")
        throttled.in_words = True
        return throttled
    if code == "GlacierExpeditedRetrievalNotAvailable":
        return ThrottledError(what, why=why, cure="ask for it with a slower tier, or again in some hours")
    if code in _CREDENTIALS_CODES:
        return PermissionDeniedError(what, why=why, cure=_CREDENTIALS_CODES[code])
    if code in _WRONG_REGION_CODES:
        return UsageError(what, why=why, cure="name the right region, with ?region= or AWS_REGION")
    if code in _DAMAGED_CODES:
        return IntegrityError(
            what, why=why, cure="run the command again; if it happens again, test this machine's memory"
        )
    if code in _NO_ROOM_CODES or status == 507:
        return OutOfSpaceError(what, why=why, cure="free or add space in the store, then run the command again")
    if code in _TAKEN_CODES or status == 412:
        return ConflictError(what, why=why, cure="run the command again")
    if code in _PASSING_CODES or status >= 500:
        # AWS asks for a lower rate with a bare 503, too.
        kind = ThrottledError if status == 503 else UnavailableError
        return kind(what, why=why, cure="run the command again; if it lasts, see the AWS Health Dashboard")
    if code == "InvalidObjectState":
        cure = "run `holdfast image restore POINT --plan`: it says what has to be retrieved and what that costs"
        return NeedsRetrievalError(what, why=why, cure=cure)
    if code in _DENIED_CODES or code.startswith("KMS.") or status in (401, 403):
        lacking = denied_action(refusal)
        if lacking is None or lacking[0] == action:
            return PermissionDeniedError(what, why=why, cure=f"use credentials that are allowed {action} on {resource}")
        what = f"{lacking[0]} on {lacking[1] or resource} was refused"
        return PermissionDeniedError(what, why=why, cure=f"allow {lacking[0]}; {action} on {resource} needs it")
    if status == 404 or code.startswith("NoSuch") or "NotFound" in code:
        return NotFoundError(what, why=why, cure="check the name and the region")
    return HoldfastError(what, why=why, cure="see the AWS documentation of this error code")


def _text(found: bytes | None) -> str:
    return found.decode(errors="replace") if found else ""
