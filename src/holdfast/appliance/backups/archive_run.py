"""One run of a policy's archive: the newest image backup of each workload is copied, by a task of its own (E16)."""

from holdfast.appliance.backups.settlement import Settlement
from holdfast.appliance.points.newest import newest_backups
from holdfast.appliance.points.retention_work import RetentionWork
from holdfast.appliance.policies.task_order import order_of
from holdfast.appliance.ports.engine import Step
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.sessions.lanes import archive_lane
from holdfast.appliance.sessions.rounds import Rounds
from holdfast.appliance.surface import Surface, derived_id
from holdfast.domain.errors import NotFoundError
from holdfast.domain.numerals import counted
from holdfast.domain.session import LogLevel, State, Task, TaskProgress

ARCHIVE_RUN, ARCHIVE_TASK = "archive-run", "archive-task"


class ArchiveRun:
    """The workflow `archive-run`."""

    def __init__(self, surface: Surface, book: SessionBook, retention: RetentionWork, settlement: Settlement) -> None:
        self._surface = surface
        self._book = book
        self._retention = retention
        self._settlement = settlement
        self._rounds = Rounds(surface, book)

    async def run(self, step: Step, session_id: str) -> None:
        """The session, to its end."""
        await self._rounds.run(step, session_id, self)

    def select(self, session_id: str) -> list[str]:
        """Open a task for each workload that has a backup. Raises NotFoundError where none has."""
        self._book.begin(session_id)
        # Which points there are, before they are read.
        for line in self._settlement.settle():
            self._book.say(session_id, line, LogLevel.WARNING)
        policy = order_of(self._surface.records.sessions.details(session_id)).policy
        newest = newest_backups(self._surface.records.points.of_policy(policy.name), policy)
        if not newest:
            raise NotFoundError(
                f"policy {policy.name} has nothing to archive",
                why="no image backup of it is listed",
                cure=f"run it first: holdfast policy run {policy.name}",
            )
        tasks = [
            Task(
                derived_id(session_id, point.workload.region, point.workload.id),
                session_id,
                point.workload,
                State.QUEUED,
                progress=TaskProgress(total_bytes=point.size_bytes),
            )
            for point in newest
        ]
        self._surface.records.sessions.add_tasks(session_id, tasks)
        self._book.say(session_id, f"{counted(len(tasks), 'instance')} to archive")
        return [task.id for task in tasks]

    def start_tasks(self, session_id: str, tasks: list[str]) -> None:
        """Each waits in the lane of archives."""
        lane = archive_lane(order_of(self._surface.records.sessions.details(session_id)).policy.worker.mode)
        for task_id in tasks:
            if not self._surface.records.sessions.task(task_id).state.final:
                self._surface.engine().start(ARCHIVE_TASK, task_id, (task_id,), lane)

    def retain(self, session_id: str) -> None:
        """As many points stay as the policy says."""
        self._retention.apply(order_of(self._surface.records.sessions.details(session_id)).policy_name, session_id)
