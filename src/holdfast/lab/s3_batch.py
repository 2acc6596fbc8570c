"""Jobs of S3 Batch Operations that retrieve, on the lab's clock: CreateJob and DescribeJob, and no other kind of job.

Rules: Amazon S3 Control API Reference, CreateJob and DescribeJob; S3 User Guide, "Restore objects with Batch
Operations" and "Granting permissions for Batch Operations": a job reads its list and asks for each object as the role
that it was given, and is complete when it has asked for the last. A list that KMS has encrypted is none.
"""

import itertools
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from xml.sax.saxutils import escape

from moto.s3.models import FakeKey

from holdfast.domain.archive import LIST_PRICES, ArchiveClass, Tier
from holdfast.lab import aws_errors
from holdfast.lab.access.calls import read_call
from holdfast.lab.access.enforcing import account_of
from holdfast.lab.aws_errors import AwsError
from holdfast.lab.request_scope import S3_CONTROL, scope_of
from holdfast.lab.s3_archive import Retrievals
from holdfast.lab.s3_objects import version_at

# How long the lab takes before a job's turn comes.
WAITING_SECONDS = 60.0
# For so long DescribeJob says of a job that there is none (S3 User Guide, "Troubleshooting Batch Operations").
UNKNOWN_SECONDS = 0.5
_NAMESPACE = "http://awss3control.amazonaws.com/doc/2018-08-20/"
_NO_JOB = AwsError("NoSuchJob", "The specified job does not exist", "404 Not Found")
_OTHER_JOB = AwsError("InvalidRequest", "The lab has jobs of S3InitiateRestoreObject alone", "400 Bad Request")
_OTHER_TOKEN = AwsError("IdempotencyException", "That token was used for another request", "400 Bad Request")
_TIERS = {"STANDARD": Tier.STANDARD, "BULK": Tier.BULK}
# May that role do that to that object, as S3 sees it?
MayDo = Callable[[str, str, str], bool]


@dataclass(slots=True)
class Job:
    """What was asked for, and what came of it."""

    id: str
    asked: dict[str, Any]
    due: float
    succeeded: int = 0
    failed: int = 0
    reasons: list[tuple[str, str]] = field(default_factory=list)
    done: bool = False

    @property
    def status(self) -> str:
        """AWS's word."""
        if not self.done:
            return "Preparing"
        return "Failed" if self.reasons else "Complete"


class BatchJobs:
    """The jobs of a lab. They go on when somebody asks for anything: `advance`."""

    def __init__(self, now: Callable[[], float], retrievals: Retrievals, may: MayDo) -> None:
        self._now = now
        self._retrievals = retrievals
        self._may = may
        self._jobs: dict[tuple[str, str], Job] = {}
        self._lock = threading.Lock()

    def create(self, account: str, asked: dict[str, Any]) -> Job | AwsError:
        """A new job, or the one of the same token."""
        if set(asked.get("Operation", ())) != {"S3InitiateRestoreObject"}:
            return _OTHER_JOB
        token = asked.get("ClientRequestToken")
        with self._lock:
            for (owner, _), job in self._jobs.items():
                if owner == account and job.asked.get("ClientRequestToken") == token:
                    return job if job.asked == asked else _OTHER_TOKEN
            job = Job(os.urandom(16).hex(), asked, self._now() + WAITING_SECONDS)
            self._jobs[account, job.id] = job
        return job

    def find(self, account: str, job_id: str) -> Job | AwsError:
        """The job of that name; at first it is not known yet."""
        job = self._jobs.get((account, job_id))
        return _NO_JOB if job is None or self._now() < job.due - WAITING_SECONDS + UNKNOWN_SECONDS else job

    def advance(self) -> None:
        """Carry out what is due."""
        with self._lock:
            due = [job for job in self._jobs.values() if not job.done and job.due <= self._now()]
            for job in due:
                self._carry_out(job)
                job.done = True

    def _carry_out(self, job: Job) -> None:
        place = str(job.asked["Manifest"]["Location"]["ObjectArn"])
        role = str(job.asked["RoleArn"])
        found = version_at("/" + place.split(":::", 1)[1], None)
        if not self._may(role, "s3:GetObject", place):
            job.reasons.append(("AccessDenied", f"{role} may not read the list"))
        elif not isinstance(found, FakeKey) or found.etag.strip('"') != job.asked["Manifest"]["Location"]["ETag"]:
            job.reasons.append(("NoSuchManifest", "the list is not there, or another one is"))
        elif found.encryption not in (None, "AES256"):
            job.reasons.append(("UnsupportedManifest", "the list is encrypted by KMS"))
        else:
            for line in found.value.decode().splitlines():
                bucket, key = (unquote(part) for part in line.split(",")[:2])
                if self._ask_for(job, role, place.split(":::")[0], bucket, key):
                    job.succeeded += 1
                else:
                    job.failed += 1

    def _ask_for(self, job: Job, role: str, arn: str, bucket: str, key: str) -> bool:
        found = version_at(f"/{bucket}/{key}", None)
        if not isinstance(found, FakeKey) or str(found.storage_class) not in ArchiveClass.__members__:
            return False
        if not self._may(role, "s3:RestoreObject", f"{arn}:::{bucket}/{key}"):
            return False
        order = job.asked["Operation"]["S3InitiateRestoreObject"]
        tier = _TIERS[order.get("GlacierJobTier", "STANDARD")]
        if tier is Tier.STANDARD and Tier.ACCELERATED in LIST_PRICES.offers(ArchiveClass(str(found.storage_class))):
            tier = Tier.ACCELERATED
        return not isinstance(self._retrievals.ask(found, int(order["ExpirationInDays"]), tier), AwsError)


class BatchOperations:
    """A WSGI application around moto that answers for jobs, and lets them go on whenever S3 is asked."""

    def __init__(self, moto: WSGIApplication, jobs: BatchJobs) -> None:
        self._moto = moto
        self._jobs = jobs

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        scope = scope_of(environ)
        if scope.service not in ("s3", S3_CONTROL):
            return self._moto(environ, start_response)
        self._jobs.advance()
        if scope.service == "s3":
            return self._moto(environ, start_response)
        call = read_call(scope, account_of(environ), environ)
        if call.operation == "CreateJob":
            answer = _created(self._jobs.create(call.account, dict(call.parameters)))
        elif call.operation == "DescribeJob":
            answer = _described(self._jobs.find(call.account, call.path.rpartition("/")[2]))
        else:
            return self._moto(environ, start_response)
        if isinstance(answer, AwsError):
            return aws_errors.send(answer, "s3", environ, start_response)
        body = f'<?xml version="1.0" encoding="UTF-8"?>\n{answer}'.encode()
        start_response("200 OK", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return (body,)


def _created(job: Job | AwsError) -> str | AwsError:
    if isinstance(job, AwsError):
        return job
    return f'<CreateJobResult xmlns="{_NAMESPACE}"><JobId>{job.id}</JobId></CreateJobResult>'


def _described(job: Job | AwsError) -> str | AwsError:
    if isinstance(job, AwsError):
        return job
    tasks = {
        "TotalNumberOfTasks": job.succeeded + job.failed,
        "NumberOfTasksSucceeded": job.succeeded,
        "NumberOfTasksFailed": job.failed,
    }
    summary = "".join(f"<{name}>{count}</{name}>" for name, count in tasks.items())
    reasons = "".join(
        f"<member><FailureCode>{code}</FailureCode><FailureReason>{escape(why)}</FailureReason></member>"
        for code, why in job.reasons
    )
    parts = itertools.chain(
        (("JobId", job.id), ("Status", job.status), ("ProgressSummary", summary)),
        (("FailureReasons", reasons),) if reasons else (),
    )
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in parts)
    return f'<DescribeJobResult xmlns="{_NAMESPACE}"><Job>{inner}</Job></DescribeJobResult>'
