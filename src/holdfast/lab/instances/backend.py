"""EC2 as the lab has it: `install` makes moto build its backends from here, with instances that run.

moto's own launch is kept for what it checks; volumes, addresses, states and time are the lab's.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, cast

from moto.ec2.exceptions import (
    EC2ClientError,
    InvalidInstanceIdError,
    OperationDisableApiStopNotPermitted,
    OperationNotPermitted4,
)
from moto.ec2.models import ec2_backends, elastic_network_interfaces, instances
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import Instance, InstanceState, MetadataOptions, Reservation
from moto.ec2.utils import filter_dict_attribute_mapping, filter_iam_instance_profiles
from moto.iam.exceptions import NotFoundException

from holdfast.lab.ec2_volumes import LabVolume
from holdfast.lab.instances.attachment_operations import AttachmentOperations
from holdfast.lab.instances.block_devices import DEFAULT_ROOT_GIB, BlockDevice, merged
from holdfast.lab.instances.images import LabImage
from holdfast.lab.instances.interfaces import LabNetworkInterface
from holdfast.lab.instances.lab_instance import CLIENT_ERROR, LabInstance
from holdfast.lab.instances.power import (
    PENDING,
    RUNNING,
    SHUTTING_DOWN,
    STOPPED,
    STOPPING,
    TERMINATED,
    InstanceWorld,
    Power,
)

# How long a terminated instance is still shown.
SHOWN_SECONDS = 3600
Change = tuple[Instance, InstanceState]


class InstancesBackend(AttachmentOperations):
    """moto's EC2 in one account and region."""

    world: ClassVar[InstanceWorld]

    # -------------------------------------------------------------------------------------------------------- launch

    def run_instances(
        self, image_id: str, count: int, user_data: Any, security_group_names: list[str], **facts: Any
    ) -> Reservation:
        """Launch instances; their processes start when they are `running`."""
        template = self._get_template_from_args(facts["launch_template"]).data if facts.get("launch_template") else {}
        image = self.image(image_id or template.get("ImageId", ""))
        instance_type = facts.get("instance_type") or "m1.small"
        if facts.get("is_instance_type_default", True):
            instance_type = template.get("InstanceType") or instance_type
        self._check_type(instance_type, image.architecture or "x86_64", count)
        asked = facts.pop("block_device_mappings", None) or template.get("BlockDeviceMappings") or ()
        devices = [self._launchable(device) for device in merged(self._devices_of(image), asked)]
        profile_name, profile_arn = facts.get("iam_instance_profile_name"), facts.get("iam_instance_profile_arn")
        if profile_name or profile_arn:
            self._check_profile(profile_name, profile_arn)
        key_name = facts.get("key_name") or template.get("KeyName")
        if key_name and key_name not in self.key_pairs:
            raise EC2ClientError("InvalidKeyPair.NotFound", f"The key pair '{key_name}' does not exist")
        self._choose_subnet(facts)
        self._check_room(instance_type, facts)
        facts.setdefault("region_name", self.region_name)
        facts.setdefault("is_instance_type_default", True)
        tags = facts.get("tags") or {}
        reservation = super().run_instances(
            image.id,
            count,
            user_data,
            security_group_names,
            interface_tags=tags.get("network-interface", {}),
            block_device_mappings=[],
            **facts,
        )
        failure = self.world.faults.launch
        for instance in reservation.instances:
            for device in devices:
                if self._make_volume(instance, device, tags.get("volume", {})).vanishes:
                    failure = failure or CLIENT_ERROR
            if profile_name or profile_arn:
                self.associate_iam_instance_profile(
                    instance.id, iam_instance_profile_name=profile_name, iam_instance_profile_arn=profile_arn
                )
        for instance in reservation.instances:
            if failure:
                cast(LabInstance, instance).fail(failure)
            else:
                _power(instance).start()
        return reservation

    def _check_type(self, instance_type: str, architecture: str, count: int) -> None:
        known = INSTANCE_TYPES.get(instance_type)
        if known is None:
            raise EC2ClientError("InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType.")
        supported = known["ProcessorInfo"]["SupportedArchitectures"]
        if architecture not in supported:
            words = (
                f"The architecture '{','.join(supported)}' of the specified instance type does not match the "
                f"architecture '{architecture}' of the specified AMI."
            )
            raise EC2ClientError("InvalidParameterValue", words)
        if count > self.room_for(instance_type):
            words = (
                "You have requested more vCPU capacity than your current vCPU limit of "
                f"{self.world.faults.vcpus} allows for the instance bucket that the specified instance type belongs to."
            )
            raise EC2ClientError("VcpuLimitExceeded", words)

    def _check_room(self, instance_type: str, facts: dict[str, Any]) -> None:
        """EC2's errors for a type that a zone does not have, or of which there is none left there."""
        interfaces = facts.get("nics") or [{}]
        subnet_id = facts.get("subnet_id") or interfaces[0].get("SubnetId")
        zone = self.get_subnet(subnet_id).availability_zone if subnet_id else ""
        meant = {instance_type, f"{instance_type}@{zone}"}
        if meant & set(self.world.faults.not_offered):
            words = (
                f"Your requested instance type ({instance_type}) is not supported in your requested Availability Zone"
            )
            raise EC2ClientError("Unsupported", f"{words} ({zone}).")
        if meant & set(self.world.faults.no_room):
            words = (
                f"We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested"
            )
            raise EC2ClientError("InsufficientInstanceCapacity", f"{words} ({zone}).")

    def room_for(self, instance_type: str) -> int:
        """How many more instances of a type the account's quota has room for in this region."""
        using = sum(_vcpus(i.instance_type) for i in self.all_instances() if i.state in (PENDING, RUNNING))
        return max(0, (self.world.faults.vcpus - using) // max(1, _vcpus(instance_type)))

    @staticmethod
    def _devices_of(image: Any) -> Sequence[BlockDevice]:
        return image.devices if isinstance(image, LabImage) else ()

    def _launchable(self, device: BlockDevice) -> BlockDevice:
        """With its size; EC2's error where the volume could not be made."""
        if device.snapshot_id is None:
            return device if device.size_gib else replace(device, size_gib=DEFAULT_ROOT_GIB)
        snapshot = self.get_snapshot(device.snapshot_id)
        self.usable_snapshot(device.snapshot_id)
        size_gib = device.size_gib or snapshot.volume.size
        if size_gib < snapshot.volume.size:
            least = f"expect size >= {snapshot.volume.size}GB"
            words = f"Volume of size {size_gib}GB is smaller than snapshot '{snapshot.id}', {least}"
            raise EC2ClientError("InvalidBlockDeviceMapping", words)
        return replace(device, size_gib=size_gib)

    def _make_volume(self, instance: Any, device: BlockDevice, tags: dict[str, str]) -> LabVolume:
        volume = self.create_volume(
            size=device.size_gib,
            zone_name=instance.availability_zone,
            snapshot_id=device.snapshot_id,
            encrypted=device.encrypted,
            kms_key_id=device.kms_key_id,
            volume_type=device.volume_type,
            iops=device.iops,
            throughput=device.throughput,
        )
        self.put_in(volume, instance, device.device, device.delete_on_termination, at_once=True)
        volume.add_tags(tags)
        return volume

    def _check_profile(self, name: str | None, arn: str | None) -> None:
        try:
            found = filter_iam_instance_profiles(self.account_id, self.partition, arn, name)
        except NotFoundException:
            found = None
        if found is None:
            kind, value = ("arn", arn) if arn else ("name", name)
            words = (
                f"Value ({value}) for parameter iamInstanceProfile.{kind} is invalid. "
                f"Invalid IAM Instance Profile {'ARN' if arn else 'name'}"
            )
            raise EC2ClientError("InvalidParameterValue", words)

    def _choose_subnet(self, facts: dict[str, Any]) -> None:
        interfaces = facts.get("nics") or []
        unplaced = [i for i in interfaces if not i.get("NetworkInterfaceId") and not i.get("SubnetId")]
        if facts.get("subnet_id") or (interfaces and not unplaced):
            return
        zone = facts.get("placement") or f"{self.region_name}a"
        subnet = self.get_default_subnets().get(zone)
        if subnet is None:
            raise EC2ClientError("MissingInput", f"No default subnet for availability zone: '{zone}'.")
        for interface in unplaced:
            interface["SubnetId"] = subnet.id
        if not interfaces:
            facts["subnet_id"] = subnet.id

    def associate_iam_instance_profile(self, *arguments: Any, **options: Any) -> Any:
        """Give an instance its profile."""
        return _with_profile(super().associate_iam_instance_profile(*arguments, **options))

    def replace_iam_instance_profile_association(self, *arguments: Any, **options: Any) -> Any:
        """Give an instance that runs another profile."""
        association_id = arguments[0] if arguments else options["association_id"]
        for association in list(self.iam_instance_profile_associations.values()):
            if association.association_id == association_id and association.instance.state != RUNNING:
                words = f"The instance '{association.instance.id}' is not in the 'running' state."
                raise EC2ClientError("IncorrectInstanceState", words)
        return _with_profile(super().replace_iam_instance_profile_association(*arguments, **options))

    # -------------------------------------------------------------------------------------------------------- states

    def start_instances(self, instance_ids: list[str]) -> list[Change]:
        """Boot instances that are stopped."""
        found = self.get_multi_instances_by_id(instance_ids)
        self._check_states(found, (PENDING, RUNNING, STOPPED), "started")
        for instance in found:
            if (
                instance.state == STOPPED
                and _vcpus(instance.instance_type)
                and not self.room_for(instance.instance_type)
            ):
                raise EC2ClientError("VcpuLimitExceeded", "Your vCPU limit has no room for this instance.")
        return [(instance, instance.start()) for instance in found]

    def stop_instances(self, instance_ids: list[str]) -> list[Change]:
        """Stop instances that may be."""
        found = self.get_multi_instances_by_id(instance_ids)
        self._check_states(found, (PENDING, RUNNING, STOPPING, STOPPED), "stopped")
        for instance in found:
            if _set(instance.disable_api_stop):
                raise OperationDisableApiStopNotPermitted(instance.id)
        return [(instance, instance.stop()) for instance in found]

    def terminate_instances(self, instance_ids: list[str]) -> list[Change]:
        """Terminate instances, all of them or, where one is protected, none."""
        found = self.get_multi_instances_by_id(instance_ids)
        for instance in found:
            if _set(instance.disable_api_termination) and instance.state not in (SHUTTING_DOWN, TERMINATED):
                raise OperationNotPermitted4(instance.id)
        return super().terminate_instances(instance_ids)

    @staticmethod
    def _check_states(found: list[Instance], allowed: tuple[str, ...], done: str) -> None:
        for instance in found:
            if instance.state not in allowed:
                words = f"The instance '{instance.id}' is not in a state from which it can be {done}."
                raise EC2ClientError("IncorrectInstanceState", words)

    # ------------------------------------------------------------------------------------------------------ describing

    def all_reservations(self, filters: Any = None) -> list[Reservation]:
        """Everything that is shown: a terminated instance for an hour."""
        now = self.service.now()
        for reservation in list(self.reservations.values()):
            gone = [i for i in reservation.instances if _terminated_before(i, now - SHOWN_SECONDS)]
            if not gone:
                # Another request may be launching into it: it has no instance yet, or gets one at this moment.
                continue
            # Not in place: other requests look at the list meanwhile.
            reservation.instances = [i for i in reservation.instances if i not in gone]
            for instance in gone:
                self.tags.pop(instance.id, None)
                _power(instance).folder.remove()
            if not reservation.instances:
                self.reservations.pop(reservation.id, None)
        return [one for one in super().all_reservations(filters) if one.instances]

    def modify_instance_metadata_options(self, instance_id: str, *arguments: Any, **asked: Any) -> MetadataOptions:
        """Change how the metadata service answers; what is not named stays."""
        instance = self.get_instance(instance_id)
        names = {
            "http_tokens": "HttpTokens",
            "hop_limit": "HttpPutResponseHopLimit",
            "http_endpoint": "HttpEndpoint",
            "http_protocol": "HttpProtocolIpv6",
            "metadata_tags": "InstanceMetadataTags",
        }
        had = instance.metadata_options
        options = {
            "HttpTokens": had.http_tokens,
            "HttpPutResponseHopLimit": had.http_put_response_hop_limit,
            "HttpEndpoint": had.http_endpoint,
            "HttpProtocolIpv6": had.http_protocol_ipv6,
            "InstanceMetadataTags": had.instance_metadata_tags,
        }
        options |= {name: asked[word] for word, name in names.items() if asked.get(word) is not None}
        instance.metadata_options = MetadataOptions(options)
        return instance.metadata_options

    def lab_instance(self, instance_id: str) -> LabInstance:
        """The instance, or EC2's error."""
        instance = self.get_instance(instance_id)
        if not isinstance(instance, LabInstance):
            raise InvalidInstanceIdError(instance_id)
        return instance


def _with_profile(association: Any) -> Any:
    # moto shows the association's id where EC2 shows the profile's.
    profile = association.iam_instance_profile
    association.instance.iam_instance_profile = {"Arn": profile.arn, "Id": profile.id}
    return association


def _power(instance: Instance) -> Power:
    return cast(LabInstance, instance).power


def _terminated_before(instance: Instance, moment: float) -> bool:
    return isinstance(instance, LabInstance) and instance.terminated_at is not None and instance.terminated_at < moment


def _vcpus(instance_type: str) -> int:
    known = INSTANCE_TYPES.get(instance_type)
    return int(known["VCpuInfo"]["DefaultVCpus"]) if known else 1


def _set(value: object) -> bool:
    return str(value).lower() == "true"


# moto finds the URLs of a backend next to the module that its class says it is from.
InstancesBackend.__module__ = "moto.ec2.models"


def install_instances(world: InstanceWorld) -> None:
    """From now on, moto builds its EC2 with instances that run. To be called after the volumes' `install`."""
    InstancesBackend.world = world
    ec2_backends.clear()
    ec2_backends.backend = InstancesBackend
    instances.Instance = LabInstance  # type: ignore[misc]
    elastic_network_interfaces.NetworkInterface = LabNetworkInterface  # type: ignore[misc]
    filter_dict_attribute_mapping.update(_MORE_FILTERS)


_MORE_FILTERS = {
    "client-token": "client_token",
    "instance-state-code": "state_code_text",
    "iam-instance-profile.arn": "profile_arn",
    "block-device-mapping.volume-id": "volume_ids",
    "network-interface.network-interface-id": "interface_ids",
    "root-device-name": "root_device_name",
}
