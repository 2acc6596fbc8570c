"""Errors in the form that each of AWS's protocols gives them, for requests that no service of the lab has answered."""

import json
import os
from dataclasses import dataclass
from wsgiref.types import StartResponse, WSGIEnvironment
from xml.sax.saxutils import escape

from holdfast.lab.faults import Fault
from holdfast.lab.request_scope import S3_CONTROL


@dataclass(frozen=True, slots=True)
class AwsError:
    """An error answer: the code that an SDK shows, a message, and the HTTP status line; `reason` where a service has
    reasons.
    """

    code: str
    message: str
    status: str
    reason: str = ""


def protocol_of(service: str, environ: WSGIEnvironment) -> str:
    """Which protocol a request speaks: `s3`, `ec2`, `query`, `json`, `rest-xml` or `rest-json`."""
    if service in ("s3", "ec2"):
        return service
    if service == S3_CONTROL:
        return "rest-xml"
    if environ.get("HTTP_X_AMZ_TARGET"):
        return "json"
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return "query"
    return "rest-json"


def not_implemented(protocol: str, what: str) -> AwsError:
    """The answer to something that the lab does not have; `what` names it."""
    message = f"Not implemented in the lab: {what}"
    if protocol == "s3":
        return AwsError("NotImplemented", message, "501 Not Implemented")
    code = "UnknownOperationException" if protocol in ("json", "rest-json") else "InvalidAction"
    return AwsError(code, message, "400 Bad Request")


def internal(protocol: str, message: str) -> AwsError:
    """The answer where the lab itself failed."""
    return AwsError("InternalFailure" if "json" in protocol else "InternalError", message, "500 Internal Server Error")


def of_fault(service: str, protocol: str, fault: Fault) -> AwsError:
    """How a service says that it is throttling, or that it failed."""
    if fault is not Fault.THROTTLE:
        if service == "ebs":
            return AwsError("InternalServerException", "A fault of the lab.", "500 Internal Server Error")
        return internal(protocol, "A fault of the lab.")
    if service == "ebs":
        return AwsError("RequestThrottledException", "Throttled by the lab.", "400 Bad Request")
    if protocol == "s3":
        return AwsError("SlowDown", "Please reduce your request rate.", "503 Slow Down")
    if protocol == "ec2":
        return AwsError("RequestLimitExceeded", "Request limit exceeded.", "503 Service Unavailable")
    return AwsError("ThrottlingException", "Rate exceeded", "400 Bad Request")


def send(error: AwsError, protocol: str, environ: WSGIEnvironment, start_response: StartResponse) -> tuple[bytes]:
    """Answer a WSGI request with the error."""
    request_id = os.urandom(16).hex()
    headers, body = _RENDERERS.get(protocol, _rest_json)(error, request_id)
    if environ["REQUEST_METHOD"] == "HEAD":
        body = b""
    headers |= {"Content-Length": str(len(body)), "x-amzn-RequestId": request_id}
    start_response(error.status, list(headers.items()))
    return (body,)


def _xml(text: str) -> tuple[dict[str, str], bytes]:
    return {"Content-Type": "text/xml"}, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def _s3(error: AwsError, request_id: str) -> tuple[dict[str, str], bytes]:
    words = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message><RequestId>{request_id}</RequestId>"
    return _xml(f"<Error>{words}</Error>")


def _ec2(error: AwsError, request_id: str) -> tuple[dict[str, str], bytes]:
    words = f"<Error><Code>{error.code}</Code><Message>{escape(error.message)}</Message></Error>"
    return _xml(f"<Response><Errors>{words}</Errors><RequestID>{request_id}</RequestID></Response>")


def _query(error: AwsError, request_id: str) -> tuple[dict[str, str], bytes]:
    words = f"<Type>Sender</Type><Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
    return _xml(f"<ErrorResponse><Error>{words}</Error><RequestId>{request_id}</RequestId></ErrorResponse>")


def _json(error: AwsError, request_id: str) -> tuple[dict[str, str], bytes]:
    document = {"__type": error.code, "message": error.message}
    return {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(document).encode()


def _rest_json(error: AwsError, request_id: str) -> tuple[dict[str, str], bytes]:
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error.code}
    return headers, json.dumps({"Message": error.message} | ({"Reason": error.reason} if error.reason else {})).encode()


_RENDERERS = {"s3": _s3, "ec2": _ec2, "query": _query, "json": _json, "rest-json": _rest_json, "rest-xml": _s3}
