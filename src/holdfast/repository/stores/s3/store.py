"""A store in an S3 bucket, or in one that speaks like it.

Objects are written and read by `signed_http` (a fifth of the CPU); HEAD, LIST and DELETE go through botocore. Every
write carries If-None-Match:* and the body's SHA-256, which the store checks on arrival (Amazon S3 User Guide,
"Conditional writes" and "Checking object integrity").
"""

import base64
import binascii
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from holdfast.domain.errors import (
    HoldfastError,
    NotFoundError,
    ObjectExistsError,
    ObjectNotFoundError,
    UnavailableError,
    UsageError,
)
from holdfast.repository.object_store import ORDINARY, Buffer, ObjectInfo, StorageTerms
from holdfast.repository.stores.byte_ranges import check_range
from holdfast.repository.stores.object_keys import check_key, is_key
from holdfast.repository.stores.s3.errors import refusal_of, translate_botocore_error
from holdfast.repository.stores.s3.location import S3Location
from holdfast.repository.stores.s3.ranges import exact_range, range_header
from holdfast.repository.stores.s3.session import AwsSession, utc_now
from holdfast.signed_http.aws_answers import Refusal, error_of_refusal, read_refusal
from holdfast.signed_http.messages import HttpRequest, HttpResponse
from holdfast.signed_http.sigv4 import EMPTY_PAYLOAD_SHA256, SigV4Signer
from holdfast.signed_http.transport import CurlTransport

# Above the largest object of the repository format (a 64 MiB pack and its directory); more is not received.
MAX_OBJECT_BYTES = 256 * 1024 * 1024
# Room for an error document where only a few bytes were asked for.
_SMALLEST_ANSWER_BOUND_BYTES = 64 * 1024
# From here on it pays to ask before sending: a refusal then costs a round trip and no upload.
_EXPECT_CONTINUE_BYTES = 1024 * 1024
# The one folder whose objects a storage class applies to; all others must stay readable at once.
_PACKS_FOLDER = "packs/"
# What a signature needs where no region was given: the region of S3's global endpoint.
_DEFAULT_REGION = "us-east-1"


def open_s3_store(place: S3Location) -> "S3Store":
    """The store at `place` with botocore's settings of this machine. Raises UsageError, PermissionDeniedError."""
    return S3Store(place, AwsSession(place.region), CurlTransport())


class S3Store:
    """An ObjectStore under one prefix of a bucket. It closes `transport` with itself. `clock` dates the signatures."""

    def __init__(
        self, place: S3Location, session: AwsSession, transport: CurlTransport, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._place = place
        self._session = session
        self._transport = transport
        self._clock = clock
        self._root = f"{place.prefix}/" if place.prefix else ""
        self._client, base_url = _aim(place, session)
        parts = urlsplit(base_url)
        self._scheme, self._host, self._base_path = parts.scheme, parts.netloc, parts.path
        region = self._client.meta.region_name
        self._signer = SigV4Signer("s3", _DEFAULT_REGION if region in (None, "aws-global") else region, s3_flavour=True)

    @property
    def location(self) -> str:
        """The canonical location; names the endpoint when it is not AWS's, wherever it was set."""
        if self._place.endpoint is None and not _is_aws(self._client.meta.endpoint_url):
            return S3Location(
                self._place.bucket,
                self._place.prefix,
                self._place.region,
                self._client.meta.endpoint_url,
                self._place.path_style,
                self._place.storage_class,
            ).canonical
        return self._place.canonical

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """One conditional PUT; raises ObjectExistsError, IntegrityError when the bytes arrived changed, and more."""
        check_key(key)
        headers = {
            "content-type": "application/octet-stream",
            "if-none-match": "*",
            "x-amz-checksum-sha256": base64.b64encode(sha256).decode(),
            # AWS keeps the checksum without this; some compatible services only with it.
            "x-amz-sdk-checksum-algorithm": "SHA256",
        }
        if self._place.storage_class is not None and key.startswith(_PACKS_FOLDER):
            headers["x-amz-storage-class"] = self._place.storage_class
        response = self._send("PUT", key, headers, sha256.hex(), body=body)
        if response.status == 412:
            raise ObjectExistsError(key)
        if response.status != 200:
            raise self._refused(response, "s3:PutObject", key)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> Buffer:
        """One GET; raises ObjectNotFoundError, PermissionDeniedError, UnavailableError."""
        check_key(key)
        check_range(offset, length)
        if length == 0:
            self.head(key)
            return b""
        wanted = range_header(offset, length)
        response = self._send("GET", key, {} if wanted is None else {"range": wanted}, EMPTY_PAYLOAD_SHA256)
        if response.status == 416:
            return b""
        if response.status not in (200, 206):
            raise self._refused(response, "s3:GetObject", key)
        return exact_range(response, offset, length, lambda: self.head(key).size_bytes, self._name(key))

    def head(self, key: str) -> ObjectInfo:
        """One HEAD with the stored checksum; raises ObjectNotFoundError."""
        check_key(key)
        try:
            found = self._client.head_object(Bucket=self._place.bucket, Key=self._root + key, ChecksumMode="ENABLED")
        except ClientError as error:
            refusal = refusal_of(error)
            if refusal.status == 404 and refusal.code != "NoSuchBucket":
                raise ObjectNotFoundError(key) from error
            raise self._explain(refusal, "s3:GetObject", self._name(key)) from error
        except BotoCoreError as error:
            raise translate_botocore_error(error, "s3:GetObject", self._name(key)) from error
        version = found.get("VersionId")
        return ObjectInfo(
            key,
            int(found["ContentLength"]),
            _whole_object_sha256(found.get("ChecksumSHA256")),
            None if version == "null" else version,
            found.get("LastModified"),
        )

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """One LIST for each 1,000 objects; what is no valid key (a console's folder marker) is left out."""
        question: dict[str, Any] = {"Bucket": self._place.bucket, "Prefix": self._root + prefix}
        if start_after:
            question["StartAfter"] = self._root + start_after
        while True:
            try:
                page = self._client.list_objects_v2(**question)
            except ClientError as error:
                raise self._explain(refusal_of(error), "s3:ListBucket", f"s3://{self._place.bucket}") from error
            except BotoCoreError as error:
                raise translate_botocore_error(error, "s3:ListBucket", f"s3://{self._place.bucket}") from error
            if "IsTruncated" not in page:
                raise UnavailableError(
                    f"listing s3://{self._place.bucket} failed",
                    why="the answer is no list",
                    cure="run the command again; if it happens again, the store does not keep to S3's rules",
                )
            for found in page.get("Contents", ()):
                key = found["Key"].removeprefix(self._root)
                if is_key(key):
                    yield ObjectInfo(key, int(found["Size"]), None, None, found.get("LastModified"))
            if not page.get("IsTruncated"):
                return
            question["ContinuationToken"] = page["NextContinuationToken"]

    def delete(self, key: str) -> None:
        """One DELETE; in a versioned bucket this hides the object and keeps its version."""
        check_key(key)
        try:
            self._client.delete_object(Bucket=self._place.bucket, Key=self._root + key)
        except ClientError as error:
            raise self._explain(refusal_of(error), "s3:DeleteObject", self._name(key)) from error
        except BotoCoreError as error:
            raise translate_botocore_error(error, "s3:DeleteObject", self._name(key)) from error

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()
        self._client.close()

    def _send(
        self, method: str, key: str, headers: dict[str, str], payload_sha256: str, *, body: Buffer | None = None
    ) -> HttpResponse:
        path = f"{self._base_path}{quote(self._root + key, safe='/-_.~')}"
        signed = self._signer.sign(
            method, self._host, path, "", headers, payload_sha256, self._session.credentials(), self._clock()
        )
        request = HttpRequest(
            method,
            f"{self._scheme}://{self._host}{path}",
            signed,
            body,
            max_response_bytes=MAX_OBJECT_BYTES if body is None else _SMALLEST_ANSWER_BOUND_BYTES,
            expect_continue=body is not None and memoryview(body).nbytes >= _EXPECT_CONTINUE_BYTES,
        )
        return self._transport.submit(request).result()

    def _refused(self, response: HttpResponse, action: str, key: str) -> HoldfastError:
        refusal = read_refusal(response)
        if refusal.status == 404 and refusal.code in ("NoSuchKey", "") and action == "s3:GetObject":
            return ObjectNotFoundError(key)
        region = response.headers.get("x-amz-bucket-region")
        if region and refusal.status in (301, 307, 400):
            return UsageError(
                f"bucket {self._place.bucket} is not in the region asked",
                why=f"it is in {region}",
                cure=f"add ?region={region} to the location, or set AWS_REGION={region}",
            )
        return self._explain(refusal, action, self._name(key))

    def _explain(self, refusal: Refusal, action: str, resource: str) -> HoldfastError:
        if refusal.code == "NoSuchBucket" or (refusal.status == 404 and action == "s3:ListBucket"):
            return NotFoundError(
                f"bucket {self._place.bucket} not found",
                why=f"{urlsplit(self._client.meta.endpoint_url).netloc} has no bucket of this name",
                cure="check the name, the account and the endpoint, or create the bucket",
            )
        return error_of_refusal(refusal, action, resource)

    def _name(self, key: str) -> str:
        return f"s3://{self._place.bucket}/{self._root}{key}"


def _aim(place: S3Location, session: AwsSession) -> tuple[Any, str]:
    """The client and the URL under which the bucket's objects lie, as botocore's endpoint rules have it.

    Path style where asked, for every endpoint that is not AWS's (their names and certificates seldom cover bucket
    sub-domains), and for bucket names with dots, which AWS's wildcard certificate does not cover.
    """
    client = session.client("s3", endpoint=place.endpoint)
    path_style = place.path_style
    if path_style is None:
        path_style = not _is_aws(client.meta.endpoint_url) or "." in place.bucket
    options = {
        "addressing_style": "path" if path_style else "virtual",
        "us_east_1_regional_endpoint": "regional",
    }
    client = session.client("s3", endpoint=place.endpoint, s3_options=options)
    session.credentials()
    try:
        url: str = client.generate_presigned_url("get_object", Params={"Bucket": place.bucket, "Key": "k"})
    except BotoCoreError as error:
        raise translate_botocore_error(error, "s3:GetObject", f"s3://{place.bucket}") from error
    return client, url.partition("?")[0].removesuffix("k")


def _is_aws(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu", ".api.aws"))


def _whole_object_sha256(checksum: str | None) -> bytes | None:
    """The stored SHA-256; None for the checksum of checksums that a multipart upload leaves (it ends with -<parts>)."""
    try:
        decoded = base64.b64decode(checksum or "", validate=True)
    except binascii.Error:
        return None
    return decoded if len(decoded) == 32 else None
