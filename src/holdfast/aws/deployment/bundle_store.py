"""The bucket of a stack: bundles go in once, certificates of new appliances come out, and at the end it is emptied."""

import base64
import hashlib
from collections.abc import Callable

from holdfast.aws.bundle.building import Bundle
from holdfast.aws.clients import PatientClient
from holdfast.aws.deployment.stack_template import APPLIANCE_CERTIFICATES
from holdfast.domain.errors import NotFoundError, PermissionDeniedError
from holdfast.domain.numerals import counted
from holdfast.signed_http.aws_answers import Refusal

_BATCH = 1000
_MAX_CERTIFICATE_BYTES = 16 * 1024


class BundleStore:
    """One bucket."""

    def __init__(self, client: PatientClient, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put(self, bundle: Bundle, say: Callable[[str], None]) -> None:
        """Upload it, unless it is there: its key changes with its content."""
        if self._size_bytes(bundle.key) == bundle.size_bytes:
            say(f"bundle {bundle.key} is there")
            return
        content = bundle.path.read_bytes()
        self._client.call(
            "PutObject",
            f"s3://{self._bucket}/{bundle.key}",
            Bucket=self._bucket,
            Key=bundle.key,
            Body=content,
            ChecksumSHA256=base64.b64encode(hashlib.sha256(content).digest()).decode(),
        )
        say(f"bundle {bundle.key} is uploaded ({bundle.size_bytes / 1e6:.0f} MB, SHA-256 {bundle.sha256})")

    def certificate(self, deployment: str) -> str | None:
        """The certificate, PEM, that an appliance of that deployment shows; None while it has not put one there."""
        key = certificate_key(deployment)
        answer = self._client.try_call("GetObject", f"s3://{self._bucket}/{key}", Bucket=self._bucket, Key=key)
        if isinstance(answer, Refusal):
            if answer.code == "NoSuchKey" or answer.status == 404:
                return None
            raise self._client.meaning(answer, "GetObject", f"s3://{self._bucket}/{key}")
        return bytes(answer["Body"].read(_MAX_CERTIFICATE_BYTES)).decode("ascii", errors="replace")

    def forget(self, deployment: str) -> None:
        """Remove what an appliance has put there; nothing there is no error."""
        self._remove_all(f"{APPLIANCE_CERTIFICATES}/{deployment}/")

    def empty(self, say: Callable[[str], None]) -> None:
        """Remove every version of every object, so that the bucket can be removed; no bucket is no error."""
        count = self._remove_all("")
        if count:
            say(f"bucket {self._bucket} is emptied ({counted(count, 'version')})")

    def _size_bytes(self, key: str) -> int | None:
        answer = self._client.try_call("HeadObject", f"s3://{self._bucket}/{key}", Bucket=self._bucket, Key=key)
        if isinstance(answer, Refusal):
            if answer.status == 404:
                return None
            if answer.status == 403:
                # What S3 has to say of a HEAD it says in its status alone.
                raise PermissionDeniedError(
                    f"s3://{self._bucket}/{key} may not be looked at",
                    why="S3 answers 403; it needs s3:GetObject on it and s3:ListBucket on its bucket",
                    cure="allow both (docs/permissions.md has all)",
                )
            raise self._client.meaning(answer, "HeadObject", f"s3://{self._bucket}/{key}")
        return int(answer["ContentLength"])

    def _remove_all(self, prefix: str) -> int:
        """Every version under the prefix; how many there were."""
        what = f"s3://{self._bucket}/{prefix}"
        count = 0
        while True:
            answer = self._client.try_call(
                "ListObjectVersions", what, Bucket=self._bucket, Prefix=prefix, MaxKeys=_BATCH
            )
            if isinstance(answer, Refusal):
                if answer.code == "NoSuchBucket":
                    return count
                raise self._client.meaning(answer, "ListObjectVersions", what)
            versions = [*answer.get("Versions", ()), *answer.get("DeleteMarkers", ())]
            if not versions:
                return count
            named = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in versions]
            done = self._client.call(
                "DeleteObjects", what, Bucket=self._bucket, Delete={"Objects": named, "Quiet": True}
            )
            if done.get("Errors"):
                first = done["Errors"][0]
                if first.get("Code") == "AccessDenied":
                    raise PermissionDeniedError(
                        f"s3:DeleteObjectVersion on {what}{first.get('Key')} was refused",
                        why=f"{first.get('Code')}: {first.get('Message')}",
                        cure="allow s3:DeleteObjectVersion on the objects of the bucket",
                    )
                raise NotFoundError(
                    f"{what} cannot be emptied",
                    why=f"{first.get('Key')}: {first.get('Code')}: {first.get('Message')}",
                    cure="look at the bucket in the AWS console, then run this again",
                )
            count += len(named)


def certificate_key(deployment: str) -> str:
    """Where an appliance of that deployment puts its certificate."""
    return f"{APPLIANCE_CERTIFICATES}/{deployment}/certificate.pem"
