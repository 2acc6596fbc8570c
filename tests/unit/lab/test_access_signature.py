"""Signatures that botocore makes are right, and anything that is changed afterwards is noticed."""

import base64
import hashlib

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from holdfast.lab.access.signature import is_right, read_signature

SECRET = "wJalrXUtnFEMI"


def signed(service, method="GET", path="/", body=b"", headers=None, auth=None, token=None):
    """The environment of a request that botocore has signed."""
    sign = auth or (S3SigV4Auth if service == "s3" else SigV4Auth)(
        Credentials("KEY", SECRET, token), service, "us-east-1"
    )
    request = AWSRequest(method, f"http://127.0.0.1:5000{path}", data=body, headers={**(headers or {})})
    request.context["payload_signing_enabled"] = True
    sign.add_auth(request)
    raw = str(request.url).removeprefix("http://127.0.0.1:5000")
    environ = {"REQUEST_METHOD": method, "PATH_INFO": raw.partition("?")[0], "RAW_URI": raw,
               "QUERY_STRING": raw.partition("?")[2], "HTTP_HOST": "127.0.0.1:5000"}  # fmt: skip
    for name, value in request.headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return environ


def right(environ, body=b"", secret=SECRET):
    signature = read_signature(environ)
    return signature is not None and is_right(signature, secret, environ, lambda: body)


@pytest.mark.parametrize(
    ("service", "method", "path", "body"),
    [
        ("ec2", "POST", "/", b"Action=DescribeVolumes&Version=2016-11-15"),
        ("s3", "GET", "/bucket/a%20b/%C3%BC%2Bc", b""),
        ("s3", "GET", "/bucket?list-type=2&prefix=a%20b%2F&empty=", b""),
        ("s3", "PUT", "/bucket//double/./dots", b"content"),
        ("ebs", "GET", "/snapshots/snap-1/blocks?maxResults=100&pageToken=a%2Bb%3D", b""),
        ("backup", "GET", "/backup-vaults/a%3Ab/", b""),
    ],
)
def test_right_signatures(service, method, path, body):
    environ = signed(service, method, path, body, {"Content-Type": "text/plain"})
    assert right(environ, body)
    assert not right(environ, body, secret="another")


def test_what_is_signed_cannot_be_changed():
    body = b"Action=DescribeVolumes"
    environ = signed("ec2", "POST", "/", body)
    assert right(environ, body)
    assert not right(environ, b"Action=DeleteVolume")
    for name, value in (("REQUEST_METHOD", "PUT"), ("QUERY_STRING", "a=b"), ("HTTP_X_AMZ_DATE", "20200101T000000Z"),
                        ("HTTP_HOST", "other"), ("RAW_URI", "/x")):  # fmt: skip
        assert not right({**environ, name: value}, body)


def test_block_is_signed_by_its_checksum():
    block = bytes(512 * 1024)
    digest = hashlib.sha256(block).digest()
    checksum = {"x-amz-Checksum": base64.b64encode(digest).decode()}
    environ = signed("ebs", "PUT", "/snapshots/snap-1/blocks/1", block, checksum)
    assert right(environ, b"never looked at")
    assert not right({**environ, "HTTP_X_AMZ_CHECKSUM": base64.b64encode(bytes(32)).decode()})
    assert not right({**environ, "HTTP_X_AMZ_CHECKSUM": "?"})


def test_presigned_url():
    auth = S3SigV4QueryAuth(Credentials("KEY", SECRET, "token+/="), "s3", "us-east-1", expires=60)
    environ = signed("s3", path="/bucket/key", auth=auth)
    assert right(environ)
    signature = read_signature(environ)
    assert signature is not None
    assert (signature.presigned, signature.expires_seconds) == (True, 60)
    assert not right({**environ, "QUERY_STRING": environ["QUERY_STRING"].replace("=60", "=6000")})


@pytest.mark.parametrize("text", ["", "AWS KEY:signature", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host"])
def test_what_is_no_signature(text):
    assert read_signature({"HTTP_AUTHORIZATION": text, "QUERY_STRING": ""}) is None
