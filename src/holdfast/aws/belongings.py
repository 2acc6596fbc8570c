"""Everything that bears our tags in one account and region, and how each kind is removed. The port `Belongings`."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from holdfast.appliance.ports.cloud import OwnedObject
from holdfast.aws.clients import PatientClient
from holdfast.aws.ec2.discovery import standing_instances
from holdfast.aws.ownership import as_map, owner_of
from holdfast.aws.queues import TaskQueues
from holdfast.aws.worker_instances import NAME_PREFIX
from holdfast.aws.worker_roles import WorkerRoles
from holdfast.aws.written_down import Book
from holdfast.domain.ownership import APPLIANCE
from holdfast.signed_http.aws_answers import Refusal

# How EC2 lists and deletes each kind: operation, name of the list, of the id, of the moment, deleting operation. Images
# come before the snapshots that they are made of, which cannot go first.
_KINDS: Mapping[str, tuple[str, str, str, str, str]] = {
    "image": ("DescribeImages", "Images", "ImageId", "CreationDate", "DeregisterImage"),
    "snapshot": ("DescribeSnapshots", "Snapshots", "SnapshotId", "StartTime", "DeleteSnapshot"),
    "volume": ("DescribeVolumes", "Volumes", "VolumeId", "CreateTime", "DeleteVolume"),
    "network-interface": (
        "DescribeNetworkInterfaces",
        "NetworkInterfaces",
        "NetworkInterfaceId",
        "",
        "DeleteNetworkInterface",
    ),
    "security-group": ("DescribeSecurityGroups", "SecurityGroups", "GroupId", "", "DeleteSecurityGroup"),
}
# Only what is our own is looked for; images and snapshots of others may be shared with us.
_OWN: Mapping[str, dict[str, list[str]]] = {"snapshot": {"OwnerIds": ["self"]}, "image": {"Owners": ["self"]}}


class AwsBelongings:
    """Fits `holdfast.appliance.ports.cloud.Belongings`."""

    def __init__(
        self,
        ec2: PatientClient,
        book: Book,
        appliance_id: str,
        home: tuple[PatientClient, PatientClient] | None = None,
    ) -> None:
        """`home` is (IAM, SQS) where roles and queues of workers are to be looked for: one region of one account."""
        self._ec2 = ec2
        self._book = book
        self._appliance_id = appliance_id
        self._roles = WorkerRoles(home[0], appliance_id) if home else None
        self._queues = TaskQueues(home[1]) if home else None

    def owned(self) -> Iterator[OwnedObject]:
        """Instances first. Volumes and interfaces that an instance has are left out: they cannot be removed before it,
        and ours go with it.
        """
        for instance in standing_instances(self._ec2, self._filter()):
            yield self._object("instance", instance["InstanceId"], as_map(instance["Tags"]), instance.get("LaunchTime"))
        for kind, (operation, items, id_name, moment_name, _) in _KINDS.items():
            found = self._ec2.pages(operation, f"our {kind}s", items, Filters=[self._filter()], **_OWN.get(kind, {}))
            for one in found:
                if one.get("Attachments") or one.get("Attachment"):
                    continue
                tags = as_map(one.get("Tags") or one.get("TagSet"))
                yield self._object(kind, one[id_name], tags, one.get(moment_name))
        if self._queues is not None:
            for url in self._queues.names_beginning(f"{NAME_PREFIX}{self._appliance_id[:8]}"):
                tags = self._queues.tags(url)
                if tags.get(APPLIANCE) == self._appliance_id:
                    yield self._object("queue", url, tags, None)
        if self._roles is not None:
            for kind, name, tags, created_at in self._roles.standing():
                yield self._object(kind, name, tags, created_at)

    def remove(self, one: OwnedObject) -> None:
        """End or delete it; gone already is no error."""
        remove: Callable[[str], None] = {
            "instance": self._terminate,
            "queue": self._delete_queue,
            "role": self._delete_role,
            "instance-profile": self._delete_role,
        }.get(one.kind, lambda object_id: self._delete(one.kind, object_id))
        remove(one.id)
        self._book.gone(one.kind, one.id)

    def _filter(self) -> dict[str, Any]:
        return {"Name": f"tag:{APPLIANCE}", "Values": [self._appliance_id]}

    def _object(self, kind: str, object_id: str, tags: Mapping[str, str], created_at: Any) -> OwnedObject:
        return OwnedObject(kind, str(object_id), self._ec2.region, owner_of(tags), _moment(created_at))

    def _terminate(self, instance_id: str) -> None:
        self._call("TerminateInstances", instance_id, InstanceIds=[instance_id])

    def _delete(self, kind: str, object_id: str) -> None:
        _, _, id_name, _, operation = _KINDS[kind]
        self._call(operation, object_id, **{id_name: object_id})

    def _delete_queue(self, url: str) -> None:
        if self._queues is not None:
            self._queues.delete(url)

    def _delete_role(self, name: str) -> None:
        if self._roles is not None:
            self._roles.remove(name)

    def _call(self, operation: str, object_id: str, **parameters: Any) -> None:
        answer = self._ec2.try_call(operation, object_id, **parameters)
        if isinstance(answer, Refusal) and not answer.code.endswith((".NotFound", ".Unavailable", ".Unknown")):
            raise self._ec2.meaning(answer, operation, object_id)


def _moment(value: Any) -> datetime | None:
    """Images say it in text, all others as a time."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) and value else value
    if not isinstance(moment, datetime):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
