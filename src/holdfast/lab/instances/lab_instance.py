"""An instance of moto's with a life of its own: its state is its power's, its volumes and interfaces are EC2's."""

import base64
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.instances import Instance, InstanceState, MetadataOptions, StateReason
from moto.ec2.models.security_groups import SecurityGroup
from moto.iam.exceptions import NotFoundException
from moto.iam.models import InstanceProfile, iam_backends

from holdfast.lab.instances.interfaces import LabNetworkInterface
from holdfast.lab.instances.metadata_server import Metadata
from holdfast.lab.instances.metadata_tree import InstanceFacts, InterfaceFacts
from holdfast.lab.instances.power import CODES, RUNNING, SHUTTING_DOWN, STOPPED, STOPPING, TERMINATED, Power
from holdfast.lab.instances.role_credentials import RoleCredentials

USER_INITIATED = "Client.UserInitiatedShutdown"
INSTANCE_INITIATED = "Client.InstanceInitiatedShutdown"
_REASONS = {USER_INITIATED: "User initiated shutdown", INSTANCE_INITIATED: "Instance initiated shutdown"}
# Also where a volume's key cannot be used.
CLIENT_ERROR = "Client.InternalError"
# Why an instance ends before it runs (EC2 API reference, StateReason).
LAUNCH_FAILURES = {
    CLIENT_ERROR: "Client error on launch",
    "Client.InvalidSnapshot.NotFound": "The specified snapshot was not found",
    "Client.VolumeLimitExceeded": "Volume limit exceeded",
    "Server.InsufficientInstanceCapacity": "There was insufficient capacity available to satisfy the launch request",
    "Server.InternalError": "Internal error on launch",
}


class PowerState(InstanceState):
    """The state as moto reads it."""

    def __init__(self, power: Power) -> None:
        self._power = power

    @property
    def name(self) -> str:  # type: ignore[override]
        """The state's name."""
        return self._power.state

    @property
    def code(self) -> int:  # type: ignore[override]
        """The state's number."""
        return CODES[self._power.state]


class LabInstance(Instance):
    """An instance; nothing runs before `power.start()`."""

    def __init__(
        self, ec2_backend: Any, image_id: str, user_data: Any, security_groups: list[Any], **facts: Any
    ) -> None:
        self.nics = {}
        self.tags_of_interfaces: dict[str, str] = facts.pop("interface_tags", {})
        super().__init__(ec2_backend, image_id, user_data, security_groups, **facts)
        image = ec2_backend.amis.get(image_id)
        if image is not None and getattr(image, "imds_support", None) == "v2.0":
            self.metadata_options = MetadataOptions(
                {"HttpTokens": "required", "HttpPutResponseHopLimit": 2, **facts.get("metadata_options", {})}
            )
        world = ec2_backend.world
        self.launch_time = _moment(world.now())
        self.terminated_at: float | None = None
        self._credentials = RoleCredentials(self.owner_id, self.region_name, self.id, world.now)
        metadata = Metadata(self.facts, self._role_document, world.now)
        self.power = Power(
            world,
            self.id,
            metadata,
            self.user_data_bytes,
            self.off_from_inside,
            lambda: ec2_backend.on_terminated(self),
        )
        self._state = PowerState(self.power)

    # -------------------------------------------------------------------------------------------------------- states

    def start(self) -> InstanceState:
        """Boot again."""
        before = self._before()
        if before.name == STOPPED:
            self._reason, self.state_reason = "", StateReason()
            self.launch_time = _moment(self.ec2_backend.world.now())
            for interface in self.network_interfaces:
                interface.start()
            self.power.start()
        return before

    def stop(self) -> InstanceState:
        """Switch off; the volumes stay."""
        before = self._before()
        self._because(USER_INITIATED)
        self._stop()
        return before

    def _stop(self) -> None:
        for interface in self.network_interfaces:
            interface.stop()
        self.power.stop()

    def terminate(self) -> InstanceState:
        """Switch off for ever."""
        before = self._before()
        if before.name not in (SHUTTING_DOWN, TERMINATED):
            self._because(USER_INITIATED)
            self.power.terminate()
        return before

    def fail(self, code: str) -> None:
        """End before it has run, for one of the reasons in LAUNCH_FAILURES."""
        self.power.fail(lambda: self._because(code))

    def reboot(self) -> None:
        """Switch off and on."""
        self.power.reboot()

    def off_from_inside(self) -> None:
        """The instance has powered itself off."""
        if self.power.state == RUNNING:
            self._because(INSTANCE_INITIATED)
            if self.instance_initiated_shutdown_behavior == "terminate":
                self.power.terminate()
            else:
                self._stop()

    @property
    def instance_status(self) -> dict[str, Any]:
        """As DescribeInstanceStatus says it: `initializing` for a moment."""
        if self._state.name == RUNNING and not self.power.checked:
            return {"Details": [{"Name": "reachability", "Status": "initializing"}], "Status": "initializing"}
        since = self.power.impaired_since
        if since is not None:
            failed = {"Name": "reachability", "Status": "failed", "ImpairedSince": _moment(since)}
            return {"Details": [failed], "Status": "impaired"}
        return super().instance_status

    @property
    def system_status(self) -> dict[str, Any]:
        """The host's checks take as long, and never fail: the lab's hosts are this machine."""
        return self.instance_status if self.power.impaired_since is None else super().system_status

    def _before(self) -> InstanceState:
        return InstanceState(self._state.name, self._state.code)

    def _because(self, code: str) -> None:
        if self._state.name in (STOPPING, STOPPED, SHUTTING_DOWN, TERMINATED) and self._reason:
            return
        moment = _moment(self.ec2_backend.world.now())
        words = "User initiated" if code == USER_INITIATED else "Instance initiated"
        self._reason = code if code in LAUNCH_FAILURES else f"{words} ({moment:%Y-%m-%d %H:%M:%S} GMT)"
        self.state_reason = StateReason(f"{code}: {(_REASONS | LAUNCH_FAILURES)[code]}", code)

    # -------------------------------------------------------------------------------------------------- what it is of

    def user_data_bytes(self) -> bytes:
        """The user data, decoded."""
        return base64.b64decode(str(self.user_data)) if self.user_data else b""

    def profile(self) -> InstanceProfile | None:
        """The instance profile, if it is still there."""
        association = self.ec2_backend.iam_instance_profile_associations.get(self.id)
        if association is None:
            return None
        try:
            return iam_backends[self.owner_id][self.ec2_backend.partition].get_instance_profile(
                association.iam_instance_profile.name
            )
        except NotFoundException:
            return None

    def facts(self) -> InstanceFacts | None:
        """What its metadata service tells; None where the endpoint is switched off."""
        if self.metadata_options.http_endpoint == "disabled" or not self.nics:
            return None
        profile = self.profile()
        zone = self.ec2_backend.get_zone_by_name(self.availability_zone)
        shows_tags = self.metadata_options.instance_metadata_tags == "enabled"
        mapped = [(name, device.removeprefix("/dev/")) for name, device in (("root", self.root_device_name or ""),)]
        mapped += [
            ("ebs", name.removeprefix("/dev/"))
            for name, _ in self.get_block_device_mapping
            if name != self.root_device_name
        ]
        return InstanceFacts(
            instance_id=self.id,
            account=self.owner_id,
            region=self.region_name,
            zone=self.availability_zone or "",
            zone_id=zone.zone_id if zone else "",
            image_id=self.image_id,
            instance_type=self.instance_type,
            architecture=self.architecture or "x86_64",
            hostname=self.private_dns_name,
            public_address=self.public_ip,
            launched_at=f"{self.launch_time:%Y-%m-%dT%H:%M:%SZ}",
            security_groups=tuple(group.name for group in self.security_groups),
            interfaces=tuple(_interface_facts(nic) for _, nic in sorted(self.nics.items())),
            devices=tuple(mapped),
            tags=dict(self.ec2_backend.tags.get(self.id, {})) if shows_tags else None,
            user_data=self.user_data_bytes() if self.user_data else None,
            profile_arn=profile.arn if profile else None,
            profile_id=profile.id if profile else None,
            role=profile.roles[0].name if profile and profile.roles else None,
            key_name=self.key_name,
        )

    def _role_document(self) -> str:
        profile = self.profile()
        return self._credentials.document(profile.roles[0].arn) if profile and profile.roles else "{}"

    def frozen(self) -> AbstractContextManager[None]:
        """None of its processes runs meanwhile."""
        machine = self.power.machine
        return machine.frozen() if machine is not None else nullcontext()

    # Under these names filters find what an instance has.

    @property
    def state_code_text(self) -> str:
        """The state's number, as filters have it."""
        return str(self._state.code)

    @property
    def profile_arn(self) -> str | None:
        """The instance profile's ARN."""
        profile = self.profile()
        return profile.arn if profile else None

    @property
    def volume_ids(self) -> list[str]:
        """Its volumes."""
        return [block.volume_id for _, block in self.get_block_device_mapping]

    @property
    def interface_ids(self) -> list[str]:
        """Its interfaces."""
        return [interface.id for interface in self.nics.values()]

    # ----------------------------------------------------------------------------------------------------- interfaces

    def prep_nics(
        self,
        nic_spec: list[dict[str, Any]],
        private_ip: str | None = None,
        associate_public_ip: bool | None = None,
        security_groups: Sequence[SecurityGroup] | None = None,
        ipv6_address_count: int | None = None,
    ) -> None:
        """Make the interfaces that the request names, or the one that every instance has."""
        plain = {"DeviceIndex": 0, "SubnetId": self._subnet_id, "PrivateIpAddress": private_ip}
        made: list[LabNetworkInterface] = []
        try:
            for spec in nic_spec or [plain]:
                index = int(spec.get("DeviceIndex") or 0)
                interface_id = spec.get("NetworkInterfaceId")
                if interface_id:
                    interface = self.ec2_backend.get_network_interface(interface_id)
                    if interface.instance is not None:
                        raise in_use(interface_id)
                else:
                    interface = self._made(spec, index, associate_public_ip, security_groups)
                    made.append(interface)
                self.attach_eni(interface, index)
        except EC2ClientError:
            for interface in made:
                interface.delete()
            raise
        primary = self.nics[0]
        self._subnet_id = primary.subnet.id
        self._placement.zone = primary.subnet.availability_zone

    def _made(
        self, spec: dict[str, Any], index: int, public: bool | None, groups: Sequence[SecurityGroup] | None
    ) -> LabNetworkInterface:
        public = spec.get("AssociatePublicIpAddress", public)
        wish = spec.get("DeleteOnTermination")
        made: LabNetworkInterface = self.ec2_backend.create_network_interface(
            self.ec2_backend.get_subnet(spec.get("SubnetId") or self._subnet_id),
            spec.get("PrivateIpAddress"),
            spec.get("PrivateIpAddresses") or [],
            group_ids=spec.get("Groups") or [group.id for group in groups or ()],
            description=spec.get("Description") or "",
            tags=self.tags_of_interfaces,
            delete_on_termination=True if wish is None else wish is True,
            device_index=index,
            public_ip_auto_assign=bool(public) and index == 0,
            secondary_ips_count=spec.get("SecondaryPrivateIpAddressCount"),
        )
        return made

    def attach_eni(self, eni: Any, device_index: int) -> str:
        """Attach an interface at an index that is free."""
        if eni.instance is not None:
            raise in_use(eni.id)
        if int(device_index) in self.nics:
            words = f"Instance '{self.id}' already has an interface attached at device index '{device_index}'."
            raise EC2ClientError("InvalidParameterValue", words)
        attachment_id: str = super().attach_eni(eni, device_index)
        return attachment_id

    @property
    def security_groups(self) -> list[SecurityGroup]:
        """The groups of the primary interface, which is what EC2 calls the instance's."""
        primary = self.nics.get(0)
        return self._asked_groups if primary is None else list(primary._group_set)

    @security_groups.setter
    def security_groups(self, groups: list[SecurityGroup]) -> None:
        self._asked_groups = list(groups)
        primary = self.nics.get(0)
        if primary is not None:
            primary._group_set = list(groups)

    @property
    def private_ip(self) -> str | None:
        """The primary address; a terminated instance has none."""
        return self.nics[0].private_ip_address if 0 in self.nics else None

    @property
    def private_ip_address(self) -> str | None:
        """The primary address."""
        return self.private_ip

    @property
    def private_dns_name(self) -> str:
        """The name that follows from the address."""
        return str(super().private_dns_name) if self.private_ip else ""

    @property
    def public_ip(self) -> str | None:
        """The public address."""
        return self.nics[0].public_ip if 0 in self.nics else None

    @property
    def public_ip_address(self) -> str | None:
        """The public address."""
        return self.public_ip

    @property
    def block_device_mappings(self) -> list[dict[str, Any]]:
        """As DescribeInstances says it."""
        shown = []
        for device, block in self.get_block_device_mapping:
            volume = self.ec2_backend.volumes.get(block.volume_id)
            status = volume.attachment.status if volume is not None and volume.attachment else "detaching"
            ebs = {
                "VolumeId": block.volume_id,
                "Status": status,
                "AttachTime": block.attach_time,
                "DeleteOnTermination": block.delete_on_termination,
            }
            shown.append({"DeviceName": device, "Ebs": ebs})
        return shown


def in_use(interface_id: str) -> EC2ClientError:
    """The error for an interface that an instance has."""
    return EC2ClientError("InvalidNetworkInterface.InUse", f"Interface: [{interface_id}] in use.")


def _interface_facts(interface: Any) -> InterfaceFacts:
    return InterfaceFacts(
        mac=interface.mac_address,
        interface_id=interface.id,
        device_index=interface.device_index,
        addresses=interface.addresses,
        subnet_id=interface.subnet.id,
        subnet_cidr=interface.subnet.cidr_block,
        vpc_id=interface.subnet.vpc_id,
        security_group_ids=tuple(group.id for group in interface._group_set),
    )


def _moment(seconds: float) -> datetime:
    """moto's times have no zone and mean UTC."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
