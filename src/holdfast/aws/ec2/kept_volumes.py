"""Volumes that a standing instance had before it was restored into: kept, and tagged with what puts them back.

The tags are no tags of ownership: the volumes are the customer's, and go only when the restore has ended well.
"""

from collections.abc import Mapping
from typing import Any

from holdfast.appliance.ports.cloud import KeptVolume, Ownership
from holdfast.aws.clients import PatientClient
from holdfast.aws.ownership import as_list, as_map
from holdfast.domain.ownership import RESTORED

KEPT_BY = "holdfast:kept-by"
KEPT_FROM = "holdfast:kept-from"


def mark_kept(ec2: PatientClient, owner: Ownership, instance_id: str, mapping: Mapping[str, Any]) -> None:
    """Write onto a volume that is still attached where it belongs. Told again, it says the same."""
    volume_id = str(mapping["Ebs"]["VolumeId"])
    goes = "goes" if mapping["Ebs"].get("DeleteOnTermination") else "stays"
    by = f"{owner.appliance_id}/{owner.session_id}/{owner.task_id}/{owner.attempt}"
    tags = {KEPT_BY: by, KEPT_FROM: f"{instance_id} {mapping['DeviceName']} {goes}"}
    ec2.call("CreateTags", volume_id, Resources=[volume_id], Tags=as_list(tags))


def all_kept(ec2: PatientClient, appliance_id: str) -> list[KeptVolume]:
    """What any task of the appliance has kept; tags that are not of this form are somebody else's."""
    filters = [{"Name": "tag-key", "Values": [KEPT_BY]}]
    volumes = ec2.pages("DescribeVolumes", "volumes kept by restores", "Volumes", Filters=filters)
    found = [_read(volume) for volume in volumes]
    return [one for one in found if one is not None and one.owner.appliance_id == appliance_id]


def kept_volumes(ec2: PatientClient, owner: Ownership, instance_id: str) -> list[KeptVolume]:
    """What was kept from the instance for this task and attempt."""
    mine = (owner.session_id, owner.task_id, owner.attempt, instance_id)
    return [
        one
        for one in all_kept(ec2, owner.appliance_id)
        if (one.owner.session_id, one.owner.task_id, one.owner.attempt, one.instance_id) == mine
    ]


def unmark(ec2: PatientClient, volume_id: str) -> None:
    """It is an ordinary volume again."""
    ec2.call("DeleteTags", volume_id, Resources=[volume_id], Tags=[{"Key": KEPT_BY}, {"Key": KEPT_FROM}])


def _read(volume: Mapping[str, Any]) -> KeptVolume | None:
    tags = as_map(volume.get("Tags"))
    by, place = tags.get(KEPT_BY, "").split("/"), tags.get(KEPT_FROM, "").split(" ")
    if len(by) != 4 or not by[3].isdecimal() or len(place) != 3:
        return None
    appliance_id, session_id, task_id, attempt = by
    instance_id, device, goes = place
    owner = Ownership(appliance_id, session_id, task_id, int(attempt), RESTORED)
    return KeptVolume(
        str(volume["VolumeId"]), instance_id, device, goes == "goes", bool(volume.get("Attachments")), owner
    )
