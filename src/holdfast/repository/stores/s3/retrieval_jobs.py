"""Jobs of S3 Batch Operations that ask for cold objects (S3 User Guide, "Restore objects with Batch Operations").

A job reads its list, a CSV file in the bucket, and asks for each object of it under a role that trusts
`batchoperations.s3.amazonaws.com`. It belongs to the account of that role.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from botocore.exceptions import BotoCoreError, ClientError

from holdfast.domain.errors import UnavailableError, UsageError
from holdfast.patience import REAL_WAITING, Patience, RetryPolicy, Waiting
from holdfast.repository.retrieval_jobs import JobState
from holdfast.repository.stores.s3.aim import aim, is_aws
from holdfast.repository.stores.s3.errors import translate_botocore_error
from holdfast.repository.stores.s3.location import S3Location
from holdfast.repository.stores.s3.session import AwsSession

_ROLE = re.compile(r"arn:(?P<partition>aws[a-z0-9-]*):iam::(?P<account>[0-9]{12}):role/\S+")
_FORMAT = "S3BatchOperations_CSV_20180820"
_ENDED = frozenset({"Complete", "Cancelled", "Failed"})
# Of an account's jobs the one with the highest number goes first; any two of ours are alike.
_PRIORITY = 10
# Who gets no answer asks for each object by itself; a host that cannot be reached takes ten seconds each time.
_BRIEF = RetryPolicy(attempts=4, total_seconds=60.0)


class S3RetrievalJobs:
    """Implements RetrievalJobs for what lies at `place`, under the role of that ARN. Raises UsageError for what is
    none.
    """

    def __init__(
        self,
        place: S3Location,
        session: AwsSession,
        role: str,
        retry: RetryPolicy = _BRIEF,
        waiting: Waiting = REAL_WAITING,
    ) -> None:
        parts = _ROLE.fullmatch(role)
        if parts is None:
            raise UsageError(
                f"{role!r} is no role",
                why="the ARN of the role is meant under which S3 Batch Operations retrieves",
                cure="write HOLDFAST_RETRIEVAL_ROLE=arn:aws:iam::ACCOUNT:role/NAME (docs/archive.md)",
            )
        self._role, self._partition, self._account = role, parts["partition"], parts["account"]
        self._bucket, self._root = place.bucket, f"{place.prefix}/" if place.prefix else ""
        self._retry, self._waiting = retry, waiting
        self._s3, _url = aim(place, session)
        endpoint = str(self._s3.meta.endpoint_url)
        self._control = session.client("s3control", endpoint=None if is_aws(endpoint) else endpoint)
        if not is_aws(endpoint):
            self._control.meta.events.register("before-call.s3-control", self._without_account)

    def begin(self, list_key: str, keys: Sequence[str], days: int) -> str:
        """One PUT of the list and one CreateJob."""
        place, body = self._root + list_key, self._list(keys)
        # Lists that KMS encrypts S3 Batch Operations does not read.
        stored = self._ask(
            self._s3, "put_object", "s3:PutObject", Bucket=self._bucket, Key=place, Body=body,
            ContentType="text/csv", ServerSideEncryption="AES256", ChecksumSHA256=_checksum(body),
        )  # fmt: skip
        created = self._ask(
            self._control, "create_job", "s3:CreateJob",
            AccountId=self._account,
            ConfirmationRequired=False,
            Operation={"S3InitiateRestoreObject": {"ExpirationInDays": days, "GlacierJobTier": "STANDARD"}},
            Report={"Enabled": False},
            ClientRequestToken=hashlib.sha256(f"{self._bucket}/{place}".encode()).hexdigest(),
            Manifest={
                "Spec": {"Format": _FORMAT, "Fields": ["Bucket", "Key"]},
                "Location": {
                    "ObjectArn": f"arn:{self._partition}:s3:::{self._bucket}/{place}",
                    "ETag": str(stored["ETag"]).strip('"'),
                },
            },
            Description="Holdfast: a restore from an archive",
            Priority=_PRIORITY,
            RoleArn=self._role,
        )  # fmt: skip
        return str(created["JobId"])

    def look(self, job: str) -> JobState:
        """One DescribeJob."""
        found = self._ask(self._control, "describe_job", "s3:DescribeJob", AccountId=self._account, JobId=job)["Job"]
        status, failed = str(found["Status"]), int(found.get("ProgressSummary", {}).get("NumberOfTasksFailed", 0))
        if status not in _ENDED:
            return JobState(ended=False)
        if status == "Complete" and not failed:
            return JobState(ended=True)
        reasons = [f"{one.get('FailureCode')}: {one.get('FailureReason')}" for one in found.get("FailureReasons", ())]
        said = "; ".join([f"job {job} is {status}, and {failed} objects were refused", *reasons])
        return JobState(ended=True, complaint=said)

    def _list(self, keys: Sequence[str]) -> bytes:
        """A line for each object; keys are encoded as in a URL, and what is encoded so needs no quotation marks."""
        return "".join(f"{self._bucket},{quote(self._root + key)}\n" for key in keys).encode()

    def _ask(self, client: Any, method: str, action: str, **words: Any) -> Any:
        """The answer, with patience. All are safe to send again: one name of the list, one token of the job."""
        patience = Patience(self._retry, self._waiting)
        while True:
            try:
                return getattr(client, method)(**words)
            except (BotoCoreError, ClientError) as error:
                meaning = translate_botocore_error(error, action, f"s3://{self._bucket}/{self._root}")
                if not isinstance(meaning, UnavailableError):
                    raise meaning from error
                patience.wait_or_raise(meaning)

    def _without_account(self, params: dict[str, Any], **unused: object) -> None:
        """botocore puts the account before the host, which is an address of AWS alone; the header names it, too."""
        parts = urlsplit(params["url"])
        params["url"] = urlunsplit(parts._replace(netloc=parts.netloc.removeprefix(f"{self._account}.")))


def _checksum(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()
