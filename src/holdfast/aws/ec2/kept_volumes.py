"""Volumes that a standing instance had before it was restored into: kept, and tagged with what puts them back.

The tags are no tags of ownership: the volumes are the customer's, and no reaper looks at them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.appliance.ports.cloud import Ownership
from holdfast.aws.clients import PatientClient
from holdfast.aws.ownership import as_list, as_map

KEPT_BY = "holdfast:kept-by"
KEPT_FROM = "holdfast:kept-from"


@dataclass(frozen=True, slots=True)
class KeptVolume:
    """A volume and its place: the instance, the device, and whether it went with the instance."""

    volume_id: str
    instance_id: str
    device: str
    delete_on_termination: bool
    instance_type: str
    state: str


def mark_kept(ec2: PatientClient, owner: Ownership, instance: Mapping[str, Any], mapping: Mapping[str, Any]) -> str:
    """Write onto a volume that is still attached where it belongs; its id. Told again, it says the same."""
    volume_id = str(mapping["Ebs"]["VolumeId"])
    goes = "goes" if mapping["Ebs"].get("DeleteOnTermination") else "stays"
    place = f"{instance['InstanceId']} {mapping['DeviceName']} {goes} {instance['InstanceType']}"
    tags = {KEPT_BY: _key(owner), KEPT_FROM: place}
    ec2.call("CreateTags", volume_id, Resources=[volume_id], Tags=as_list(tags))
    return volume_id


def kept_volumes(ec2: PatientClient, owner: Ownership, instance_id: str) -> list[KeptVolume]:
    """What was kept from the instance for this task and attempt."""
    filters = [{"Name": f"tag:{KEPT_BY}", "Values": [_key(owner)]}]
    found = []
    for volume in ec2.pages("DescribeVolumes", f"volumes kept from {instance_id}", "Volumes", Filters=filters):
        parts = as_map(volume.get("Tags")).get(KEPT_FROM, "").split(" ")
        if len(parts) == 4 and parts[0] == instance_id:
            goes = parts[2] == "goes"
            found.append(KeptVolume(str(volume["VolumeId"]), instance_id, parts[1], goes, parts[3], volume["State"]))
    return found


def unmark(ec2: PatientClient, volume_id: str) -> None:
    """It is an ordinary volume again."""
    ec2.call("DeleteTags", volume_id, Resources=[volume_id], Tags=[{"Key": KEPT_BY}, {"Key": KEPT_FROM}])


def _key(owner: Ownership) -> str:
    return f"{owner.appliance_id}/{owner.session_id}/{owner.task_id}/{owner.attempt}"
