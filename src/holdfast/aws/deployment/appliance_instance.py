"""An appliance as an EC2 instance: its group, then the instance, each in the ledger before it exists.

What is made twice by a lost answer is made once: the group has a name of its own, the instance a client token. When a
step fails the caller removes what the ledger says (`cleaning.py`), the same way that it does after a crash.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from holdfast.aws.bundle.user_data import BootOrder, user_data
from holdfast.aws.clients import NEW_THINGS_POLICY, PatientClient
from holdfast.aws.deployment.bundle_store import certificate_key
from holdfast.aws.deployment.deployment_ledger import DeploymentLedger
from holdfast.aws.deployment.network import Site, allow, create_group, find_group
from holdfast.aws.ec2.states import find_instance, state_reason
from holdfast.aws.errors import NO_DISK, is_unknown_group, is_unknown_profile
from holdfast.aws.stock_images import stock_image
from holdfast.domain.errors import CancelledError, HoldfastError, UnavailableError
from holdfast.patience import REAL_WAITING, Patience, Waiting
from holdfast.plugin_api import DeployOrder
from holdfast.signed_http.aws_answers import Refusal

# By processor: the type that an appliance has unless another is named.
DEFAULT_TYPES = {"x86_64": "t3.medium", "arm64": "t4g.medium"}
VOLUME_GIB = 16
LOOK_SECONDS = 1.0
RUNNING_SECONDS = 600.0
SERVER_CERTIFICATE = "server-certificate.pem"


@dataclass(frozen=True, slots=True)
class LaunchOrder:
    """An appliance to be launched, and what the stack has for it. `deployment` names it until it names itself."""

    order: DeployOrder
    deployment: str
    site: Site
    bucket: str
    bundle_key: str
    bundle_sha256: str
    architecture: str
    instance_profile: str
    server_certificate: str
    kms_key_arn: str


@dataclass(frozen=True, slots=True)
class LaunchedInstance:
    """An instance that runs."""

    instance_id: str
    private_address: str
    public_address: str | None
    image_id: str


class ApplianceInstances:
    """Launches and ends them in one region."""

    def __init__(self, ec2: PatientClient, ledger: DeploymentLedger, waiting: Waiting = REAL_WAITING) -> None:
        self._ec2 = ec2
        self._ledger = ledger
        self._waiting = waiting

    def launch(
        self, launch: LaunchOrder, say: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> LaunchedInstance:
        """Group and instance; returns when it runs. Raises QuotaReachedError, PermissionDeniedError, …"""
        order = launch.order
        image_id = stock_image(self._ec2, launch.architecture)
        group_id = order.security_group_id or self._group(launch, say)
        _stop_if(cancelled)
        instance_id = self._ledger.create_by_one_call(
            "instance", order.name, lambda token: self._run(launch, image_id, group_id, token, cancelled)
        )
        say(f"instance {instance_id} is launched ({_type(launch)}, image {image_id})")
        return self._running(instance_id, image_id, cancelled)

    def console(self, instance_id: str) -> str:
        """The end of what it wrote to its console, for a person."""
        answer = self._ec2.try_call("GetConsoleOutput", instance_id, InstanceId=instance_id, Latest=True)
        if isinstance(answer, Refusal):
            return ""
        text = str(answer.get("Output") or "")  # botocore has decoded it
        return " | ".join(line.strip() for line in text.splitlines()[-5:] if line.strip())

    def state(self, instance_id: str) -> str | None:
        """AWS's word; None when it is gone."""
        found = find_instance(self._ec2, instance_id)
        return str(found["State"]["Name"]) if found else None

    def _group(self, launch: LaunchOrder, say: Callable[[str], None]) -> str:
        name = f"holdfast-appliance-{launch.deployment[:12]}"
        there = find_group(self._ec2, launch.site.vpc_id, name)

        def make(token: str) -> str:
            tags = self._ledger.tags(launch.order.name)
            return there or create_group(self._ec2, self._waiting, launch.site, name, tags)

        group_id = self._ledger.create_by_one_call("security-group", name, make)
        allow(self._ec2, group_id, launch.site.sources, launch.order.port)
        say(f"security group {group_id} lets {', '.join(launch.site.sources)} in at port {launch.order.port}")
        return group_id

    def _run(self, launch: LaunchOrder, image_id: str, group_id: str, token: str, cancelled: Callable[[], bool]) -> str:
        """The stack's profile and a group of ours may have been made a moment ago; a person's group is there or not."""
        what, words = f"appliance {launch.order.name}", self._words(launch, image_id, group_id, token)
        patience = Patience(NEW_THINGS_POLICY, self._waiting)
        while isinstance(answer := self._ec2.try_call("RunInstances", what, **words), Refusal):
            error = self._ec2.meaning(answer, "RunInstances", what)
            is_ours = launch.order.security_group_id is None
            if not (is_unknown_profile(answer) or (is_ours and is_unknown_group(answer))):
                raise error
            _stop_if(cancelled)
            patience.wait_or_raise(UnavailableError(error.what, why=error.why, cure="run it again"))
        return str(answer["Instances"][0]["InstanceId"])

    def _words(self, launch: LaunchOrder, image_id: str, group_id: str, token: str) -> dict[str, Any]:
        order = launch.order
        tags = [{"Key": key, "Value": value} for key, value in self._ledger.tags(order.name).items()]
        words: dict[str, Any] = {
            "ClientToken": token,
            "MinCount": 1,
            "MaxCount": 1,
            "ImageId": image_id,
            "InstanceType": _type(launch),
            "IamInstanceProfile": {"Name": launch.instance_profile},
            "UserData": user_data(self._boot(launch)),
            "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1, "HttpEndpoint": "enabled"},
            "InstanceInitiatedShutdownBehavior": "stop",
            "BlockDeviceMappings": [
                {
                    "DeviceName": "/dev/xvda",
                    "Ebs": {
                        "VolumeSize": VOLUME_GIB,
                        "VolumeType": "gp3",
                        "Encrypted": True,
                        "DeleteOnTermination": True,
                    },
                }
            ],
            "NetworkInterfaces": [
                {
                    "DeviceIndex": 0,
                    "SubnetId": launch.site.subnet_id,
                    "Groups": [group_id],
                    "AssociatePublicIpAddress": order.public_address,
                    "DeleteOnTermination": True,
                }
            ],
            "TagSpecifications": [
                {"ResourceType": kind, "Tags": tags} for kind in ("instance", "volume", "network-interface")
            ],
        }
        return words | ({"KeyName": order.key_name} if order.key_name else {})

    def _boot(self, launch: LaunchOrder) -> BootOrder:
        """Paths are relative: the script runs in the home of root, where files that are handed in are, too."""
        command = (
            "appliance",
            "run",
            "--home",
            "appliance",
            "--listen",
            f"0.0.0.0:{launch.order.port}",
            "--trust-server",
            SERVER_CERTIFICATE,
            "--announce-to",
            f"s3://{launch.bucket}/{certificate_key(launch.deployment)}",
            # What it has sealed can be opened by the next appliance of the stack when this one's disk is gone.
            "--kms-key",
            launch.kms_key_arn,
        )
        return BootOrder(
            launch.bucket,
            launch.bundle_key,
            launch.bundle_sha256,
            self._ec2.region,
            command,
            None,
            files=((SERVER_CERTIFICATE, launch.server_certificate),),
        )

    def _running(self, instance_id: str, image_id: str, cancelled: Callable[[], bool]) -> LaunchedInstance:
        began_seconds = self._waiting.monotonic()
        while True:
            found = find_instance(self._ec2, instance_id)
            state = found["State"]["Name"] if found else "not visible yet"
            if found and state == "running":
                return LaunchedInstance(
                    instance_id, str(found["PrivateIpAddress"]), found.get("PublicIpAddress"), image_id
                )
            if state not in ("pending", "not visible yet"):
                raise self._ended(instance_id, state, *state_reason(found or {}))
            if self._waiting.monotonic() - began_seconds > RUNNING_SECONDS:
                raise UnavailableError(
                    f"instance {instance_id} does not run",
                    why=f"it is {state} for {RUNNING_SECONDS:.0f} s",
                    cure="deploy again, perhaps in another zone",
                )
            _stop_if(cancelled)
            self._waiting.sleep(LOOK_SECONDS)

    def _ended(self, instance_id: str, state: str, code: str, message: str) -> HoldfastError:
        cure = "see what AWS says of it, then deploy again"
        if code == NO_DISK:
            cure = (
                "mostly these are KMS rights: where the account's default key for EBS is your own, allow its use to "
                "the server's credentials (VolumeKeys and LendVolumeKeys in docs/permissions.md), then deploy again"
            )
        return HoldfastError(
            f"instance {instance_id} does not run",
            why=f"it is {state}: {message or self.console(instance_id) or 'AWS does not say why'}",
            cure=cure,
        )


def _type(launch: LaunchOrder) -> str:
    return launch.order.instance_type or DEFAULT_TYPES[launch.architecture]


def _stop_if(cancelled: Callable[[], bool]) -> None:
    if cancelled():
        raise CancelledError("the deployment was cancelled", why="somebody asked for it", cure="run it again")
