"""Restoring into an instance that still stands: it keeps its id and its addresses, its volumes are exchanged.

At every moment either the old volumes or the new ones can be started: nothing of the old ones is deleted here, and
each is tagged with its place before it is taken off (docs/decisions, "An instance that still stands").
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from holdfast.appliance.ports.cloud import InstanceOrder, KeptVolume, MadeInstance, Ownership, StandingInstance
from holdfast.aws.clients import PatientClient
from holdfast.aws.ec2.configuration import describe_instance, read_configuration
from holdfast.aws.ec2.discovery import mappings_of
from holdfast.aws.ec2.kept_volumes import kept_volumes, mark_kept, unmark
from holdfast.aws.ec2.launch_request import deletes_with_instance
from holdfast.aws.ec2.standing_configuration import (
    apply_running,
    apply_stopped,
    drop_addresses,
    same_stopped,
    wanted_by,
)
from holdfast.aws.ec2.states import RUNNING_STATES, Waits, start_instance, stop_instance, wait_for_volume
from holdfast.aws.ec2.volumes import create_volume, delete_volume
from holdfast.aws.ownership import owned_by
from holdfast.aws.written_down import Book
from holdfast.domain.errors import ConflictError
from holdfast.domain.ownership import PURPOSE, RESTORE, RESTORED
from holdfast.patience import Waiting
from holdfast.signed_http.aws_answers import Refusal


class VolumeExchange:
    """The exchange of one task and attempt on one instance; each method may be asked again."""

    def __init__(self, ec2: PatientClient, book: Book, waits: Waits, owner: Ownership, instance_id: str) -> None:
        self._ec2 = ec2
        self._book = book
        self._waits = waits
        self._unfinished = replace(owner, purpose=RESTORE)
        self._finished = replace(owner, purpose=RESTORED)
        self._instance_id = instance_id

    def exchange(self, order: InstanceOrder) -> MadeInstance:
        """Put the volumes of the order in place and start; `put_back` undoes what an error leaves half done."""
        new = self._new_volumes(order)
        self._put_in(order, new)
        wanted = wanted_by(order)
        apply_stopped(self._ec2, self._instance_id, wanted)
        if order.power_on:
            start_instance(self._ec2, self._waits.making, self._instance_id)
        apply_running(self._ec2, self._instance_id, wanted)
        self._finish(new)
        instance = describe_instance(self._ec2, self._instance_id)
        volumes = {str(one["DeviceName"]): str(one["Ebs"]["VolumeId"]) for one in mappings_of(instance)}
        addresses = tuple(str(one["PrivateIpAddress"]) for one in instance.get("NetworkInterfaces", ()))
        return MadeInstance(self._instance_id, volumes, addresses)

    def put_back(self, was: StandingInstance) -> None:
        """Volumes, configuration and state as they were; the new volumes are deleted when that is done, and what was
        kept is unmarked last: whoever died in between is told by the tags to begin again.
        """
        kept = kept_volumes(self._ec2, self._unfinished, self._instance_id)
        self._check_there(was, kept)
        made = self._made_volumes() | self._made_volumes(RESTORED)
        self._stop_to_put_back(was, kept, made)
        for volume_id, attached in made.items():
            if attached:
                self._detach(volume_id, self._waits.undoing)
        in_place = self._attached()
        for volume in kept:
            if in_place.get(volume.device) != volume.volume_id:
                self._attach(volume.volume_id, volume.device, self._waits.undoing)
            self._say_who_goes(volume.device, goes=volume.delete_on_termination)
        apply_stopped(self._ec2, self._instance_id, was.configuration)
        if was.state in RUNNING_STATES:
            start_instance(self._ec2, self._waits.undoing, self._instance_id)
        drop_addresses(self._ec2, self._instance_id, was.configuration)
        apply_running(self._ec2, self._instance_id, was.configuration)
        for volume_id in made:
            delete_volume(self._ec2, self._book, self._waits, volume_id)
        for volume in kept:
            unmark(self._ec2, volume.volume_id)

    def discard_kept(self) -> None:
        """Delete what was kept; what is attached anywhere is no more ours to delete."""
        for volume in kept_volumes(self._ec2, self._unfinished, self._instance_id):
            if volume.attached:
                unmark(self._ec2, volume.volume_id)
            else:
                delete_volume(self._ec2, self._book, self._waits, volume.volume_id)

    def _check_there(self, was: StandingInstance, kept: list[KeptVolume]) -> None:
        """Before anything is touched: every volume that the instance had is there or kept, or it is another one by now,
        and what we have made may be the only copy; and an old one goes on only where nobody has attached another since.
        """
        ours, now, kept_ids = self._in_place(), self._attached(), {one.volume_id for one in kept}
        reasons = [
            f"{one.volume_id} is neither at {one.device} nor kept"
            for one in was.configuration.volumes
            if now.get(one.device) != one.volume_id and one.volume_id not in kept_ids
        ]
        reasons += [
            f"{now[one.device]} is at {one.device} in the place of {one.volume_id}"
            for one in kept
            if now.get(one.device) not in (None, one.volume_id, ours.get(one.device))
        ]
        if reasons:
            raise ConflictError(
                f"the old volumes of {self._instance_id} cannot be put back",
                why=", ".join(reasons),
                cure="nothing was changed; look at the instance, and delete what is not needed any more",
            )

    def _stop_to_put_back(self, was: StandingInstance, kept: list[KeptVolume], made: Mapping[str, bool]) -> None:
        """Where something can be put back in a stopped instance only, or it was stopped before."""
        now = read_configuration(self._ec2, self._instance_id, was.configuration.account_id)
        in_place = self._attached()
        moved = any(in_place.get(one.device) != one.volume_id for one in kept) or any(made.values())
        if not moved and was.state in RUNNING_STATES and same_stopped(was.configuration, now):
            return
        if now.stop_protection and not was.configuration.stop_protection:
            protection = {"DisableApiStop": {"Value": False}}
            self._ec2.call("ModifyInstanceAttribute", self._instance_id, InstanceId=self._instance_id, **protection)
        stop_instance(self._ec2, self._waits.undoing, self._instance_id)

    def _new_volumes(self, order: InstanceOrder) -> dict[str, str]:
        """Device -> volume, all available or in place; made before anything is taken off."""
        in_place = self._in_place()
        return {
            device: in_place.get(device)
            or create_volume(self._ec2, self._book, self._waits, self._unfinished, volume, f"exchange {device}")
            for device, volume in order.volumes.items()
        }

    def _in_place(self) -> dict[str, str]:
        """Device -> volume of what this attempt has attached already."""
        ours = self._made_volumes() | self._made_volumes(RESTORED)
        return {device: volume_id for device, volume_id in self._attached().items() if volume_id in ours}

    def _attached(self) -> dict[str, str]:
        """Device -> volume of all that the instance has."""
        instance = describe_instance(self._ec2, self._instance_id)
        return {
            str(one["DeviceName"]): str(one["Ebs"]["VolumeId"])
            for one in mappings_of(instance)
            if one["Ebs"].get("Status") not in ("detaching", "detached")
        }

    def _put_in(self, order: InstanceOrder, new: Mapping[str, str]) -> None:
        """Volumes at devices that the order does not name stay where they are: they were excluded from the point."""
        instance = describe_instance(self._ec2, self._instance_id)
        attached = {str(one["DeviceName"]): one for one in mappings_of(instance)}
        old = {
            device: one
            for device, one in attached.items()
            if device in new and one["Ebs"]["VolumeId"] not in new.values()
        }
        if old and instance["State"]["Name"] != "stopped":
            raise ConflictError(
                f"instance {self._instance_id} is {instance['State']['Name']}",
                why="volumes are exchanged in a stopped instance only",
                cure="run the restore again",
            )
        for one in old.values():
            mark_kept(self._ec2, self._unfinished, self._instance_id, one)
        for one in old.values():
            self._detach(str(one["Ebs"]["VolumeId"]), self._waits.making)
        for device, volume_id in new.items():
            if attached.get(device, {}).get("Ebs", {}).get("VolumeId") != volume_id:
                self._attach(volume_id, device, self._waits.making)
            self._say_who_goes(device, goes=deletes_with_instance(order, device))

    def _finish(self, new: Mapping[str, str]) -> None:
        """The new volumes are the customer's; the ledger's rows of unfinished ones are closed first."""
        tags = [{"Key": PURPOSE, "Value": RESTORED}]
        self._ec2.call("CreateTags", self._instance_id, Resources=list(new.values()), Tags=tags)
        for device, volume_id in new.items():
            self._book.gone("volume", volume_id)
            self._book.create("volume", self._finished, f"exchanged {device}", partial(_known, volume_id))

    def _made_volumes(self, purpose: str = RESTORE) -> dict[str, bool]:
        """Volume -> whether it is attached, of all that this attempt has made for the exchange."""
        filters = [*owned_by(self._unfinished), {"Name": f"tag:{PURPOSE}", "Values": [purpose]}]
        found = self._ec2.pages("DescribeVolumes", f"volumes for {self._instance_id}", "Volumes", Filters=filters)
        return {str(one["VolumeId"]): bool(one.get("Attachments")) for one in found}

    def _detach(self, volume_id: str, waiting: Waiting) -> None:
        answer = self._ec2.try_call("DetachVolume", volume_id, VolumeId=volume_id, InstanceId=self._instance_id)
        if isinstance(answer, Refusal) and answer.code != "IncorrectState":
            raise self._ec2.meaning(answer, "DetachVolume", volume_id)
        wait_for_volume(self._ec2, waiting, volume_id, "available")

    def _attach(self, volume_id: str, device: str, waiting: Waiting) -> None:
        wait_for_volume(self._ec2, waiting, volume_id, "available")
        place = {"VolumeId": volume_id, "InstanceId": self._instance_id, "Device": device}
        answer = self._ec2.try_call("AttachVolume", volume_id, **place)
        if isinstance(answer, Refusal) and not (answer.code == "VolumeInUse" and self._is_at(volume_id, device)):
            raise self._ec2.meaning(answer, "AttachVolume", volume_id)
        # It takes seconds, and EC2 promises to nobody to take off what it is still attaching.
        wait_for_volume(self._ec2, self._waits.undoing, volume_id, "in-use")

    def _is_at(self, volume_id: str, device: str) -> bool:
        """Whether it is attached there: by a call whose answer was lost."""
        found = self._ec2.call("DescribeVolumes", volume_id, VolumeIds=[volume_id])["Volumes"]
        places = [(one["InstanceId"], one["Device"]) for volume in found for one in volume.get("Attachments", ())]
        return (self._instance_id, device) in places

    def _say_who_goes(self, device: str, *, goes: bool) -> None:
        """Whether the volume at a device ends with the instance."""
        mappings = [{"DeviceName": device, "Ebs": {"DeleteOnTermination": goes}}]
        self._ec2.call(
            "ModifyInstanceAttribute", self._instance_id, InstanceId=self._instance_id, BlockDeviceMappings=mappings
        )


def _known(volume_id: str, token: str) -> str:
    return volume_id
