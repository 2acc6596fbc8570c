"""The errors of the EBS direct APIs, as the service model of 2019-11-02 names them."""

from typing import ClassVar


class EbsError(Exception):
    """An answer of the EBS direct APIs that is not success; `reason` is one of the values the API lists, or empty."""

    code: ClassVar[str]
    status: ClassVar[int]

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class ValidationError(EbsError):
    """The request fails the rules of the API."""

    code = "ValidationException"
    status = 400


class ResourceNotFoundError(EbsError):
    """There is no such snapshot."""

    code = "ResourceNotFoundException"
    status = 404


class AccessDeniedError(EbsError):
    """The snapshot belongs to another account."""

    code = "AccessDeniedException"
    status = 403


class RequestThrottledError(EbsError):
    """More requests than the quota allows."""

    code = "RequestThrottledException"
    status = 400


class ConcurrentLimitExceededError(EbsError):
    """Too many snapshots are being written at once."""

    code = "ConcurrentLimitExceededException"
    status = 400


class ConflictError(EbsError):
    """A client token was used before, with other parameters."""

    code = "ConflictException"
    status = 409


class InternalServerError(EbsError):
    """A fault on the other side."""

    code = "InternalServerException"
    status = 500
