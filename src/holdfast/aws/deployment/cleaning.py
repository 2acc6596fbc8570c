"""Taking a deployment away again: by the ledger, whatever of it there is.

A row without an id may stand for something all the same: the answer that named it was lost. Such a thing is looked for
by what it was made with, the session's tag or its name.
"""

from collections.abc import Callable

from holdfast.aws.clients import PatientClient
from holdfast.aws.deployment.deployment_ledger import DeploymentLedger
from holdfast.aws.deployment.network import find_group
from holdfast.aws.ec2.states import instance_state
from holdfast.domain.cloud_ledger import LedgerRow
from holdfast.domain.errors import UnavailableError
from holdfast.domain.ownership import SESSION
from holdfast.patience import REAL_WAITING, Waiting
from holdfast.signed_http.aws_answers import Refusal

LOOK_SECONDS = 1.0
# A new instance is not seen by everybody at once.
LOOKS = 3
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
                for instance_id in self._instances(row):
                    self._terminate(instance_id)
                    say(f"instance {instance_id} is terminated")
        for row in rows:
            if row.kind == "security-group":
                group_id = row.object_id or find_group(self._ec2, None, row.task_id)
                if group_id:
                    self._delete_group(group_id)
                    say(f"security group {group_id} is removed")
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

    def _instances(self, row: LedgerRow) -> list[str]:
        if row.object_id:
            return [row.object_id]
        filters = [
            {"Name": f"tag:{SESSION}", "Values": [row.session_id]},
            {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
        ]
        for _ in range(LOOKS):
            answer = self._ec2.call("DescribeInstances", "instances of the session", Filters=filters)
            found = [str(one["InstanceId"]) for group in answer["Reservations"] for one in group["Instances"]]
            if found:
                return found
            self._waiting.sleep(LOOK_SECONDS)
        return []

    def _terminate(self, instance_id: str) -> None:
        """See it terminated: its group cannot go before."""
        answer = self._ec2.try_call("TerminateInstances", instance_id, InstanceIds=[instance_id])
        if isinstance(answer, Refusal):
            if answer.code == "InvalidInstanceID.NotFound":
                return
            raise self._ec2.meaning(answer, "TerminateInstances", instance_id)
        began_seconds = self._waiting.monotonic()
        while (state := instance_state(self._ec2, instance_id)) is not None:
            if self._waiting.monotonic() - began_seconds > PATIENCE_SECONDS:
                raise UnavailableError(
                    f"instance {instance_id} does not end", why=f"it is {state}", cure="run this again in a while"
                )
            self._waiting.sleep(LOOK_SECONDS)

    def _delete_group(self, group_id: str) -> None:
        """A group stays in use for a moment after its instance has ended."""
        began_seconds = self._waiting.monotonic()
        while True:
            answer = self._ec2.try_call("DeleteSecurityGroup", group_id, GroupId=group_id)
            if not isinstance(answer, Refusal) or answer.code == "InvalidGroup.NotFound":
                return
            in_use = answer.code in ("DependencyViolation", "InvalidGroup.InUse")
            if not in_use or self._waiting.monotonic() - began_seconds > PATIENCE_SECONDS:
                raise self._ec2.meaning(answer, "DeleteSecurityGroup", group_id)
            self._waiting.sleep(LOOK_SECONDS)
