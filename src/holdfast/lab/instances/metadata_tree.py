"""What an instance can read about itself, by path: the part of AWS's tree that software on Debian asks for.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html
"""

import json
from dataclasses import dataclass
from typing import Any

META_DATA = "latest/meta-data/"
CREDENTIALS = f"{META_DATA}iam/security-credentials/"
IDENTITY = "latest/dynamic/instance-identity/document"


@dataclass(frozen=True, slots=True)
class InterfaceFacts:
    """A network interface as its instance sees it; the first address is the primary one."""

    mac: str
    interface_id: str
    device_index: int
    addresses: tuple[str, ...]
    subnet_id: str
    subnet_cidr: str
    vpc_id: str
    security_group_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """What EC2 knows of an instance at this moment. `tags` is None where they are not shown to the instance."""

    instance_id: str
    account: str
    region: str
    zone: str
    zone_id: str
    image_id: str
    instance_type: str
    architecture: str
    hostname: str
    public_address: str | None
    launched_at: str
    security_groups: tuple[str, ...]
    interfaces: tuple[InterfaceFacts, ...]
    devices: tuple[tuple[str, str], ...] = ()
    tags: dict[str, str] | None = None
    user_data: bytes | None = None
    profile_arn: str | None = None
    profile_id: str | None = None
    role: str | None = None
    key_name: str | None = None


def documents(facts: InstanceFacts) -> dict[str, bytes]:
    """Every path with its text, but the role's credentials."""
    primary = facts.interfaces[0]
    flat: dict[str, str] = {
        "ami-id": facts.image_id,
        "hostname": facts.hostname,
        "instance-action": "none",
        "instance-id": facts.instance_id,
        "instance-life-cycle": "on-demand",
        "instance-type": facts.instance_type,
        "local-hostname": facts.hostname,
        "local-ipv4": primary.addresses[0],
        "mac": primary.mac,
        "placement/availability-zone": facts.zone,
        "placement/availability-zone-id": facts.zone_id,
        "placement/region": facts.region,
        "security-groups": "\n".join(facts.security_groups),
        "services/domain": "amazonaws.com",
        "services/partition": "aws",
    }
    if facts.public_address:
        flat["public-ipv4"] = facts.public_address
    if facts.key_name:
        flat["public-keys/0/openssh-key"] = facts.key_name
    for position, (kind, device) in enumerate(facts.devices):
        flat[f"block-device-mapping/{kind}{position if kind == 'ebs' else ''}"] = device
    for interface in facts.interfaces:
        flat |= _interface(interface, facts)
    for key, value in (facts.tags or {}).items():
        flat[f"tags/instance/{key}"] = value
    if facts.profile_arn:
        info = {"Code": "Success", "LastUpdated": facts.launched_at}
        flat["iam/info"] = json.dumps(
            {**info, "InstanceProfileArn": facts.profile_arn, "InstanceProfileId": facts.profile_id}, indent=2
        )
    if facts.role:
        flat[f"iam/security-credentials/{facts.role}"] = ""
    tree = {META_DATA + path: text.encode() for path, text in flat.items()}
    tree[IDENTITY] = json.dumps(_identity(facts), indent=2).encode()
    if facts.user_data is not None:
        tree["latest/user-data"] = facts.user_data
    return tree


def _interface(interface: InterfaceFacts, facts: InstanceFacts) -> dict[str, str]:
    base = f"network/interfaces/macs/{interface.mac}/"
    return {
        f"{base}device-number": str(interface.device_index),
        f"{base}interface-id": interface.interface_id,
        f"{base}local-ipv4s": "\n".join(interface.addresses),
        f"{base}mac": interface.mac,
        f"{base}owner-id": facts.account,
        f"{base}security-group-ids": "\n".join(interface.security_group_ids),
        f"{base}subnet-id": interface.subnet_id,
        f"{base}subnet-ipv4-cidr-block": interface.subnet_cidr,
        f"{base}vpc-id": interface.vpc_id,
    }


def _identity(facts: InstanceFacts) -> dict[str, Any]:
    return {
        "accountId": facts.account,
        "architecture": facts.architecture,
        "availabilityZone": facts.zone,
        "billingProducts": None,
        "devpayProductCodes": None,
        "imageId": facts.image_id,
        "instanceId": facts.instance_id,
        "instanceType": facts.instance_type,
        "kernelId": None,
        "marketplaceProductCodes": None,
        "pendingTime": facts.launched_at,
        "privateIp": facts.interfaces[0].addresses[0],
        "ramdiskId": None,
        "region": facts.region,
        "version": "2017-09-30",
    }


def look_up(tree: dict[str, bytes], path: str) -> bytes | None:
    """The text at a path, or the names below it, those that lead further with a slash; None where nothing is."""
    if path in tree:
        return tree[path]
    base = path if path.endswith("/") or not path else f"{path}/"
    names: dict[str, None] = {}
    for known in tree:
        if known.startswith(base):
            name, slash, _ = known.removeprefix(base).partition("/")
            names[name + slash] = None
    return "\n".join(sorted(names)).encode() if names else None
