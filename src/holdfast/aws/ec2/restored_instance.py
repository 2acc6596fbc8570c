"""An instance made again from snapshots: temporary image, launch, and what can only be said afterwards."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from holdfast.appliance.ports.cloud import InstanceOrder, MadeInstance, Ownership
from holdfast.aws.clients import SHOWN_AFTER_SECONDS, PatientClient
from holdfast.aws.ec2.discovery import mappings_of, standing_instances
from holdfast.aws.ec2.launch_request import deletes_with_instance, image_request, launch_request
from holdfast.aws.ec2.states import (
    Waits,
    is_reached,
    stop_instance,
    wait_for_image,
    wait_for_instance,
)
from holdfast.aws.ownership import as_list, owned_by, people_tags
from holdfast.aws.written_down import Book, token_of
from holdfast.domain.errors import ConflictError, HoldfastError
from holdfast.domain.ownership import PURPOSE, RESTORE, RESTORED
from holdfast.signed_http.aws_answers import Refusal

ADDRESS_IN_USE = "InvalidIPAddress.InUse"
ADDRESS_TIMEOUT_SECONDS = 3 * 60.0


class InstanceMaker:
    """Makes one instance. While it is unfinished it bears the purpose `restore`, so that it is cleared away if its
    maker dies; finished, `restored`.
    """

    def __init__(self, ec2: PatientClient, book: Book, waits: Waits, owner: Ownership) -> None:
        self._ec2 = ec2
        self._book = book
        self._waits = waits
        self._unfinished = replace(owner, purpose=RESTORE)
        self._finished = replace(owner, purpose=RESTORED)

    def make(self, order: InstanceOrder) -> MadeInstance:
        """Make it, or go on where an earlier call was cut off; nothing is left when it fails."""
        for instance in self._standing(RESTORED):
            self._drop_left_image()
            return _made(instance)
        try:
            image_id = self._image(order)
            instance_id = self._launch(order, image_id)
            instance = wait_for_instance(self._ec2, self._waits.making, instance_id, "running")
            made = self._complete(order, instance)
            if not order.power_on:
                stop_instance(self._ec2, self._waits.making, instance_id)
            self._protect(order, instance_id)
            self._finish(made)
        except HoldfastError:
            # What cannot be cleared away now bears our tags: the reaper finds it. The first error is what matters.
            with suppress(HoldfastError):
                self._clear_away()
            raise
        # The instance is finished: an image that stays bears our tags, and does not undo it.
        with suppress(HoldfastError):
            self._drop_image(image_id)
        return made

    def _image(self, order: InstanceOrder) -> str:
        """RegisterImage knows no client token; its name is the token."""
        name = f"holdfast-{token_of(self._unfinished, 'image', 'root')}"
        found = self._find_image(name)
        if found is None:
            found = self._book.create("image", self._unfinished, "root", lambda _token: self._register(order, name))
        wait_for_image(self._ec2, self._waits.making, found)
        if order.configuration.is_windows:
            self._require_platform(found, order.configuration.platform)
        return found

    def _require_platform(self, image_id: str, wanted: str) -> None:
        """EC2 API reference, RegisterImage: where PlatformDetails is not what it was, the image is of no use."""
        images = self._ec2.call("DescribeImages", image_id, ImageIds=[image_id])["Images"]
        platforms = [str(one.get("PlatformDetails") or "no platform") for one in images]
        if platforms != [wanted]:
            raise ConflictError(
                f"no image of {wanted} can be made of the root volume's snapshot",
                why=f"EC2 takes it for {', '.join(platforms) or 'gone'}: the snapshot says nothing of its platform",
                cure="launch an instance of an AMI with that platform, restore the volumes, and put them in its place",
            )

    def _register(self, order: InstanceOrder, name: str) -> str:
        """The name is taken where the answer to a call of ours was lost."""
        what, request = f"image {name}", image_request(self._unfinished, order, name)
        answer = self._ec2.try_call("RegisterImage", what, **request)
        if not isinstance(answer, Refusal):
            return str(answer["ImageId"])
        found: str | None = None

        def is_shown() -> bool:
            nonlocal found
            found = self._find_image(name)
            return found is not None

        if answer.code == "InvalidAMIName.Duplicate":
            is_reached(self._waits.making, SHOWN_AFTER_SECONDS, is_shown)
        if found is None:
            raise self._ec2.meaning(answer, "RegisterImage", what)
        return found

    def _find_image(self, name: str) -> str | None:
        filters = [{"Name": "name", "Values": [name]}]
        images = self._ec2.call("DescribeImages", f"image {name}", Owners=["self"], Filters=filters)["Images"]
        return str(images[0]["ImageId"]) if images else None

    def _launch(self, order: InstanceOrder, image_id: str) -> str:
        """The image's id is part of the token: a launch that was cleared away is not handed back as terminated."""
        request = launch_request(self._unfinished, order, image_id)
        what = f"an instance like {order.configuration.instance_id}"

        def run(token: str) -> str:
            answer = self._run(what, request | {"ClientToken": token})
            return str(answer["Instances"][0]["InstanceId"])

        return self._book.create("instance", self._unfinished, f"restored from {image_id}", run)

    def _run(self, what: str, request: dict[str, Any]) -> dict[str, Any]:
        """RunInstances. An address that was free when the restore began may have been given to one of its own workers,
        and is given back when that is gone, which EC2 takes its time for.
        """
        answer: dict[str, Any] | Refusal = {}

        def has_its_addresses() -> bool:
            nonlocal answer
            answer = self._ec2.try_call("RunInstances", what, **request)
            return not (isinstance(answer, Refusal) and answer.code == ADDRESS_IN_USE)

        is_reached(self._waits.making, ADDRESS_TIMEOUT_SECONDS, has_its_addresses)
        if isinstance(answer, Refusal):  # one that stays in use is somebody else's
            raise self._ec2.meaning(answer, "RunInstances", what)
        return answer

    def _complete(self, order: InstanceOrder, instance: Mapping[str, Any]) -> MadeInstance:
        """What RunInstances has no word for: tags of each volume and interface, and what may stay after the end."""
        instance_id = str(instance["InstanceId"])
        made = _made(instance)
        missing = sorted(set(order.volumes) - set(made.volumes))
        if missing:
            raise ConflictError(
                f"instance {instance_id} lacks volumes",
                why=f"EC2 has attached nothing at {', '.join(missing)}",
                cure="restore again",
            )
        for device, volume_id in made.volumes.items():
            if device in order.volumes:
                self._tag(volume_id, order.volumes[device].tags)
        staying = [device for device in order.volumes if not deletes_with_instance(order, device)]
        if staying:
            mappings = [{"DeviceName": device, "Ebs": {"DeleteOnTermination": False}} for device in staying]
            self._modify(instance_id, BlockDeviceMappings=mappings)
        self._interfaces(order, instance)
        return made

    def _interfaces(self, order: InstanceOrder, instance: Mapping[str, Any]) -> None:
        made = _by_index(instance)
        for wanted in order.interfaces:
            interface = made[wanted.device_index]
            interface_id = str(interface["NetworkInterfaceId"])
            self._tag(interface_id, wanted.tags)
            modify = {"NetworkInterfaceId": interface_id}
            if not wanted.source_dest_check:
                self._ec2.call(
                    "ModifyNetworkInterfaceAttribute", interface_id, **modify, SourceDestCheck={"Value": False}
                )
            if not wanted.delete_on_termination:
                attachment = {"AttachmentId": interface["Attachment"]["AttachmentId"], "DeleteOnTermination": False}
                self._ec2.call("ModifyNetworkInterfaceAttribute", interface_id, **modify, Attachment=attachment)
            if wanted.allocation_id:
                self._ec2.call(
                    "AssociateAddress",
                    wanted.allocation_id,
                    AllocationId=wanted.allocation_id,
                    NetworkInterfaceId=interface_id,
                    AllowReassociation=False,
                )

    def _protect(self, order: InstanceOrder, instance_id: str) -> None:
        """Last of all: a protected instance could not be cleared away."""
        if order.configuration.termination_protection:
            self._modify(instance_id, DisableApiTermination={"Value": True})
        if order.configuration.stop_protection:
            self._modify(instance_id, DisableApiStop={"Value": True})

    def _finish(self, made: MadeInstance) -> None:
        """It is the customer's now. The ledger's row of the unfinished one is closed before that of the finished one is
        written: a row that says `restore` would be cleared away.
        """
        interfaces = standing_instances(self._ec2, {"Name": "instance-id", "Values": [made.instance_id]})
        ids = [str(one["NetworkInterfaceId"]) for found in interfaces for one in found.get("NetworkInterfaces", ())]
        everything = [made.instance_id, *made.volumes.values(), *ids]
        self._ec2.call("CreateTags", made.instance_id, Resources=everything, Tags=[{"Key": PURPOSE, "Value": RESTORED}])
        self._book.gone("instance", made.instance_id)
        self._book.create("instance", self._finished, "finished", lambda token: made.instance_id)

    def _clear_away(self) -> None:
        for instance in self._standing(RESTORE):
            instance_id = str(instance["InstanceId"])
            self._modify(instance_id, DisableApiTermination={"Value": False})
            self._ec2.call("TerminateInstances", instance_id, InstanceIds=[instance_id])
            wait_for_instance(self._ec2, self._waits.undoing, instance_id, "terminated")
            self._book.gone("instance", instance_id)
        self._drop_left_image()

    def _standing(self, purpose: str) -> list[dict[str, Any]]:
        """What this task and attempt has made, by its purpose."""
        purposes = {"Name": f"tag:{PURPOSE}", "Values": [purpose]}
        return list(standing_instances(self._ec2, *owned_by(self._unfinished), purposes))

    def _drop_left_image(self) -> None:
        image_id = self._find_image(f"holdfast-{token_of(self._unfinished, 'image', 'root')}")
        if image_id is not None:
            self._drop_image(image_id)

    def _drop_image(self, image_id: str) -> None:
        answer = self._ec2.try_call("DeregisterImage", image_id, ImageId=image_id)
        if isinstance(answer, Refusal) and not answer.code.startswith("InvalidAMIID"):
            raise self._ec2.meaning(answer, "DeregisterImage", image_id)
        self._book.gone("image", image_id)

    def _tag(self, resource_id: str, tags: Mapping[str, str]) -> None:
        if wanted := people_tags(tags):
            self._ec2.call("CreateTags", resource_id, Resources=[resource_id], Tags=as_list(wanted))

    def _modify(self, instance_id: str, **attribute: Any) -> None:
        self._ec2.call("ModifyInstanceAttribute", instance_id, InstanceId=instance_id, **attribute)


def _made(instance: Mapping[str, Any]) -> MadeInstance:
    volumes = {str(one["DeviceName"]): str(one["Ebs"]["VolumeId"]) for one in mappings_of(instance)}
    addresses = tuple(str(one["PrivateIpAddress"]) for one in _by_index(instance).values())
    return MadeInstance(str(instance["InstanceId"]), volumes, addresses)


def _by_index(instance: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    interfaces = sorted(instance.get("NetworkInterfaces", ()), key=lambda one: int(one["Attachment"]["DeviceIndex"]))
    return {int(one["Attachment"]["DeviceIndex"]): one for one in interfaces}
