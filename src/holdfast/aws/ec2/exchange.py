"""Restoring into an instance that still stands: it keeps its id and its addresses, its volumes are exchanged.

At every moment either the old volumes or the new ones can be started: nothing of the old ones is deleted here, and
each is tagged with its place before it is taken off (docs/decisions, "An instance that still stands").
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from holdfast.appliance.ports.cloud import InstanceOrder, MadeInstance, Ownership
from holdfast.aws.clients import PatientClient
from holdfast.aws.ec2.configuration import describe_instance
from holdfast.aws.ec2.discovery import mappings_of
from holdfast.aws.ec2.kept_volumes import KeptVolume, kept_volumes, mark_kept, unmark
from holdfast.aws.ec2.launch_request import deletes_with_instance
from holdfast.aws.ec2.standing_configuration import apply_running, apply_stopped
from holdfast.aws.ec2.states import start_instance, stop_instance, wait_for_instance, wait_for_volume
from holdfast.aws.ec2.volumes import create_volume, delete_volume
from holdfast.aws.ownership import owned_by
from holdfast.aws.written_down import Book
from holdfast.domain.errors import ConflictError, HoldfastError
from holdfast.domain.ownership import PURPOSE, RESTORE, RESTORED
from holdfast.signed_http.aws_answers import Refusal
from holdfast.signed_http.patience import Waiting


class VolumeExchange:
    """The exchange of one task and attempt on one instance; each method may be asked again."""

    def __init__(self, ec2: PatientClient, book: Book, waiting: Waiting, owner: Ownership, instance_id: str) -> None:
        self._ec2 = ec2
        self._book = book
        self._waiting = waiting
        self._unfinished = replace(owner, purpose=RESTORE)
        self._finished = replace(owner, purpose=RESTORED)
        self._instance_id = instance_id

    def exchange(self, order: InstanceOrder) -> MadeInstance:
        """Put the volumes of the order in place and start; everything is put back before an error is raised."""
        try:
            new = self._new_volumes(order)
            self._put_in(order, new)
            apply_stopped(self._ec2, self._instance_id, order)
            if order.power_on:
                start_instance(self._ec2, self._waiting, self._instance_id)
            apply_running(self._ec2, self._instance_id, order)
            self._finish(new)
        except HoldfastError:
            # What cannot be put back now is put back when it is asked for again: the tags tell how.
            with suppress(HoldfastError):
                self.put_back()
            raise
        instance = describe_instance(self._ec2, self._instance_id)
        volumes = {str(one["DeviceName"]): str(one["Ebs"]["VolumeId"]) for one in mappings_of(instance)}
        addresses = tuple(str(one["PrivateIpAddress"]) for one in instance.get("NetworkInterfaces", ()))
        return MadeInstance(self._instance_id, volumes, addresses)

    def put_back(self) -> None:
        """The volumes that were kept are attached again, those that were made are deleted, the instance is started.

        Where nothing is kept any more, finished volumes are the only ones that the instance has, and stay.
        """
        kept = kept_volumes(self._ec2, self._unfinished, self._instance_id)
        made = self._made_volumes() | (self._made_volumes(RESTORED) if kept else {})
        if any(volume.state != "in-use" for volume in kept) or made:
            stop_instance(self._ec2, self._waiting, self._instance_id)
        for volume_id, attached in made.items():
            if attached:
                self._detach(volume_id)
            delete_volume(self._ec2, self._book, volume_id)
        for volume in kept:
            if volume.state != "in-use":
                self._attach(volume.volume_id, volume.device, goes=volume.delete_on_termination)
        self._type_back(kept)
        for volume in kept:
            unmark(self._ec2, volume.volume_id)
        start_instance(self._ec2, self._waiting, self._instance_id)

    def discard_kept(self) -> None:
        """Delete what was kept; what is attached anywhere is no more ours to delete."""
        for volume in kept_volumes(self._ec2, self._unfinished, self._instance_id):
            if volume.state == "in-use":
                unmark(self._ec2, volume.volume_id)
            else:
                delete_volume(self._ec2, self._book, volume.volume_id)

    def _new_volumes(self, order: InstanceOrder) -> dict[str, str]:
        """Device -> volume, all available or in place; made before anything is taken off."""
        in_place = self._in_place()
        return {
            device: in_place.get(device)
            or create_volume(self._ec2, self._book, self._waiting, self._unfinished, volume, f"exchange {device}")
            for device, volume in order.volumes.items()
        }

    def _in_place(self) -> dict[str, str]:
        """Device -> volume of what this attempt has attached already."""
        ours = self._made_volumes() | self._made_volumes(RESTORED)
        instance = describe_instance(self._ec2, self._instance_id)
        attached = {str(one["DeviceName"]): str(one["Ebs"]["VolumeId"]) for one in mappings_of(instance)}
        return {device: volume_id for device, volume_id in attached.items() if volume_id in ours}

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
            mark_kept(self._ec2, self._unfinished, instance, one)
        for one in old.values():
            self._detach(str(one["Ebs"]["VolumeId"]))
        for device, volume_id in new.items():
            if attached.get(device, {}).get("Ebs", {}).get("VolumeId") != volume_id:
                self._attach(volume_id, device, goes=deletes_with_instance(order, device))

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

    def _detach(self, volume_id: str) -> None:
        answer = self._ec2.try_call("DetachVolume", volume_id, VolumeId=volume_id, InstanceId=self._instance_id)
        if isinstance(answer, Refusal) and answer.code != "IncorrectState":
            raise self._ec2.meaning(answer, "DetachVolume", volume_id)
        wait_for_volume(self._ec2, self._waiting, volume_id, "available")

    def _attach(self, volume_id: str, device: str, *, goes: bool) -> None:
        wait_for_volume(self._ec2, self._waiting, volume_id, "available")
        self._ec2.call("AttachVolume", volume_id, VolumeId=volume_id, InstanceId=self._instance_id, Device=device)
        wait_for_volume(self._ec2, self._waiting, volume_id, "in-use")
        self._ec2.call(
            "ModifyInstanceAttribute",
            self._instance_id,
            InstanceId=self._instance_id,
            BlockDeviceMappings=[{"DeviceName": device, "Ebs": {"DeleteOnTermination": goes}}],
        )

    def _type_back(self, kept: list[KeptVolume]) -> None:
        instance: Mapping[str, Any] = describe_instance(self._ec2, self._instance_id)
        for volume in kept[:1]:
            if volume.instance_type != instance["InstanceType"]:
                wait_for_instance(self._ec2, self._waiting, self._instance_id, "stopped")
                wanted = {"Value": volume.instance_type}
                self._ec2.call(
                    "ModifyInstanceAttribute", self._instance_id, InstanceId=self._instance_id, InstanceType=wanted
                )


def _known(volume_id: str, token: str) -> str:
    return volume_id
