"""A request as the tables of actions see it: service, operation and parameters, whatever protocol carried them."""

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, unquote
from wsgiref.types import WSGIEnvironment

from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError
from moto.core.parse import PROTOCOL_PARSERS, RequestParserError
from moto.core.request import Request
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from moto.utilities.utils import get_partition
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import NotFound

from holdfast.lab.aws_errors import protocol_of
from holdfast.lab.ebs_errors import EbsError
from holdfast.lab.ebs_routes import route
from holdfast.lab.request_scope import Scope

# Bodies of these are data, and not looked into (but for the few of S3 that are lists of keys).
STREAMED = ("s3", "ebs")
# botocore's names of services that sign by another.
_MODEL_NAMES = {"servicequotas": "service-quotas", "elasticfilesystem": "efs"}
_OPERATION = re.compile(r"[A-Za-z0-9]+")
UNKNOWN = "Unknown"


@dataclass(frozen=True)
class Call:
    """One request. `account` is the caller's; `fields` are the form's, `query` those of the URL."""

    service: str
    operation: str
    account: str
    region: str
    environ: WSGIEnvironment
    fields: Mapping[str, str]
    body: bytes = b""

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`."""
        return str(get_partition(self.region))

    @cached_property
    def query(self) -> dict[str, str]:
        """The query of the URL."""
        return dict(parse_qsl(self.environ.get("QUERY_STRING", ""), keep_blank_values=True))

    @cached_property
    def path(self) -> str:
        """The path, decoded."""
        raw: str = self.environ.get("RAW_URI") or self.environ["PATH_INFO"]
        return unquote(raw.partition("?")[0])

    def header(self, name: str) -> str | None:
        """A header by its name in lower case."""
        return self.environ.get(f"HTTP_{name.upper().replace('-', '_')}")

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters as boto3 names them; none where the request is not one that the service's model describes."""
        protocol = protocol_of(self.service, self.environ)
        if self.service in STREAMED or protocol not in PROTOCOL_PARSERS:
            return {}
        request: Any = {
            "method": self.environ["REQUEST_METHOD"],
            "values": MultiDict(self.fields),
            "headers": {},
            "body": self.body,
            "url_path": self.environ["PATH_INFO"],
            "url_params": {},
        }
        try:
            operation = get_service_model(_MODEL_NAMES.get(self.service, self.service)).operation_model(self.operation)
            parsed: Mapping[str, Any] = PROTOCOL_PARSERS[protocol](operation).parse(request)
        except (
            RequestParserError,
            OperationNotFoundError,
            UnknownServiceError,
            LookupError,
            ValueError,
            TypeError,
            AttributeError,
        ):
            return {}
        return parsed or {}


def read_call(scope: Scope, account: str, environ: WSGIEnvironment) -> Call:
    """Read the request as far as is needed; what was read of its body is put back."""
    service, region = scope.service, scope.region
    if service == "ebs":
        return Call(service, _ebs_operation(environ), account, region, environ, {}, _start_body(environ))
    if service == "s3":
        return Call(service, environ["REQUEST_METHOD"], account, region, environ, {})
    body: bytes = environ["wsgi.input"].read()
    environ["wsgi.input"] = io.BytesIO(body)
    fields: dict[str, str] = {}
    protocol = protocol_of(service, environ)
    if protocol in ("ec2", "query"):
        text = body.decode("utf-8", "replace") or environ.get("QUERY_STRING", "")
        fields = dict(parse_qsl(text, keep_blank_values=True))
        operation = fields.get("Action", "")
    elif protocol == "json":
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    else:
        operation = _routed(service, environ)
    if not _OPERATION.fullmatch(operation):
        operation = UNKNOWN
    return Call(service, operation, account, region, environ, fields, body)


def _ebs_operation(environ: WSGIEnvironment) -> str:
    try:
        return route(environ)[0]
    except EbsError:
        return UNKNOWN


def _start_body(environ: WSGIEnvironment) -> bytes:
    """The document of StartSnapshot; other requests of the EBS direct APIs have none that matters here."""
    if environ["REQUEST_METHOD"] != "POST":
        return b""
    body: bytes = environ["wsgi.input"].read()
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _routed(service: str, environ: WSGIEnvironment) -> str:
    """The operation of a service whose requests are told apart by method and path."""
    try:
        operation, _ = get_service_router(_MODEL_NAMES.get(service, service)).match(Request(environ))
    except (NotFound, NotImplementedError, UnknownServiceError, LookupError, ValueError):
        return UNKNOWN
    return str(operation.name)


def document_of(call: Call) -> Mapping[str, Any]:
    """The JSON document in the body, or an empty one."""
    try:
        document = json.loads(call.body or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
