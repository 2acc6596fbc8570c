"""For whom a request is signed: access key, region and service, read from the signature without checking it."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs
from wsgiref.types import WSGIEnvironment

# Requests of S3 Control are signed for S3; their paths tell them apart (S3 Control API Reference).
S3_CONTROL = "s3control"
_S3_CONTROL_PATH = "/v20180820/"
_SCOPE = re.compile(r"Credential=([^/,\s]+)/[0-9]{8}/([^/]+)/([^/]+)/aws4_request")


@dataclass(frozen=True, slots=True)
class Scope:
    """The credential scope of AWS's signature version 4; all empty for a request that is not signed."""

    access_key: str = ""
    region: str = ""
    service: str = ""


def scope_of(environ: WSGIEnvironment) -> Scope:
    """The scope in the Authorization header, or in the query of a presigned URL."""
    text = environ.get("HTTP_AUTHORIZATION", "")
    if not text and "X-Amz-Credential" in environ.get("QUERY_STRING", ""):
        text = f"Credential={parse_qs(environ['QUERY_STRING'])['X-Amz-Credential'][0]}"
    match = _SCOPE.search(text)
    if match is None:
        return Scope()
    access_key, region, service = match.groups()
    is_control = service == "s3" and environ.get("PATH_INFO", "").startswith(_S3_CONTROL_PATH)
    return Scope(access_key, region, S3_CONTROL if is_control else service)
