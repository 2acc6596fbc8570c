"""Sessions, tasks, points and their kin as tests need them: valid, small, and told apart by a number."""

from datetime import UTC, datetime, timedelta

from holdfast.domain.cloud_ledger import LedgerRow
from holdfast.domain.infrastructure import Appliance, ApplianceState
from holdfast.domain.policy import BackupTarget, Ec2Policy, Retention, Selection
from holdfast.domain.restore_point import PointKind, RestorePoint
from holdfast.domain.session import LogLevel, LogLine, Session, SessionKind, State, Task
from holdfast.domain.verification import DamagedObject, Outcome, Verification
from holdfast.domain.workload import Workload, WorkloadKind

DAMAGED = DamagedObject("packs/ab/" + "ab" * 16, "it is missing", ("/dev/sdf",))
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def moment(number: int) -> datetime:
    """A second for each number."""
    return EPOCH + timedelta(seconds=number)


def hex_id(number: int) -> str:
    """An id of ours that shows its number at its end."""
    return f"{number:032x}"


def workload(number: int = 1) -> Workload:
    """An instance."""
    return Workload(WorkloadKind.EC2_INSTANCE, "main", "us-east-1", f"i-{number:017x}", f"machine-{number}")


def session(number: int, state: State = State.RUNNING, subject: str = "daily") -> Session:
    """A run of a policy."""
    return Session(hex_id(number), SessionKind.POLICY, subject, state, "schedule", moment(number))


def task(number: int, session_number: int, state: State = State.QUEUED) -> Task:
    """One instance of a run."""
    return Task(hex_id(number), hex_id(session_number), workload(number), state)


def line(session_number: int, message: str) -> LogLine:
    """A line of a session's log, not numbered yet."""
    return LogLine(hex_id(session_number), 0, moment(0), LogLevel.INFO, message)


def point(number: int, workload_number: int = 1, policy: str = "daily") -> RestorePoint:
    """An image backup."""
    return RestorePoint(
        id=hex_id(number),
        kind=PointKind.IMAGE_BACKUP,
        workload=workload(workload_number),
        policy=policy,
        created_at=moment(number),
        size_bytes=1024,
        repository="vault",
        verification=Verification(moment(number), Outcome.HURT, 3, 40, 2048, 1, (DAMAGED,)) if number % 2 else None,
    )


def policy(name: str = "daily", priority: int = 100) -> Ec2Policy:
    """Everything into one repository."""
    return Ec2Policy(
        name=name,
        account="main",
        regions=("us-east-1",),
        select=Selection(all=True),
        priority=priority,
        backup=BackupTarget("vault", Retention(7)),
    )


def ledger_row(number: int, token: str | None = None) -> LedgerRow:
    """An intent to launch a worker."""
    return LedgerRow(
        id=hex_id(number),
        kind="instance",
        account="main",
        region="us-east-1",
        session_id=hex_id(1),
        task_id=hex_id(2),
        attempt=1,
        purpose="worker",
        token=token or f"token-{number}",
        object_id="",
        intended_at=moment(number),
        created_at=None,
        gone_at=None,
    )


def appliance(name: str = "frankfurt") -> Appliance:
    """One that is connected."""
    return Appliance(name, "aws", "https://127.0.0.1:1", ApplianceState.AVAILABLE, "a certificate")
