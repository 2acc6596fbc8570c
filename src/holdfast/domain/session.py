"""Sessions and tasks: one run of something, and one resource in it.

A session's state is decided by its tasks' (`state_of`); a task ends once and stays as it ended.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from holdfast.domain.errors import HoldfastError, damaged_objects, error_again
from holdfast.domain.workload import Workload


class SessionKind(StrEnum):
    """What a session does."""

    POLICY = "policy"
    MANUAL_SNAPSHOT = "manual-snapshot"
    RESTORE = "restore"
    DELETE_POINT = "delete-point"
    VERIFY = "verify"
    ARCHIVE = "archive"
    COLLECT_GARBAGE = "collect-garbage"
    LOOK_FOR_GARBAGE = "look-for-garbage"
    INSTALL = "install"
    DEPLOY = "deploy"
    REMOVE = "remove"


class State(StrEnum):
    """Where a session or task stands. The last four are final."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    WARNING = "warning"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether nothing comes after it."""
        return self in _FINAL


_FINAL = frozenset({State.SUCCEEDED, State.WARNING, State.FAILED, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class ItemError:
    """Why one item failed: the fields of an error of `domain/errors.py`, as they are stored and shown; `objects` are
    those that it names as damaged.
    """

    code: str
    what: str
    why: str
    cure: str
    exit_status: int = 1
    objects: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: HoldfastError) -> "ItemError":
        """From the error itself."""
        return cls(error.code, error.what, error.why, error.cure, error.exit_status, damaged_objects(error))

    def as_error(self) -> HoldfastError:
        """The error again: of the class that has this code."""
        return error_again(
            self.code,
            self.what,
            why=self.why,
            cure=self.cure,
            exit_status=self.exit_status,
            objects=self.objects,
        )


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """The worker that a task has, or had. `instance_id` is empty where it is a local process.

    `work` is the repository's session that it works for; by it and the attempt its reports are told apart. `outcome` is
    what it reported at last, `done` or `failed`, with its error; `heard_at` when it was last heard of.
    """

    mode: str
    instance_id: str = ""
    instance_type: str = ""
    attempt: int = 1
    started_at: datetime | None = None
    ended_at: datetime | None = None
    work: str = ""
    heard_at: datetime | None = None
    reports: int = 0
    outcome: str = ""
    error: ItemError | None = None


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """How far: bytes of the volumes, and what was read and stored so far."""

    done_bytes: int = 0
    total_bytes: int = 0
    read_bytes: int = 0
    stored_bytes: int = 0


# What came of a task: ids and figures by their stable names, maps of ids (`volumes`: device -> volume), lists of names.
TaskResult = Mapping[str, str | int | Mapping[str, str] | tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Task:
    """One resource in a session."""

    id: str
    session_id: str
    workload: Workload
    state: State
    stage: str = ""
    progress: TaskProgress = TaskProgress()
    error: ItemError | None = None
    warnings: tuple[str, ...] = ()
    result: TaskResult = field(default_factory=dict)
    workers: tuple[WorkerFacts, ...] = ()
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """One run. `subject` is the policy's, point's, repository's or appliance's name; `trigger` who asked: `schedule`,
    `retention` or a person.
    """

    id: str
    kind: SessionKind
    subject: str
    state: State
    trigger: str
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: ItemError | None = None
    warnings: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


class LogLevel(StrEnum):
    """How much a line of a session's log matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a session's log; `sequence` counts from 1 within the session."""

    session_id: str
    sequence: int
    time: datetime
    level: LogLevel
    message: str
    task_id: str | None = None


def state_of(tasks: Iterable[Task]) -> State:
    """What a session's ended tasks make of it: failed where one failed, else cancelled, warning or succeeded."""
    states = {task.state for task in tasks}
    for state in (State.FAILED, State.CANCELLED, State.WARNING):
        if state in states:
            return state
    return State.SUCCEEDED


def counts_of(tasks: Iterable[Task]) -> dict[str, int]:
    """How many tasks are in each state; states that none is in are left out."""
    counts: dict[str, int] = {}
    for task in tasks:
        counts[task.state] = counts.get(task.state, 0) + 1
    return counts
