"""HTTP in front of the EBS direct APIs: paths, headers and JSON as botocore's model of service `ebs` has them.

This is a WSGI application of its own instead of a handler within moto, so that a block costs little more than its
bytes.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

from holdfast.lab.ebs_direct import Caller, EbsDirect, Page, StartRequest, invalid
from holdfast.lab.ebs_errors import EbsError, InternalServerError, ResourceNotFoundError, ValidationError
from holdfast.lab.ebs_quotas import EbsQuotas
from holdfast.lab.records import SnapshotRecord
from holdfast.repository.block_source import BLOCK_SIZE_BYTES

Answer = tuple[int, dict[str, str], bytes]
_START = re.compile(r"/snapshots/?")
_COMPLETE = re.compile(r"/snapshots/completion/([^/]+)")
_BLOCKS = re.compile(r"/snapshots/([^/]+)/blocks")
_CHANGES = re.compile(r"/snapshots/([^/]+)/changedblocks")
_BLOCK = re.compile(r"/snapshots/([^/]+)/blocks/([^/]+)")
_OPERATIONS: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("GET", _BLOCK, "GetSnapshotBlock"),
    ("PUT", _BLOCK, "PutSnapshotBlock"),
    ("GET", _BLOCKS, "ListSnapshotBlocks"),
    ("GET", _CHANGES, "ListChangedBlocks"),
    ("POST", _COMPLETE, "CompleteSnapshot"),
    ("POST", _START, "StartSnapshot"),
)
_START_TYPES = {
    "VolumeSize": int, "ParentSnapshotId": str, "Description": str, "Tags": list, "ClientToken": str, "Encrypted": bool,
    "KmsKeyArn": str, "Timeout": int,
}  # fmt: skip
STATUS_LINES = {
    200: "200 OK", 201: "201 Created", 202: "202 Accepted", 400: "400 Bad Request", 402: "402 Payment Required",
    403: "403 Forbidden", 404: "404 Not Found", 409: "409 Conflict", 500: "500 Internal Server Error",
}  # fmt: skip


class EbsRoutes:
    """The EBS direct APIs as a WSGI application; `identify` tells who sent a request, `quotas` is None to have none."""

    def __init__(
        self, service: EbsDirect, identify: Callable[[WSGIEnvironment], Caller], quotas: EbsQuotas | None
    ) -> None:
        self._service = service
        self._identify = identify
        self._quotas = quotas

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            status, headers, body = self._answer(environ)
        except EbsError as error:
            status, headers, body = error_answer(error)
        except ConnectionError:
            raise
        except OSError as error:
            # The lab's disk is full, or its files are gone: to the caller, a fault on the other side.
            status, headers, body = error_answer(InternalServerError("", str(error)))
        headers["Content-Length"] = str(len(body))
        headers["x-amzn-RequestId"] = os.urandom(16).hex()
        start_response(STATUS_LINES[status], list(headers.items()))
        return (body,)

    def _answer(self, environ: WSGIEnvironment) -> Answer:
        operation, match = route(environ)
        caller = self._identify(environ)
        if self._quotas is not None:
            snapshot_id = match.group(1) if match.lastindex else ""
            self._quotas.take(caller.account, caller.region, operation, snapshot_id)
        if operation == "GetSnapshotBlock":
            return self._get(environ, caller, match)
        if operation == "PutSnapshotBlock":
            return self._put(environ, caller, match)
        if operation == "CompleteSnapshot":
            return self._complete(environ, caller, match)
        if operation == "StartSnapshot":
            return _json(201, _started(self._service.start_snapshot(caller, _start_request(_body(environ)))))
        return self._list(environ, caller, match, operation)

    def _get(self, environ: WSGIEnvironment, caller: Caller, match: re.Match[str]) -> Answer:
        query = _query(environ)
        token = query.get("blockToken")
        if token is None:
            raise invalid("BlockToken is required")
        data, checksum = self._service.get_snapshot_block(caller, match.group(1), _number(match.group(2)), token)
        headers = {
            "Content-Type": "application/octet-stream",
            "x-amz-Data-Length": str(len(data)),
            "x-amz-Checksum": checksum,
            "x-amz-Checksum-Algorithm": "SHA256",
        }
        return 200, headers, data

    def _put(self, environ: WSGIEnvironment, caller: Caller, match: re.Match[str]) -> Answer:
        if environ.get("HTTP_X_AMZ_CHECKSUM_ALGORITHM") != "SHA256":
            raise invalid("ChecksumAlgorithm must be SHA256")
        if environ.get("HTTP_X_AMZ_DATA_LENGTH") != str(BLOCK_SIZE_BYTES):
            raise invalid(f"DataLength must be {BLOCK_SIZE_BYTES}")
        checksum = environ.get("HTTP_X_AMZ_CHECKSUM")
        if not checksum:
            raise invalid("Checksum is required")
        if environ.get("HTTP_CONTENT_ENCODING"):
            raise ValidationError("INVALID_CONTENT_ENCODING", "Block data is sent as it is.")
        progress = _integer(environ.get("HTTP_X_AMZ_PROGRESS"), "Progress")
        if progress is not None and not 0 <= progress <= 100:
            raise invalid("Progress must be between 0 and 100")
        data = _body(environ, BLOCK_SIZE_BYTES)
        self._service.put_snapshot_block(caller, match.group(1), _number(match.group(2)), data, checksum)
        return 201, {"x-amz-Checksum": checksum, "x-amz-Checksum-Algorithm": "SHA256"}, b""

    def _complete(self, environ: WSGIEnvironment, caller: Caller, match: re.Match[str]) -> Answer:
        count = _integer(environ.get("HTTP_X_AMZ_CHANGEDBLOCKSCOUNT"), "ChangedBlocksCount")
        if count is None:
            raise invalid("ChangedBlocksCount is required")
        checksum = environ.get("HTTP_X_AMZ_CHECKSUM")
        if checksum is not None:
            if environ.get("HTTP_X_AMZ_CHECKSUM_ALGORITHM") != "SHA256":
                raise invalid("ChecksumAlgorithm must be SHA256")
            if environ.get("HTTP_X_AMZ_CHECKSUM_AGGREGATION_METHOD") != "LINEAR":
                raise invalid("ChecksumAggregationMethod must be LINEAR")
        return _json(202, {"Status": self._service.complete_snapshot(caller, match.group(1), count, checksum)})

    def _list(self, environ: WSGIEnvironment, caller: Caller, match: re.Match[str], operation: str) -> Answer:
        query = _query(environ)
        next_token = query.get("pageToken")
        max_results = _integer(query.get("maxResults"), "MaxResults")
        starting = _integer(query.get("startingBlockIndex"), "StartingBlockIndex") or 0
        if operation == "ListSnapshotBlocks":
            page = self._service.list_snapshot_blocks(caller, match.group(1), next_token, max_results, starting)
            blocks = [{"BlockIndex": number, "BlockToken": token} for number, token, _ in page.blocks]
            return _json(200, _page(page) | {"Blocks": blocks})
        page = self._service.list_changed_blocks(
            caller, query.get("firstSnapshotId"), match.group(1), next_token, max_results, starting
        )
        return _json(200, _page(page) | {"ChangedBlocks": [_changed(*block) for block in page.blocks]})


def route(environ: WSGIEnvironment) -> tuple[str, re.Match[str]]:
    """The operation that a request asks for, and its path's parts."""
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    for wanted, pattern, operation in _OPERATIONS:
        if method == wanted and (match := pattern.fullmatch(path)):
            return operation, match
    raise ResourceNotFoundError("", f"The EBS direct APIs have no operation {method} {path}.")


def error_answer(error: EbsError) -> Answer:
    """An error in the form of the REST-JSON protocol: the kind in a header, message and reason in the body."""
    document = {"Message": error.message[:256]} | ({"Reason": error.reason} if error.reason else {})
    status, headers, body = _json(error.status, document)
    return status, headers | {"x-amzn-ErrorType": error.code}, body


def _json(status: int, document: Mapping[str, object]) -> Answer:
    return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


def _query(environ: WSGIEnvironment) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}


def _body(environ: WSGIEnvironment, at_most_bytes: int = 1024 * 1024) -> bytes:
    """The request's body; one byte more than is allowed is read, so that too long a one is noticed."""
    data: bytes = environ["wsgi.input"].read(at_most_bytes + 1)
    return data


def _integer(text: str | None, name: str) -> int | None:
    if text is None or text == "":
        return None
    try:
        return int(text)
    except ValueError:
        raise invalid(f"{name} is no number") from None


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValidationError("INVALID_BLOCK", f"'{text}' is no block index.")
    return int(text)


def _page(page: Page) -> dict[str, object]:
    facts: dict[str, object] = {"ExpiryTime": page.expiry, "VolumeSize": page.size_gib, "BlockSize": BLOCK_SIZE_BYTES}
    return facts | ({"NextToken": page.next_token} if page.next_token else {})


def _changed(number: int, first: str | None, second: str | None) -> dict[str, object]:
    entry: dict[str, object] = {"BlockIndex": number}
    if first is not None:
        entry["FirstBlockToken"] = first
    if second is not None:
        entry["SecondBlockToken"] = second
    return entry


def _start_request(body: bytes) -> StartRequest:
    try:
        document: Any = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise invalid("The request is no JSON document") from None
    if not isinstance(document, dict):
        raise invalid("The request is no JSON object")
    for name, kind in _START_TYPES.items():
        if document.get(name) is not None and type(document[name]) is not kind:
            raise invalid(f"{name} is of the wrong type")
    if document.get("VolumeSize") is None:
        raise invalid("VolumeSize is required")
    timeout_minutes = document.get("Timeout")
    return StartRequest(
        size_gib=document["VolumeSize"],
        parent_id=document.get("ParentSnapshotId"),
        description=document.get("Description") or "",
        tags=dict(_tag(tag) for tag in document.get("Tags") or ()),
        client_token=document.get("ClientToken"),
        encrypted=document.get("Encrypted"),
        kms_key_arn=document.get("KmsKeyArn"),
        timeout_minutes=60 if timeout_minutes is None else timeout_minutes,
    )


def _tag(tag: object) -> tuple[str, str]:
    match tag:
        case {"Key": str(key), "Value": str(value)}:
            return key, value
    raise ValidationError("INVALID_TAG", "A tag has a Key and a Value, both texts.")


def _started(record: SnapshotRecord) -> dict[str, object]:
    facts: dict[str, object] = {
        "SnapshotId": record.id,
        "OwnerId": record.account,
        "Status": "pending",
        "StartTime": record.started_at,
        "VolumeSize": record.size_gib,
        "BlockSize": BLOCK_SIZE_BYTES,
        "Description": record.description,
        "Tags": [{"Key": key, "Value": value} for key, value in record.tags.items()],
        "SseType": "sse-kms" if record.encrypted else "none",
    }
    if record.parent_id:
        facts["ParentSnapshotId"] = record.parent_id
    if record.kms_key_id:
        facts["KmsKeyArn"] = record.kms_key_id
    return facts
