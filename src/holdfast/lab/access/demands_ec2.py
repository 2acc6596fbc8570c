"""What requests to EC2 demand, after its Service Authorization Reference."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from moto.ec2.models import ec2_backends

from holdfast.lab.access.calls import Call
from holdfast.lab.access.ec2_relations import ids_meant
from holdfast.lab.access.evaluator import Demand
from holdfast.lab.access.identities import Identities

Pairs = Mapping[str, tuple[str, ...]]
_ID = re.compile(r"([a-z]+)-[0-9a-f]{8,}")
_TYPES = {
    "i": "instance", "vol": "volume", "snap": "snapshot", "ami": "image", "eni": "network-interface",
    "sg": "security-group", "subnet": "subnet", "vpc": "vpc", "eipalloc": "elastic-ip", "key": "key-pair",
    "lt": "launch-template", "rtb": "route-table", "igw": "internet-gateway", "acl": "network-acl",
    "dopt": "dhcp-options", "vpce": "vpc-endpoint", "nat": "natgateway", "pcx": "vpc-peering-connection",
    "eigw": "egress-only-internet-gateway", "tgw": "transit-gateway", "vgw": "vpn-gateway", "cgw": "customer-gateway",
    "vpn": "vpn-connection", "pl": "prefix-list",
}  # fmt: skip
# These belong to no account in their ARNs: they may be another's.
_WITHOUT_ACCOUNT = ("snapshot", "image")
_CREATED = {
    "CreateSnapshot": ("snapshot",), "CreateSnapshots": ("snapshot",), "CopySnapshot": ("snapshot",),
    "CreateVolume": ("volume",), "RegisterImage": ("image",), "CreateImage": ("image", "snapshot"),
    "CopyImage": ("image",), "CreateNetworkInterface": ("network-interface",), "AllocateAddress": ("elastic-ip",),
    "CreateSecurityGroup": ("security-group",), "CreateVpc": ("vpc",), "CreateSubnet": ("subnet",),
    "CreateRouteTable": ("route-table",), "CreateInternetGateway": ("internet-gateway",),
    "CreateNetworkAcl": ("network-acl",), "CreateDhcpOptions": ("dhcp-options",), "CreateNatGateway": ("natgateway",),
    "CreateVpcEndpoint": ("vpc-endpoint",), "CreateLaunchTemplate": ("launch-template",),
}  # fmt: skip
_ASSOCIATING = ("AssociateIamInstanceProfile", "ReplaceIamInstanceProfileAssociation")
_NESTED = ("CreateSnapshots", "RegisterImage")
# The few that read one instance, which a policy may name; for the others there is no resource.
_READ_OF_ONE = ("DescribeInstanceAttribute", "GetConsoleOutput", "GetConsoleScreenshot", "GetPasswordData")


def of_ec2(call: Call, identities: Identities) -> Iterator[Demand]:
    """The demands of one request to EC2."""
    action = f"ec2:{call.operation}"
    if call.operation.startswith(("Describe", "Get", "Search", "List")):
        if call.operation in _READ_OF_ONE and "InstanceId" in call.parameters:
            yield existing(call, action, call.parameters["InstanceId"], {})
        else:
            yield Demand(action, "*", _region(call))
        return
    if call.operation == "RunInstances":
        yield from _run_instances(call, identities)
    elif call.operation == "CopySnapshot":
        yield from _copy_snapshot(call, action)
    elif call.operation in ("CreateTags", "DeleteTags"):
        tags = request_tags(call.parameters.get("Tags", ()))
        yield from (existing(call, action, one, tags) for one in call.parameters.get("Resources", ()))
    else:
        found = list(_ordinary(call, action))
        yield from found or [Demand(action, "*", _region(call))]
    if call.operation in _ASSOCIATING:
        yield from _pass_role(call, identities, call.parameters.get("IamInstanceProfile", {}))
    for specification in call.parameters.get("TagSpecifications", ()):
        kind, tags = specification.get("ResourceType", ""), request_tags(specification.get("Tags", ()))
        if tags:
            context = tags | {"ec2:createaction": (call.operation,)} | _region(call)
            yield Demand("ec2:CreateTags", arn(call, kind, "*"), context)


def _ordinary(call: Call, action: str) -> Iterator[Demand]:
    """What is named in the request, and what is made by it."""
    for one in _ids(call.parameters, nested=call.operation in _NESTED):
        yield existing(call, action, one, _facts(call))
    for one in ids_meant(call):
        yield existing(call, action, one, {})
    if "KeyPair" in call.operation and "KeyName" in call.parameters:
        yield Demand(action, arn(call, "key-pair", call.parameters["KeyName"]), _region(call))
    for kind in _CREATED.get(call.operation, ()):
        yield Demand(action, arn(call, kind, "*"), _tags_for(call, kind) | _facts(call) | _region(call))


def _copy_snapshot(call: Call, action: str) -> Iterator[Demand]:
    """The source where it lies, with the tags that its own account sees, and the copy that is to be made."""
    asked = call.parameters
    there = replace(call, region=asked.get("SourceRegion", call.region))
    yield existing(there, action, asked.get("SourceSnapshotId", ""), {}, "snapshot")
    yield Demand(action, arn(call, "snapshot", "*"), _tags_for(call, "snapshot") | _region(call))


def _run_instances(call: Call, identities: Identities) -> Iterator[Demand]:
    """Every kind of thing that an instance is made of, each with its own keys."""
    asked, action = call.parameters, "ec2:RunInstances"
    metadata, profile = asked.get("MetadataOptions", {}), asked.get("IamInstanceProfile", {})
    context: dict[str, tuple[str, ...]] = {
        "ec2:instancetype": (asked.get("InstanceType", "m1.small"),),
        "ec2:instancemarkettype": (asked.get("InstanceMarketOptions", {}).get("MarketType", "on-demand"),),
        "ec2:metadatahttptokens": (metadata.get("HttpTokens", "optional"),),
        "ec2:metadatahttpendpoint": (metadata.get("HttpEndpoint", "enabled"),),
        "ec2:metadatahttpputresponsehoplimit": (str(metadata.get("HttpPutResponseHopLimit", 1)),),
    }
    if profile:
        name = profile.get("Arn") or f"arn:{call.partition}:iam::{call.account}:instance-profile/{profile.get('Name')}"
        context["ec2:instanceprofile"] = (name,)
    yield Demand(action, arn(call, "instance", "*"), context | _tags_for(call, "instance") | _region(call))
    if "ImageId" in asked:
        yield existing(call, action, asked["ImageId"], {})
    for mapping in asked.get("BlockDeviceMappings", ()):
        if snapshot_id := mapping.get("Ebs", {}).get("SnapshotId"):
            yield existing(call, action, snapshot_id, {})
    yield Demand(action, arn(call, "volume", "*"), _tags_for(call, "volume") | _region(call))
    if "KeyName" in asked:
        yield Demand(action, arn(call, "key-pair", asked["KeyName"]), _region(call))
    yield from _networks(call, action)
    yield from _pass_role(call, identities, profile)


def _networks(call: Call, action: str) -> Iterator[Demand]:
    asked = call.parameters
    interfaces = asked.get("NetworkInterfaces", ())
    attached = [one["NetworkInterfaceId"] for one in interfaces if "NetworkInterfaceId" in one]
    subnets = [one["SubnetId"] for one in (asked, *interfaces) if "SubnetId" in one]
    groups = [*asked.get("SecurityGroupIds", ()), *(group for one in interfaces for group in one.get("Groups", ()))]
    yield from (existing(call, action, one, {}) for one in (*attached, *subnets, *groups))
    if attached:
        return
    yield Demand(action, arn(call, "network-interface", "*"), _tags_for(call, "network-interface") | _region(call))
    if not subnets:
        yield Demand(action, arn(call, "subnet", "*"), _region(call))
    if not groups:
        yield Demand(action, arn(call, "security-group", "*"), _region(call))


def _pass_role(call: Call, identities: Identities, profile: Mapping[str, str]) -> Iterator[Demand]:
    name = profile.get("Arn") or profile.get("Name")
    role_arn = identities.profile_role(call.account, call.partition, name) if name else None
    if role_arn:
        context = {"iam:passedtoservice": ("ec2.amazonaws.com",),
                   "iam:associatedresourcearn": (arn(call, "instance", "*"),)}  # fmt: skip
        yield Demand("iam:PassRole", role_arn, context)


def profile_asked_for(call: Call) -> str | None:
    """The name or ARN of the instance profile that a RunInstances or an association is to use."""
    if call.service != "ec2" or call.operation not in ("RunInstances", *_ASSOCIATING):
        return None
    profile = call.parameters.get("IamInstanceProfile", {})
    name: str | None = profile.get("Arn") or profile.get("Name")
    return name


def arn(call: Call, kind: str, name: str) -> str:
    """The ARN of a resource of EC2."""
    account = "" if kind in _WITHOUT_ACCOUNT else call.account
    return f"arn:{call.partition}:ec2:{call.region}:{account}:{kind}/{name}"


def existing(call: Call, action: str, resource_id: str, more: Pairs, kind: str = "") -> Demand:
    """A demand on a thing that is there, with its tags; the kind follows from the id where it is not given."""
    match = _ID.fullmatch(resource_id)
    kind = kind or (_TYPES.get(match.group(1), match.group(1)) if match else "*")
    tags = ec2_backends[call.account][call.region].tags.get(resource_id, {})
    context = {f"{prefix}:resourcetag/{key.lower()}": (value,) for key, value in tags.items() for prefix in
               ("aws", "ec2")}  # fmt: skip
    return Demand(action, arn(call, kind, resource_id), context | dict(more) | _region(call))


def _ids(value: object, *, nested: bool, depth: int = 0) -> Iterator[str]:
    """The ids in the parameters, but not those of what is to be left out."""
    if isinstance(value, str):
        match = _ID.fullmatch(value)
        if match and match.group(1) in _TYPES:
            yield value
    elif isinstance(value, Mapping) and (nested or depth == 0):
        for name, one in value.items():
            if not str(name).startswith("Exclude"):
                yield from _ids(one, nested=nested, depth=depth + 1)
    elif isinstance(value, list):
        for one in value:
            yield from _ids(one, nested=nested, depth=depth + 1)


def _facts(call: Call) -> dict[str, tuple[str, ...]]:
    """Keys that single actions have of their own."""
    asked = call.parameters
    facts: dict[str, tuple[str, ...]] = {}
    if call.operation == "CreateVolume":
        for key, name in (("ec2:volumetype", "VolumeType"), ("ec2:volumesize", "Size"), ("ec2:encrypted", "Encrypted")):
            if name in asked:
                facts[key] = (str(asked[name]).lower(),)
    if call.operation == "CreateSnapshot" and "VolumeId" in asked:
        facts["ec2:parentvolume"] = (arn(call, "volume", asked["VolumeId"]),)
    if call.operation == "ModifySnapshotAttribute":
        changes = asked.get("CreateVolumePermission", {})
        for change in ("Add", "Remove"):
            people = tuple(one["UserId"] for one in changes.get(change, ()) if "UserId" in one)
            if people or (people := tuple(asked.get("UserIds", ())) if asked.get("OperationType") == change.lower()
                          else ()):  # fmt: skip
                facts[f"ec2:{change.lower()}/userid"] = people
    return facts


def _tags_for(call: Call, kind: str) -> dict[str, tuple[str, ...]]:
    """The tags that a thing of this kind is to be made with."""
    found: dict[str, tuple[str, ...]] = {}
    for specification in call.parameters.get("TagSpecifications", ()):
        if specification.get("ResourceType") == kind:
            found |= request_tags(specification.get("Tags", ()))
    return found


def request_tags(tags: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    """The keys that tags in a request give."""
    pairs = {str(tag.get("Key", "")): str(tag.get("Value", "")) for tag in tags}
    if not pairs:
        return {}
    return {f"aws:requesttag/{key.lower()}": (value,) for key, value in pairs.items()} | {"aws:tagkeys": tuple(pairs)}


def _region(call: Call) -> dict[str, tuple[str, ...]]:
    return {"ec2:region": (call.region,)}
