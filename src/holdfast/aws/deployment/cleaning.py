"""Taking a deployment away again: by the ledger, whatever of it there is.

A row without an id may stand for something all the same: the answer that named it was lost. Such a thing is looked for
by what it was made with, the session's tag or its name.

EC2 may say for minutes of a new thing that it does not exist ("Eventual consistency" in the EC2 developer guide), and
an instance of which it says so runs on. For so long nothing is taken for gone.
"""

from collections.abc import Callable

from holdfast.aws.clients import SHOWN_AFTER_SECONDS, PatientClient
from holdfast.aws.deployment.deployment_ledger import DeploymentLedger
from holdfast.aws.deployment.network import find_group
from holdfast.aws.ec2.states import find_instance, is_reached
from holdfast.domain.cloud_ledger import LedgerRow
from holdfast.domain.errors import UnavailableError
from holdfast.domain.ownership import SESSION
from holdfast.patience import REAL_WAITING, Waiting
from holdfast.signed_http.aws_answers import Refusal

LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 600.0


class Cleaning:
    """Removes instances and security groups that a session made in one region."""

    def __init__(self, ec2: PatientClient, ledger: DeploymentLedger, waiting: Waiting = REAL_WAITING) -> None:
        self._ec2 = ec2
        self._ledger = ledger
        self._waiting = waiting

    def run(self, say: Callable[[str], None]) -> None:
        """Everything in the session's open rows of this region: the instances first, they use the groups.

        An instance's row stays open until `close`: whoever is cut short finds by it what else there is to do.
        """
        rows = self._rows()
        for row in rows:
            if row.kind == "instance":
                for instance_id in self._instances(row, say):
                    self._terminate(row, instance_id, say)
        for row in rows:
            if row.kind == "security-group":
                group_id = self._group(row, say)
                if group_id:
                    self._delete_group(row, group_id, say)
                self._close(row)

    def close(self) -> None:
        """Nothing is left of it: the last rows."""
        for row in self._rows():
            if row.kind == "instance":
                self._close(row)

    def _rows(self) -> list[LedgerRow]:
        return [row for row in self._ledger.open_rows() if row.region == self._ec2.region]

    def _close(self, row: LedgerRow) -> None:
        if row.object_id:
            self._ledger.gone(row.kind, row.object_id)
        else:
            self._ledger.dropped(row.id)

    def _unshown_seconds(self, row: LedgerRow) -> float:
        """For how long EC2 may yet not show it. When something was made whose id is not known, nobody knows either."""
        age_seconds = 0.0 if row.created_at is None else self._ledger.seconds_since(row.created_at)
        return SHOWN_AFTER_SECONDS - max(0.0, age_seconds)

    def _is_shown(self, row: LedgerRow, what: str, say: Callable[[str], None], is_there: Callable[[], bool]) -> bool:
        """Whether `is_there` says so, as long as EC2 may not show it yet."""
        if is_there():
            return True
        seconds = self._unshown_seconds(row)
        if seconds <= 0:
            return False
        say(f"EC2 does not show {what}, and may only not show it yet: it is looked for for {seconds:.0f} s")
        return is_reached(self._waiting, seconds, is_there)

    def _instances(self, row: LedgerRow, say: Callable[[str], None]) -> list[str]:
        if row.object_id:
            return [row.object_id]
        filters = [
            {"Name": f"tag:{SESSION}", "Values": [row.session_id]},
            {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
        ]
        found: list[str] = []

        def is_there() -> bool:
            answer = self._ec2.call("DescribeInstances", "instances of the session", Filters=filters)
            found.extend(str(one["InstanceId"]) for group in answer["Reservations"] for one in group["Instances"])
            return bool(found)

        self._is_shown(row, "an instance of the session", say, is_there)
        return found

    def _terminate(self, row: LedgerRow, instance_id: str, say: Callable[[str], None]) -> None:
        """See it terminated: its group cannot go before."""
        shown_seconds = self._waiting.monotonic() + self._unshown_seconds(row)

        def is_told() -> bool:
            answer = self._ec2.try_call("TerminateInstances", instance_id, InstanceIds=[instance_id])
            if isinstance(answer, Refusal) and answer.code != "InvalidInstanceID.NotFound":
                raise self._ec2.meaning(answer, "TerminateInstances", instance_id)
            return not isinstance(answer, Refusal)

        if not self._is_shown(row, f"instance {instance_id}", say, is_told):
            say(f"instance {instance_id} is gone")
            return
        began_seconds = self._waiting.monotonic()
        while True:
            found = find_instance(self._ec2, instance_id)
            state = str(found["State"]["Name"]) if found else "not visible yet"
            now_seconds = self._waiting.monotonic()
            if state == "terminated" or (found is None and now_seconds >= shown_seconds):
                say(f"instance {instance_id} is terminated")
                return
            if now_seconds - began_seconds > PATIENCE_SECONDS:
                raise UnavailableError(
                    f"instance {instance_id} does not end", why=f"it is {state}", cure="run this again in a while"
                )
            self._waiting.sleep(LOOK_SECONDS)

    def _group(self, row: LedgerRow, say: Callable[[str], None]) -> str | None:
        if row.object_id:
            return row.object_id
        found: list[str] = []

        def is_there() -> bool:
            group_id = find_group(self._ec2, None, row.task_id)
            found.extend([group_id] if group_id else [])
            return bool(found)

        return found[0] if self._is_shown(row, f"security group {row.task_id}", say, is_there) else None

    def _delete_group(self, row: LedgerRow, group_id: str, say: Callable[[str], None]) -> None:
        """A group stays in use for a moment after its instance has ended."""
        began_seconds = self._waiting.monotonic()

        def is_deleted() -> bool:
            while isinstance(answer := self._ec2.try_call("DeleteSecurityGroup", group_id, GroupId=group_id), Refusal):
                if answer.code == "InvalidGroup.NotFound":
                    return False
                in_use = answer.code in ("DependencyViolation", "InvalidGroup.InUse")
                if not in_use or self._waiting.monotonic() - began_seconds > PATIENCE_SECONDS:
                    raise self._ec2.meaning(answer, "DeleteSecurityGroup", group_id)
                self._waiting.sleep(LOOK_SECONDS)
            return True

        deleted = self._is_shown(row, f"security group {group_id}", say, is_deleted)
        say(f"security group {group_id} is {'removed' if deleted else 'gone'}")
