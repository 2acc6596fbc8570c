"""A store in an S3 bucket, or in one that speaks like it.

Objects are written and read by `signed_http` (a fifth of the CPU); all else goes through botocore. Every
write carries If-None-Match:* and the body's SHA-256, which the store checks on arrival (Amazon S3 User Guide,
"Conditional writes" and "Checking object integrity").
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from holdfast.domain.archive import Tier
from holdfast.domain.errors import (
    HoldfastError,
    IntegrityError,
    NeedsRetrievalError,
    NotFoundError,
    ObjectExistsError,
    ObjectNotFoundError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from holdfast.repository.object_store import ORDINARY, Buffer, ObjectInfo, Protection, StorageTerms
from holdfast.repository.stores.byte_ranges import check_range
from holdfast.repository.stores.locks import LOCK_MODE, whole_second
from holdfast.repository.stores.object_keys import check_key, is_key
from holdfast.repository.stores.s3.aim import aim, is_aws
from holdfast.repository.stores.s3.coldness import coldness_of, is_done_already
from holdfast.repository.stores.s3.dates import date_of
from holdfast.repository.stores.s3.errors import error_of_store_refusal, refusal_of, translate_botocore_error
from holdfast.repository.stores.s3.holding import is_held, promised_until
from holdfast.repository.stores.s3.location import S3Location
from holdfast.repository.stores.s3.ranges import exact_range, range_header
from holdfast.repository.stores.s3.session import AwsSession, utc_now
from holdfast.repository.stores.without_versions import no_locks, no_versions
from holdfast.signed_http.aws_answers import Refusal, read_refusal
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
# The answer to a question for what a delete marker hides ("Working with delete markers").
_DELETE_MARKER = "x-amz-delete-marker"
# "Bucket is missing Object Lock Configuration".
_NOTHING_LOCKED = "InvalidRequest"
_NOT_FOUND = ("", "NoSuchKey", "NoSuchVersion")
# The version id of what was written without versioning.
_NO_VERSION = "null"
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
        self._ahead: timedelta | None = None
        self._root = f"{place.prefix}/" if place.prefix else ""
        self._client, base_url = aim(place, session)
        parts = urlsplit(base_url)
        self._scheme, self._host, self._base_path = parts.scheme, parts.netloc, parts.path
        region = self._client.meta.region_name
        self._signer = SigV4Signer("s3", _DEFAULT_REGION if region in (None, "aws-global") else region, s3_flavour=True)

    @property
    def location(self) -> str:
        """The canonical location; names the endpoint when it is not AWS's, wherever it was set."""
        if self._place.endpoint is None and not is_aws(self._client.meta.endpoint_url):
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
        if terms.archive_class is not None:
            headers["x-amz-storage-class"] = terms.archive_class
        elif self._place.storage_class is not None and key.startswith(_PACKS_FOLDER):
            headers["x-amz-storage-class"] = self._place.storage_class
        if terms.retain_until is not None:
            headers["x-amz-object-lock-mode"] = LOCK_MODE
            headers["x-amz-object-lock-retain-until-date"] = f"{whole_second(terms.retain_until):%Y-%m-%dT%H:%M:%SZ}"
        response = self._send("PUT", key, headers, sha256.hex(), body=body)
        if response.status == 412:
            raise ObjectExistsError(key)
        if response.status != 200:
            if terms.retain_until is not None and read_refusal(response).code == _NOTHING_LOCKED:
                raise no_locks(self.location)
            raise self._refused(response, "s3:PutObject", key)

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        """One GET; behind a delete marker a LIST of the versions and another one.

        Raises ObjectNotFoundError, NeedsRetrievalError, PermissionDeniedError, UnavailableError, and IntegrityError for
        what is larger than any object of a repository.
        """
        check_key(key)
        check_range(offset, length)
        if length == 0:
            self._head(key, version)
            return b""
        wanted = range_header(offset, length)
        headers = {} if wanted is None else {"range": wanted}
        try:
            response = self._send("GET", key, headers, EMPTY_PAYLOAD_SHA256, version=version)
        except IntegrityError as error:
            error.objects = (key,)
            raise
        if response.status == 404 and version is None and response.headers.get(_DELETE_MARKER) == "true":
            return self.get(key, offset, length, self._hidden(key))
        if response.status == 416:
            return b""
        if response.status not in (200, 206):
            raise self._refused(response, "s3:GetObject", key)
        return exact_range(response, offset, length, lambda: self._head(key, version).size_bytes, self._name(key))

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        """One HEAD with the stored checksum and how far a retrieval is; behind a delete marker as `get`.

        Raises ObjectNotFoundError.
        """
        check_key(key)
        return self._head(key, version)

    def _head(self, key: str, version: str | None) -> ObjectInfo:
        found = self._answered_head(key, version)
        known = found.get("VersionId")
        return ObjectInfo(
            key,
            int(found["ContentLength"]),
            _whole_object_sha256(found.get("ChecksumSHA256")),
            None if known == _NO_VERSION else known,
            found.get("LastModified"),
            promised_until(found),
            coldness_of(found, self._name(key)),
        )

    def _answered_head(self, key: str, version: str | None) -> dict[str, Any]:
        """Of the newest version behind a delete marker, where that stands over it."""
        chosen = {} if version is None else {"VersionId": version}
        try:
            asked = {"Bucket": self._place.bucket, "Key": self._root + key, "ChecksumMode": "ENABLED"}
            return dict(self._client.head_object(**asked, **chosen))
        except ClientError as error:
            refusal = refusal_of(error)
            if refusal.status == 404 and refusal.code != "NoSuchBucket":
                answer: Any = error.response.get("ResponseMetadata", {})
                if version is None and answer.get("HTTPHeaders", {}).get(_DELETE_MARKER) == "true":
                    return self._answered_head(key, self._hidden(key))
                raise ObjectNotFoundError(key) from error
            raise self._explain(refusal, "s3:GetObject", self._name(key)) from error
        except BotoCoreError as error:
            raise translate_botocore_error(error, "s3:GetObject", self._name(key)) from error

    def _hidden(self, key: str) -> str:
        """The newest version behind a delete marker. Raises ObjectNotFoundError where there is none."""
        for found in self.versions(key):
            if found.key == key and found.version is not None:
                return found.version
        raise ObjectNotFoundError(key)

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

    def versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """One LIST for each 1,000 versions and delete markers."""
        before = ""
        for key, version in self._every_version(prefix):
            if "Size" in version and is_key(key):
                shown = key == before or bool(version["IsLatest"])
                modified = version.get("LastModified")
                yield ObjectInfo(key, int(version["Size"]), None, version["VersionId"], modified, shown=shown)
                before = key

    def retrieve(self, key: str, days: int, tier: Tier, version: str | None = None) -> None:
        """One RestoreObject, where a delete marker is found a HEAD and another one. S3 counts the days from when the
        copy is there and rounds up to midnight in UTC.
        """
        check_key(key)
        self._restore(key, version, days, tier)

    def _restore(self, key: str, version: str | None, days: int, tier: Tier) -> None:
        chosen: dict[str, Any] = {} if version is None else {"VersionId": version}
        order = {"Days": days, "GlacierJobParameters": {"Tier": tier.value.capitalize()}}
        try:
            self._client.restore_object(Bucket=self._place.bucket, Key=self._root + key, RestoreRequest=order, **chosen)
        except ClientError as error:
            refusal = refusal_of(error)
            if is_done_already(refusal):
                return
            if refusal.code in ("NoSuchKey", "NoSuchVersion", "MethodNotAllowed"):
                hidden = self._head(key, None).version if version is None else None
                if hidden is None:
                    raise ObjectNotFoundError(key) from error
                self._restore(key, hidden, days, tier)
                return
            if refusal.code == "InvalidArgument":
                why = f"a {tier} retrieval for {days} days: {refusal.message}"
                cure = "choose another tier; DEEP_ARCHIVE has no expedited one"
                raise UsageError(f"{self._name(key)} is not retrieved so", why=why, cure=cure) from error
            raise self._explain(refusal, "s3:RestoreObject", self._name(key)) from error
        except BotoCoreError as error:
            raise translate_botocore_error(error, "s3:RestoreObject", self._name(key)) from error

    def delete(self, key: str) -> bool:
        """A HEAD, and no more for what is locked; a DELETE; in a versioned bucket a LIST and one for each version and
        delete marker.
        """
        check_key(key)
        try:
            known = self._head(key, None)
        except ObjectNotFoundError:
            return True  # a DELETE would leave a delete marker where there is nothing
        except PermissionDeniedError:
            pass  # somebody has put it under a key of his own: each version says whether it goes
        else:
            if known.version is None and not self._delete(key, None):
                return True
            # Else the bucket keeps versions since that was put, and a marker stands over it now.
            if known.locked_until is not None and known.locked_until > self._clock():
                return False
        found = [entry["VersionId"] for listed, entry in self._every_version(key) if listed == key]
        gone = [self._delete_version(key, one) for one in reversed(found)]
        return all(gone)

    def _delete_version(self, key: str, version: str) -> bool:
        """Whether it is gone; a lock holds it where not."""
        try:
            self._delete(key, version)
        except PermissionDeniedError as error:
            # Of a lock S3 says 403; credentials that have expired (400) would see a lock on everything.
            said = error.__cause__
            if isinstance(said, ClientError) and refusal_of(said).status == 403 and self._is_locked(key, version):
                return False
            raise
        return True

    def _delete(self, key: str, version: str | None) -> bool:
        """One DELETE; whether a delete marker came of it."""
        action = "s3:DeleteObject" if version is None else "s3:DeleteObjectVersion"
        chosen = {} if version is None else {"VersionId": version}
        try:
            answer = self._client.delete_object(Bucket=self._place.bucket, Key=self._root + key, **chosen)
        except ClientError as error:
            raise self._explain(refusal_of(error), action, self._name(key)) from error
        except BotoCoreError as error:
            raise translate_botocore_error(error, action, self._name(key)) from error
        return bool(answer.get("DeleteMarker"))

    def _is_locked(self, key: str, version: str) -> bool:
        """What a refused deletion is due to: S3 says the same, "access denied", of a lock and of a missing right; of
        what is under another one's key it tells no lock.
        """
        try:
            return is_held(self._answered_head(key, version), self._clock())
        except PermissionDeniedError:
            return True

    def _every_version(self, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Versions and delete markers (which have no size) with their keys, each key's newest first."""
        question: dict[str, Any] = {"Bucket": self._place.bucket, "Prefix": self._root + prefix}
        place = f"s3://{self._place.bucket}"
        while True:
            try:
                page = self._client.list_object_versions(**question)
            except ClientError as error:
                refusal = refusal_of(error)
                if refusal.code == "NotImplemented":
                    return  # a store that knows no versions has none
                raise self._explain(refusal, "s3:ListBucketVersions", place) from error
            except BotoCoreError as error:
                raise translate_botocore_error(error, "s3:ListBucketVersions", place) from error
            entries = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            # Two lists in one answer; within a key the order of their times is the order of versions.
            entries.sort(key=lambda entry: (entry["Key"], not entry["IsLatest"], -entry["LastModified"].timestamp()))
            for entry in entries:
                yield entry["Key"].removeprefix(self._root), entry
            if not page.get("IsTruncated"):
                return
            question |= {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page["NextVersionIdMarker"]}

    def extend(self, key: str, version: str | None, until: datetime) -> None:
        """One PutObjectRetention in mode COMPLIANCE, which nobody can shorten (S3 User Guide, "Object Lock")."""
        check_key(key)
        chosen = {} if version is None else {"VersionId": version}
        lock = {"Mode": LOCK_MODE, "RetainUntilDate": whole_second(until)}
        try:
            self._client.put_object_retention(Bucket=self._place.bucket, Key=self._root + key, Retention=lock, **chosen)
        except ClientError as error:
            refusal = refusal_of(error)
            if refusal.status == 404 and refusal.code != "NoSuchBucket":
                raise ObjectNotFoundError(key) from error
            if refusal.code == _NOTHING_LOCKED:
                raise no_locks(self.location) from error
            raise self._explain(refusal, "s3:PutObjectRetention", self._name(key)) from error
        except BotoCoreError as error:
            raise translate_botocore_error(error, "s3:PutObjectRetention", self._name(key)) from error

    def reinstate(self, key: str, version: str, terms: StorageTerms = ORDINARY) -> None:
        """A LIST, a DELETE for each marker on top; where other versions stand over it, a GET, a HEAD of what may be the
        copy, a DELETE that leaves a marker, and a PUT: markers are no objects, no lock holds them ("Working with delete
        markers").
        """
        check_key(key)
        above, is_known = [], False
        for listed, entry in self._every_version(key):
            if listed != key:
                continue
            is_known = entry["VersionId"] == version
            if is_known:
                break
            above.append(entry)
        if not is_known:
            raise ObjectNotFoundError(key, why=f"no version {version} is kept there")
        if not any("Size" in entry for entry in above):
            for marker in above:
                self._delete_version(key, marker["VersionId"])
            return
        body = self.get(key, version=version)
        sha256 = hashlib.sha256(body).digest()
        if "Size" in above[0]:
            with suppress(IntegrityError, NeedsRetrievalError, PermissionDeniedError):
                if int(above[0]["Size"]) == len(body) and self._sha256(key, above[0]["VersionId"]) == sha256:
                    return  # the copy is there: an answer was lost
            self._delete(key, None)
        self.create(key, body, sha256, terms)

    def _sha256(self, key: str, version: str) -> bytes:
        """As the store has it, else of what is read."""
        stored = self._head(key, version).sha256
        return hashlib.sha256(self.get(key, version=version)).digest() if stored is None else stored

    def hide(self, key: str) -> None:
        """A HEAD, and a DELETE that leaves a marker: what has a version id is not deleted by one without."""
        check_key(key)
        if self._head(key, None).version is None:
            raise no_versions(self.location)
        self._delete(key, None)

    def protection(self) -> Protection:
        """GetBucketVersioning and GetObjectLockConfiguration."""
        bucket, place = self._place.bucket, f"s3://{self._place.bucket}"
        action = "s3:GetBucketVersioning"
        try:
            versioning = self._client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled"
            action = "s3:GetBucketObjectLockConfiguration"
            lock = self._client.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
        except ClientError as error:
            refusal = refusal_of(error)
            if refusal.code == "ObjectLockConfigurationNotFoundError":
                return Protection(versioning, locks=False)
            raise self._explain(refusal, action, place) from error
        except BotoCoreError as error:
            raise translate_botocore_error(error, action, place) from error
        return Protection(
            versioning, lock.get("ObjectLockEnabled") == "Enabled", "DefaultRetention" in lock.get("Rule", {})
        )

    def time(self) -> datetime | None:
        """This machine's clock, set right by the Date of the latest small answer to a GET or PUT."""
        return None if self._ahead is None else self._clock() + self._ahead

    def close(self) -> None:
        """Close all connections."""
        self._transport.close()
        self._client.close()

    def _send(
        self,
        method: str,
        key: str,
        headers: dict[str, str],
        payload_sha256: str,
        *,
        body: Buffer | None = None,
        version: str | None = None,
    ) -> HttpResponse:
        path = f"{self._base_path}{quote(self._root + key, safe='/-_.~')}"
        query = "" if version is None else f"versionId={quote(version, safe='-_.~')}"
        signed = self._signer.sign(
            method, self._host, path, query, headers, payload_sha256, self._session.credentials(), self._clock()
        )
        request = HttpRequest(
            method,
            f"{self._scheme}://{self._host}{path}{'?' if query else ''}{query}",
            signed,
            body,
            max_response_bytes=MAX_OBJECT_BYTES if body is None else _SMALLEST_ANSWER_BOUND_BYTES,
            expect_continue=body is not None and memoryview(body).nbytes >= _EXPECT_CONTINUE_BYTES,
        )
        response = self._transport.submit(request).result()
        told = date_of(response)
        if told is not None:
            self._ahead = told - self._clock()
        return response

    def _refused(self, response: HttpResponse, action: str, key: str) -> HoldfastError:
        refusal = read_refusal(response)
        if refusal.status == 404 and refusal.code in _NOT_FOUND and action == "s3:GetObject":
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
        if refusal.status == 400 and refusal.code in ("", "InvalidRequest") and action == "s3:GetObject":
            return PermissionDeniedError(
                f"{action} on {resource} was refused",
                why=refusal.message
                or "HTTP status 400: the credentials have expired, or it was put under a key (SSE-C)",
                cure="renew the credentials; if it lasts, somebody has put that object under a key of his own (SSE-C)",
            )
        return error_of_store_refusal(refusal, action, resource)

    def _name(self, key: str) -> str:
        return f"s3://{self._place.bucket}/{self._root}{key}"


def _whole_object_sha256(checksum: str | None) -> bytes | None:
    """The stored SHA-256; None for the checksum of checksums that a multipart upload leaves (it ends with -<parts>)."""
    try:
        decoded = base64.b64decode(checksum or "", validate=True)
    except binascii.Error:
        return None
    return decoded if len(decoded) == 32 else None
