"""Crash-consistent snapshots of the volumes of one instance: CreateSnapshots, exactly once as far as tags can tell."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from holdfast.appliance.ports.cloud import DescribedSnapshot, Ownership
from holdfast.aws.clients import SHOWN_AFTER_SECONDS, PatientClient
from holdfast.aws.ec2.configuration import describe_instance
from holdfast.aws.ec2.discovery import mappings_of
from holdfast.aws.ec2.states import is_reached
from holdfast.aws.ownership import as_list, as_map, owned_by, owner_of, people_tags
from holdfast.aws.written_down import Book
from holdfast.domain.errors import (
    ConflictError,
    HoldfastError,
    NotFoundError,
    SourceGoneError,
    UnavailableError,
    UsageError,
)
from holdfast.domain.ownership import POINT
from holdfast.patience import Waiting
from holdfast.signed_http.aws_answers import Refusal

# EC2's bounds (API reference, CreateSnapshots; tag restrictions).
MAX_DESCRIPTION_CHARACTERS = 255
MAX_TAGS = 50
# Of these, so many are kept free for what a snapshot says of its restore point (docs/format/snapshot-tags.md).
DESCRIPTION_TAGS = 25


def create_snapshots(
    ec2: PatientClient,
    book: Book,
    owner: Ownership,
    instance_id: str,
    volume_ids: tuple[str, ...],
    tags: Mapping[str, str],
    description: str,
    *,
    copy_tags: bool,
) -> dict[str, str]:
    """Volume id -> snapshot id, of one moment.

    CreateSnapshots knows no client token: what an earlier call of this task and attempt made is found by our tags. A
    set that lacks a volume is of no use, and is deleted; so are two sets, of which nobody knows which is of one moment.
    """
    instance = describe_instance(ec2, instance_id)
    excluded = _left_out(instance, volume_ids)
    before = [(str(one["VolumeId"]), str(one["SnapshotId"])) for one in made_before(ec2, owner)]
    all_tags = people_tags(tags) | owner.tags()
    if sorted(volume_id for volume_id, _snapshot_id in before) == sorted(volume_ids):
        return _finished(ec2, book, owner, dict(before), all_tags if copy_tags else None)
    delete_snapshots(ec2, book, tuple(snapshot_id for _volume_id, snapshot_id in before))
    for volume_id in volume_ids:
        book.intend("snapshot", owner, volume_id)
    answer = ec2.call(
        "CreateSnapshots",
        instance_id,
        InstanceSpecification={"InstanceId": instance_id, **excluded},
        Description=description[:MAX_DESCRIPTION_CHARACTERS],
        TagSpecifications=[{"ResourceType": "snapshot", "Tags": as_list(all_tags)}],
    )
    made = {str(one["VolumeId"]): str(one["SnapshotId"]) for one in answer["Snapshots"]}
    if set(made) != set(volume_ids):
        delete_snapshots(ec2, book, tuple(made.values()))
        raise ConflictError(
            f"the snapshots of {instance_id} are not of the volumes asked for",
            why=f"asked for {sorted(volume_ids)}, EC2 made {sorted(made)}: a volume was attached or detached meanwhile",
            cure="run it again",
        )
    return _finished(ec2, book, owner, made, all_tags if copy_tags else None)


def snapshots_percent(ec2: PatientClient, snapshot_ids: tuple[str, ...]) -> int:
    """How far all of them are together; 100 only when each is completed. Raises SourceGoneError when one is gone,
    UnavailableError when one failed.
    """
    if not snapshot_ids:
        return 100
    what = snapshot_ids[0] if len(snapshot_ids) == 1 else f"snapshots {', '.join(snapshot_ids)}"
    try:
        found = ec2.call("DescribeSnapshots", what, SnapshotIds=list(snapshot_ids))["Snapshots"]
    except SourceGoneError:
        raise
    except NotFoundError as error:
        raise SourceGoneError(error.what, why=error.why, cure="take new snapshots") from error
    for snapshot in found:
        if snapshot["State"] == "error":
            raise UnavailableError(
                f"snapshot {snapshot['SnapshotId']} failed",
                why=str(snapshot.get("StateMessage") or "EBS could not complete it"),
                cure="run it again; where a KMS key was named, see that it may be used there",
            )
    if len(found) == len(set(snapshot_ids)) and all(one["State"] == "completed" for one in found):
        return 100
    percents = [int(one.get("Progress", "").rstrip("%") or 0) for one in found]
    return min(99, sum(percents) // len(set(snapshot_ids)))


def foreign_snapshots(
    ec2: PatientClient, waiting: Waiting, owner: Ownership, snapshot_ids: tuple[str, ...]
) -> tuple[str, ...]:
    """Those of them that do not bear the tags of `owner`; EC2 is given some time to show what was just made."""
    foreign = set(snapshot_ids)

    def all_are_seen() -> bool:
        own = (one for one in _of_attempt(ec2, owner) if owner_of(as_map(one.get("Tags"))) == owner)
        foreign.difference_update(str(one["SnapshotId"]) for one in own)
        return not foreign

    is_reached(waiting, SHOWN_AFTER_SECONDS, all_are_seen)
    return tuple(sorted(foreign))


def delete_snapshots(ec2: PatientClient, book: Book, snapshot_ids: tuple[str, ...]) -> None:
    """Delete them; one that is gone already is no error. Raises ConflictError where an image uses one."""
    for snapshot_id in snapshot_ids:
        answer = ec2.try_call("DeleteSnapshot", snapshot_id, SnapshotId=snapshot_id)
        if isinstance(answer, Refusal) and answer.code != "InvalidSnapshot.NotFound":
            raise ec2.meaning(answer, "DeleteSnapshot", snapshot_id)
        book.gone("snapshot", snapshot_id)


def share_snapshots(ec2: PatientClient, snapshot_ids: tuple[str, ...], account_id: str) -> None:
    """Let another account read them. Raises ConflictError for what is encrypted under AWS's own key."""
    for snapshot_id in snapshot_ids:
        answer = ec2.try_call(
            "ModifySnapshotAttribute",
            snapshot_id,
            SnapshotId=snapshot_id,
            Attribute="createVolumePermission",
            OperationType="add",
            UserIds=[account_id],
        )
        if isinstance(answer, Refusal):
            raise _cannot_be_shared(ec2, answer, snapshot_id)


def _cannot_be_shared(ec2: PatientClient, refusal: Refusal, snapshot_id: str) -> HoldfastError:
    meaning = ec2.meaning(refusal, "ModifySnapshotAttribute", snapshot_id)
    if refusal.code != "OperationNotPermitted":
        return meaning
    cure = "encrypt the volume under a KMS key of your own, and share it: AWS's own serves nobody else"
    return ConflictError(meaning.what, why=meaning.why, cure=cure)


def tag_snapshots(ec2: PatientClient, snapshot_ids: tuple[str, ...], tags: Mapping[str, str]) -> None:
    """Give them these tags, too; the same keys again take the new values."""
    ec2.call("CreateTags", ", ".join(snapshot_ids), Resources=list(snapshot_ids), Tags=as_list(tags))


def described_snapshots(ec2: PatientClient) -> Iterator[DescribedSnapshot]:
    """Our own account's that bear a description of their restore point; what failed is left out."""
    filters = [{"Name": "tag-key", "Values": [POINT]}]
    what = "snapshots of restore points"
    for found in ec2.pages("DescribeSnapshots", what, "Snapshots", OwnerIds=["self"], Filters=filters):
        tags = as_map(found.get("Tags"))
        if found["State"] != "error":
            yield DescribedSnapshot(str(found["SnapshotId"]), owner_of(tags), found["State"] == "completed", tags)


def _left_out(instance: Mapping[str, Any], volume_ids: tuple[str, ...]) -> dict[str, Any]:
    """How CreateSnapshots is told to leave out all other volumes; it has one word for the root, ids for the rest."""
    attached = {str(one["Ebs"]["VolumeId"]): str(one["DeviceName"]) for one in mappings_of(instance)}
    unknown = sorted(set(volume_ids) - set(attached))
    if unknown or not volume_ids:
        raise UsageError(
            f"no snapshots of {instance['InstanceId']} can be taken so",
            why=f"{', '.join(unknown)} is not attached to it" if unknown else "no volume is named",
            cure="look at the instance again: volumes were attached or detached",
        )
    others = {volume_id: device for volume_id, device in attached.items() if volume_id not in volume_ids}
    root = instance.get("RootDeviceName")
    excluded: dict[str, Any] = {}
    if root in others.values():
        excluded["ExcludeBootVolume"] = True
    data = [volume_id for volume_id, device in others.items() if device != root]
    if data:
        excluded["ExcludeDataVolumeIds"] = data
    return excluded


def made_before(ec2: PatientClient, owner: Ownership) -> list[dict[str, Any]]:
    """EC2's description of each that this task and attempt has made here already, but for those that failed."""
    return [one for one in _of_attempt(ec2, owner) if one["State"] != "error"]


def _of_attempt(ec2: PatientClient, owner: Ownership) -> Iterator[dict[str, Any]]:
    what, filters = f"snapshots of task {owner.task_id}", owned_by(owner)
    return ec2.pages("DescribeSnapshots", what, "Snapshots", OwnerIds=["self"], Filters=filters)


def _finished(
    ec2: PatientClient, book: Book, owner: Ownership, made: dict[str, str], given: Mapping[str, str] | None
) -> dict[str, str]:
    """Complete the ledger; with `given`, the tags that the snapshots have already, copy those of the volumes, too."""
    for volume_id, snapshot_id in made.items():
        book.create("snapshot", owner, volume_id, partial(known, snapshot_id))
    if given is not None:
        _copy_tags(ec2, made, given)
    return made


def known(snapshot_id: str, token: str) -> str:
    """What needs not be made any more, in the form in which the ledger asks for it."""
    return snapshot_id


def _copy_tags(ec2: PatientClient, made: Mapping[str, str], given: Mapping[str, str]) -> None:
    """EC2's own CopyTagsFromSource would bring along the tags of a restored volume that say whose it is, and refuse the
    set where a volume has many tags; so people's tags are copied, as many as there is room for.
    """
    for volume in ec2.call("DescribeVolumes", ", ".join(made), VolumeIds=list(made))["Volumes"]:
        wanted = {key: value for key, value in people_tags(as_map(volume.get("Tags"))).items() if key not in given}
        room = MAX_TAGS - DESCRIPTION_TAGS - len(given)
        if wanted:
            snapshot_id = made[volume["VolumeId"]]
            ec2.call_on_new("CreateTags", snapshot_id, Resources=[snapshot_id], Tags=as_list(wanted)[:room])
