"""One run of a policy: resources are selected, each becomes a task that waits for its turn, and retention follows."""

from dataclasses import replace

from holdfast.appliance.backups.settlement import Settlement
from holdfast.appliance.points.retention_work import RetentionWork
from holdfast.appliance.policies.discovery import Assignment, Discovery
from holdfast.appliance.policies.task_order import TaskOrder, order_of
from holdfast.appliance.ports.engine import Step
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.sessions.lanes import repository_lane, snapshot_lane, worker_lane
from holdfast.appliance.sessions.rounds import Rounds, turn_of
from holdfast.appliance.surface import Surface, derived_id
from holdfast.domain.errors import NotFoundError
from holdfast.domain.numerals import counted
from holdfast.domain.session import ItemError, LogLevel, State, Task, TaskProgress
from holdfast.domain.workload import FoundInstance, Workload, WorkloadKind

POLICY_RUN, INSTANCE_TASK, REPOSITORY_TURN = "policy-run", "instance-task", "repository-turn"
SNAPSHOT_COPY = "snapshot-copy"


class PolicyRun:
    """The workflows `policy-run` and `repository-turn`."""

    def __init__(self, surface: Surface, book: SessionBook, retention: RetentionWork, settlement: Settlement) -> None:
        self._surface = surface
        self._book = book
        self._retention = retention
        self._settlement = settlement
        self._discovery = Discovery(surface)
        self._rounds = Rounds(surface, book)

    async def run(self, step: Step, session_id: str) -> None:
        """The session, to its end."""
        await self._rounds.run(step, session_id, self)

    async def take_turn(self, step: Step, task_id: str) -> None:
        """Hold a turn of the repository as long as the task lasts; within it the task waits for a worker's place."""
        await step(self.start_within_turn, task_id)
        await step(self._rounds.until_ended, [task_id], True)

    def select(self, session_id: str) -> list[str]:
        """Open the session's tasks; the ids of those that are to be done."""
        self._book.begin(session_id)
        # Before anything is read or kept by them: which points there are.
        for line in self._settlement.settle():
            self._book.say(session_id, line, LogLevel.WARNING)
        order = self._order(session_id)
        assignment = self._discovery.find(order.policy, alone=order.manual)
        tasks = self._tasks(session_id, order, assignment)
        self._surface.records.sessions.add_tasks(session_id, tasks)
        for task in tasks:
            if task.error is not None:
                self._book.say(session_id, f"{task.error.what}: {task.error.why}. {task.error.cure}")
        self._book.say(
            session_id, f"{counted(len(assignment.protected), 'instance')} to protect: {', '.join(order.targets)}"
        )
        return [task.id for task in tasks if task.state == State.QUEUED]

    def start_tasks(self, session_id: str, tasks: list[str]) -> None:
        """Each waits in its lane."""
        order, engine = self._order(session_id), self._surface.engine()
        for task_id in tasks:
            task = self._surface.records.sessions.task(task_id)
            if task.state.final:
                continue
            if order.backs_up and order.policy.backup is not None:
                lane = repository_lane(order.policy.backup.repository)
                engine.start(REPOSITORY_TURN, turn_of(task_id), (task_id,), lane)
            else:
                lane = snapshot_lane(task.workload.account, task.workload.region)
                workflow = INSTANCE_TASK if order.destination is None else SNAPSHOT_COPY
                engine.start(workflow, task_id, (task_id,), lane)

    def start_within_turn(self, task_id: str) -> None:
        """The second lane."""
        task = self._surface.records.sessions.task(task_id)
        if not task.state.final:
            mode = self._order(task.session_id).policy.worker.mode
            lane = worker_lane(mode, task.workload.region)
            self._surface.engine().start(INSTANCE_TASK, task_id, (task_id,), lane)

    def retain(self, session_id: str) -> None:
        """As many points stay as the policy says; what a person asked for by hand goes by no policy."""
        order = self._order(session_id)
        if not order.manual:
            self._retention.apply(order.policy_name, session_id)

    def _order(self, session_id: str) -> TaskOrder:
        return order_of(self._surface.records.sessions.details(session_id))

    def _tasks(self, session_id: str, order: TaskOrder, assignment: Assignment) -> list[Task]:
        policy, now = order.policy, self._surface.surroundings.now()

        def task(instance_id: str, region: str, name: str) -> Task:
            workload = Workload(WorkloadKind.EC2_INSTANCE, policy.account, region, instance_id, name)
            return Task(derived_id(session_id, region, instance_id), session_id, workload, State.QUEUED)

        def ended(one: Task, state: State, *, error: ItemError | None = None, warning: str = "") -> Task:
            warnings = (warning,) if warning else ()
            return replace(one, state=state, error=error, warnings=warnings, started_at=now, ended_at=now)

        def to_do(found: FoundInstance) -> Task:
            made = task(found.id, found.region, found.name)
            return replace(made, progress=TaskProgress(total_bytes=found.volume_bytes))

        tasks = [to_do(found) for found in assignment.protected]
        tasks += [
            ended(
                task(found.id, found.region, found.name),
                State.WARNING,
                warning=f"policy {owner} protects it: it comes before this one",
            )
            for found, owner in assignment.elsewhere
        ]
        tasks += [ended(task("", region, region), State.FAILED, error=error) for region, error in assignment.unseen]
        if not tasks:
            tasks.append(ended(task("", policy.regions[0], policy.name), State.FAILED, error=_nothing(order)))
        return tasks


def _nothing(order: TaskOrder) -> ItemError:
    policy = order.policy
    where = f"in {', '.join(policy.regions)} of account {policy.account}"
    if order.manual:
        return ItemError.of(
            NotFoundError(
                f"there is no instance {policy.name}",
                why=f"none {where} has this id, or it is terminated",
                cure="check the id, --account and --region",
            )
        )
    return ItemError.of(
        NotFoundError(
            f"policy {policy.name} matches nothing",
            why=f"no instance {where} is selected and not excluded",
            cure="look at spec.select and spec.exclude, or at the tags of the instances",
        )
    )
