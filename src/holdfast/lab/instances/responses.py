"""What requests to EC2 ask for beyond what moto reads from them: launches, images, sets of snapshots, consoles."""

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field
from typing import Any, cast

from moto.core.responses import ActionResult, EmptyResult
from moto.core.utils import utcnow
from moto.ec2 import urls
from moto.ec2.exceptions import EC2ClientError, InvalidParameterCombination
from moto.ec2.models.instances import Reservation
from moto.ec2.responses import EC2Response
from moto.ec2.utils import parse_user_data

from holdfast.lab.instances.backend import InstancesBackend
from holdfast.lab.instances.power import STOPPED

# What an instance may have changed only while it is stopped.
_ONLY_STOPPED = ("UserData", "InstanceType", "EbsOptimized", "Kernel", "Ramdisk")


@dataclass(slots=True)
class Launch:
    """What a client token stands for: the parameters it came with, and the reservation or volume they led to."""

    fingerprint: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    made_id: str | None = None


class Launches:
    """All client tokens of a lab, by account, region and token."""

    def __init__(self) -> None:
        self._launches: dict[tuple[str, str, str], Launch] = {}
        self._lock = threading.Lock()

    def of(self, account: str, region: str, token: str, fingerprint: str) -> Launch:
        """The launch that a token stands for. EC2's error where other parameters came with it."""
        with self._lock:
            launch = self._launches.setdefault((account, region, token), Launch(fingerprint))
        if launch.fingerprint != fingerprint:
            words = "The request uses the same client token as a previous, but non-identical request."
            raise EC2ClientError("IdempotentParameterMismatch", words)
        return launch


class LabEC2Response(EC2Response):
    """EC2's actions. What is not here is moto's."""

    launches = Launches()

    @property
    def backend(self) -> InstancesBackend:
        """EC2 in the account and region of the request."""
        return cast(InstancesBackend, self.ec2_backend)

    # ------------------------------------------------------------------------------------------------------ instances

    def run_instances(self) -> ActionResult:
        """Launch instances, once for each client token."""
        token = self._get_param("ClientToken")
        if not token or self._get_param("DryRun"):
            return ActionResult(self._launch())
        launch = self._launch_of(token)
        with launch.lock:
            known = self.backend.reservations.get(launch.made_id or "")
            if known is None:
                known = self._launch()
                launch.made_id = known.id
        return ActionResult(known)

    def create_volume(self) -> ActionResult:
        """Create a volume, once for each client token."""
        token = self._get_param("ClientToken")
        if not token or self._get_param("DryRun"):
            return super().create_volume()
        launch = self._launch_of(token)
        with launch.lock:
            known = self.backend.volumes.get(launch.made_id or "")
            if known is not None:
                return ActionResult(known)
            answer = super().create_volume()
            launch.made_id = cast(Any, answer.result).id
        return answer

    def get_ebs_default_kms_key_id(self) -> ActionResult:
        """The key that encrypts where none is named."""
        return ActionResult({"KmsKeyId": self.backend.default_key_name()})

    def _launch_of(self, token: str) -> Launch:
        asked = {name: value for name, value in self.params.items() if name != "ClientToken"}
        fingerprint = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()
        return self.launches.of(self.current_account, self.region, token, fingerprint)

    def _launch(self) -> Reservation:
        facts = self._launch_facts()
        if facts["nics"] and (facts["subnet_id"] or facts["security_group_ids"]):
            raise InvalidParameterCombination(
                "Network interfaces and an instance-level subnet ID or security groups may not be specified on the "
                "same request"
            )
        low, high = int(self._get_param("MinCount") or 1), int(self._get_param("MaxCount") or 1)
        if not 1 <= low <= high:
            raise EC2ClientError("InvalidParameterValue", "MinCount must be at least 1 and not above MaxCount.")
        count = max(low, min(high, self.backend.room_for(facts["instance_type"])))
        user_data = parse_user_data(self._get_param("UserData"))
        self.error_on_dryrun()
        return self.backend.run_instances(
            self._get_param("ImageId") or "", count, user_data, self._get_param("SecurityGroups", []), **facts
        )

    def _launch_facts(self) -> dict[str, Any]:
        get = self._get_param
        return {
            "instance_type": get("InstanceType", "m1.small"),
            "is_instance_type_default": not get("InstanceType"),
            "placement": get("Placement.AvailabilityZone"),
            "placement_hostid": get("Placement.HostId"),
            "region_name": self.region,
            "subnet_id": get("SubnetId"),
            "key_name": get("KeyName"),
            "security_group_ids": get("SecurityGroupIds", []),
            "nics": get("NetworkInterfaces", []),
            "private_ip": get("PrivateIpAddress"),
            "associate_public_ip": get("AssociatePublicIpAddress"),
            "tags": self._parse_tag_specification(),
            "ebs_optimized": get("EbsOptimized") or False,
            "disable_api_stop": get("DisableApiStop") or False,
            "disable_api_termination": get("DisableApiTermination") or False,
            "instance_market_options": get("InstanceMarketOptions.MarketType", {}),
            "instance_initiated_shutdown_behavior": get("InstanceInitiatedShutdownBehavior"),
            "launch_template": get("LaunchTemplate", {}),
            "hibernation_options": get("HibernationOptions", {}),
            "iam_instance_profile_name": get("IamInstanceProfile.Name"),
            "iam_instance_profile_arn": get("IamInstanceProfile.Arn"),
            "monitoring_state": "enabled" if get("Monitoring.Enabled") else "disabled",
            "ipv6_address_count": self._get_int_param("Ipv6AddressCount"),
            "metadata_options": get("MetadataOptions", {}),
            "client_token": get("ClientToken", ""),
            "block_device_mappings": get("BlockDeviceMappings", []),
        }

    def start_instances(self) -> ActionResult:
        """Start instances."""
        return self._as_they_are(super().start_instances(), "StartingInstances")

    def stop_instances(self) -> ActionResult:
        """Stop instances."""
        return self._as_they_are(super().stop_instances(), "StoppingInstances")

    def terminate_instances(self) -> ActionResult:
        """Terminate instances."""
        return self._as_they_are(super().terminate_instances(), "TerminatingInstances")

    def _as_they_are(self, answer: ActionResult, name: str) -> ActionResult:
        """moto says what a change leads to, also of instances that it does not change."""
        for change in cast(dict[str, Any], answer.result)[name]:
            instance = self.backend.lab_instance(change["InstanceId"])
            change["CurrentState"] = {"Code": instance.state_code, "Name": instance.state}
        return answer

    def monitor_instances(self) -> ActionResult:  # type: ignore[override]
        """Watch instances once a minute from now on."""
        return self._monitored("enabled", "pending")

    def unmonitor_instances(self) -> ActionResult:  # type: ignore[override]
        """Watch them as all others are."""
        return self._monitored("disabled", "disabling")

    def _monitored(self, state: str, told: str) -> ActionResult:
        found = [self.backend.lab_instance(one) for one in self._get_param("InstanceIds", [])]
        self.error_on_dryrun()
        for instance in found:
            instance.monitoring_state = state
        changes = [{"InstanceId": one.id, "Monitoring": {"State": told}} for one in found]
        return ActionResult({"InstanceMonitorings": changes})

    def get_console_output(self) -> ActionResult:
        """What the instance has written to its console."""
        instance = self.backend.lab_instance(self._get_param("InstanceId"))
        text = base64.b64encode(instance.power.folder.console_tail()).decode()
        return ActionResult({"InstanceId": instance.id, "Timestamp": utcnow(), "Output": text})

    def describe_instance_attribute(self) -> ActionResult:
        """One attribute of an instance."""
        if self._get_param("Attribute") != "blockDeviceMapping":
            return super().describe_instance_attribute()
        instance = self.backend.lab_instance(self._get_param("InstanceId"))
        return ActionResult({"InstanceId": instance.id, "BlockDeviceMappings": instance.block_device_mappings})

    def modify_instance_attribute(self) -> ActionResult:
        """Change one attribute of an instance."""
        instance = self.backend.lab_instance(self._get_param("InstanceId"))
        named = self._get_param("Attribute") or ""
        for attribute in _ONLY_STOPPED:
            asked = self._get_param(f"{attribute}.Value") is not None or named.lower() == attribute.lower()
            if asked and instance.state != STOPPED:
                words = f"The instance '{instance.id}' is not in the 'stopped' state."
                raise EC2ClientError("IncorrectInstanceState", words)
        text = self._get_param("UserData.Value")
        if text is not None:
            self.error_on_dryrun()
            # The parser has decoded it already, as a blob of EC2's model.
            encoded = base64.b64encode(text).decode() if isinstance(text, bytes) else str(text)
            instance.user_data = parse_user_data(encoded)
            return EmptyResult()
        behavior = self._get_param("InstanceInitiatedShutdownBehavior.Value")
        if behavior is None:
            return super().modify_instance_attribute()
        self.error_on_dryrun()
        instance.instance_initiated_shutdown_behavior = behavior
        return EmptyResult()

    # ------------------------------------------------------------------------------------------- images and snapshots

    def register_image(self) -> ActionResult:
        """Register an image from snapshots."""
        self.error_on_dryrun()
        facts = {name: value for name, value in self.params.items() if name not in ("Name", "Description")}
        image = self.backend.register_image(self._get_param("Name"), self._get_param("Description", ""), **facts)
        image.add_tags(self._parse_tag_specification().get("image", {}))
        return ActionResult({"ImageId": image.id})

    def create_image(self) -> ActionResult:
        """Make an image of an instance."""
        self.error_on_dryrun()
        image = self.backend.create_image(
            self._get_param("InstanceId"),
            self._get_param("Name"),
            self._get_param("Description", ""),
            self._get_param("TagSpecifications", []),
            BlockDeviceMappings=self._get_param("BlockDeviceMappings", []),
        )
        return ActionResult({"ImageId": image.id})

    def create_snapshots(self) -> ActionResult:
        """Snapshot the volumes of an instance together."""
        self.error_on_dryrun()
        tags = self._parse_tag_specification().get("snapshot", {})
        made = self.backend.create_snapshots(
            self._get_param("InstanceSpecification", {}),
            self._get_param("Description", ""),
            tags,
            copy_tags=self._get_param("CopyTagsFromSource") == "volume",
        )
        return ActionResult({"Snapshots": made})

    def copy_snapshot(self) -> ActionResult:
        """Copy a snapshot into the region that is asked; a destination may only be that one."""
        if self._get_param("DestinationRegion", self.region) != self.region:
            raise EC2ClientError("InvalidParameterValue", f"The destination is {self.region}, which is asked.")
        if not self._get_param("SourceRegion"):
            raise EC2ClientError("MissingParameter", "The request must contain the parameter SourceRegion")
        self.error_on_dryrun()
        tags = self._parse_tag_specification().get("snapshot", {})
        made = self.backend.copy_snapshot(
            self._get_param("SourceSnapshotId"),
            self._get_param("SourceRegion"),
            self._get_param("Description", ""),
            self._get_param("KmsKeyId"),
            encrypted=self._get_bool_param("Encrypted", False),
        )
        made.add_tags(tags)
        return ActionResult({"SnapshotId": made.id, "Tags": made.tag_set})

    def describe_snapshots(self) -> ActionResult:
        """Snapshots, of certain owners where they are named."""
        found = self.backend.describe_snapshots(
            snapshot_ids=self._get_param("SnapshotIds", []), filters=self._filters_from_querystring()
        )
        owners = {self.current_account if o == "self" else o for o in self._get_param("OwnerIds", [])}
        if owners:
            found = [snapshot for snapshot in found if snapshot.owner_id in owners]
        return ActionResult({"Snapshots": found})


def install_responses() -> None:
    """Make moto read requests to EC2 by these rules."""
    LabEC2Response.launches = Launches()
    urls.url_paths["{0}/"] = LabEC2Response.dispatch
