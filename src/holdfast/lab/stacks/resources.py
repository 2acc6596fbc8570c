"""Types of resources that moto's CloudFormation lacks, or makes with half of their properties.

Buckets get everything that their template says, roles, profiles, queues and keys what an update changes, and policies
of buckets and queues are types at last.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from moto.cloudformation import parsing
from moto.ec2.models import ec2_backends
from moto.ec2.models.security_groups import SecurityGroup
from moto.iam.models import InstanceProfile, ManagedPolicy, Role, iam_backends
from moto.kms.models import Key, kms_backends
from moto.s3.models import FakeBucket, s3_backends
from moto.sqs.models import Queue
from moto.utilities.utils import get_partition

from holdfast.lab.stacks.attached_policies import BucketPolicy, QueuePolicy
from holdfast.lab.stacks.bucket_properties import apply_to_bucket

Properties = Mapping[str, Any]


class BucketNotEmptyError(ValueError):
    """A stack cannot delete what is not its own."""


ADDED = (BucketPolicy, QueuePolicy)
# Of a managed policy (IAM quotas).
_MOST_VERSIONS = 5


def complete() -> None:
    """Complete moto's types. Safe to call twice."""
    # moto remembers which types there were when it first looked.
    for remembered in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        remembered.cache_clear()
    _extend(FakeBucket, _on_bucket)
    _extend(Role, _on_role)
    _extend(Queue, _on_queue)
    _extend(Key, _on_key, withheld="Tags")  # moto takes those of a template for KMS's own, which have other words
    _extend(SecurityGroup, _on_group)
    kind: Any
    for kind, name_property, apply in (
        (FakeBucket, "BucketName", _on_bucket),
        (Role, "RoleName", _on_role),
        (InstanceProfile, "InstanceProfileName", _on_profile),
        (ManagedPolicy, "ManagedPolicyName", _on_managed_policy),
        (Queue, "QueueName", _on_queue),
        (Key, "", _on_key),
        (SecurityGroup, "GroupName", _on_group),
    ):
        _set(kind, "update_from_cloudformation_json", _in_place(name_property, apply))
    deletions = (_delete_key, _delete_role, _delete_bucket, _delete_managed_policy)
    for kind, delete in zip((Key, Role, FakeBucket, ManagedPolicy), deletions, strict=True):
        kind.delete = delete


_Applied = Callable[[Any, Properties, str, str], None]
_EXTENDED: set[type] = set()


def _set(kind: type, name: str, function: Callable[..., Any]) -> None:
    setattr(kind, name, classmethod(function))


def _extend(kind: Any, apply: _Applied, withheld: str = "") -> None:
    """What moto makes gets the rest of its properties; the one `withheld` is none of moto's business."""
    if kind in _EXTENDED:
        return
    _EXTENDED.add(kind)
    made_by_moto = kind.create_from_cloudformation_json.__func__

    def create(cls: Any, name: str, document: Any, account_id: str, region_name: str, **facts: Any) -> Any:
        properties = document.get("Properties", {})
        shown = {key: value for key, value in properties.items() if key != withheld}
        resource = made_by_moto(cls, name, {**document, "Properties": shown}, account_id, region_name, **facts)
        apply(resource, properties, account_id, region_name)
        return resource

    _set(kind, "create_from_cloudformation_json", create)


def _in_place(name_property: str, apply: _Applied) -> Callable[..., Any]:
    """An update that changes the resource where it is; another name is another resource."""

    def update(
        cls: Any,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> Any:
        properties = cloudformation_json.get("Properties", {})
        wanted = properties.get(name_property) if name_property else None
        if wanted is None or wanted == original_resource.name:
            apply(original_resource, properties, account_id, region_name)
            return original_resource
        made = cls.create_from_cloudformation_json(wanted, cloudformation_json, account_id, region_name)
        if hasattr(original_resource, "delete"):
            original_resource.delete(account_id, region_name)
        else:
            cls.delete_from_cloudformation_json(original_resource.name, cloudformation_json, account_id, region_name)
        return made

    return update


def _on_bucket(bucket: Any, properties: Properties, account_id: str, region_name: str) -> None:
    apply_to_bucket(s3_backends[account_id][get_partition(region_name)], bucket, properties)


def _delete_bucket(bucket: Any, account_id: str, region_name: str) -> None:
    """A bucket with anything in it stays."""
    if s3_backends[account_id][get_partition(region_name)].delete_bucket(bucket.name) is None:
        raise BucketNotEmptyError(f"The bucket {bucket.name} you tried to delete is not empty.")


def _on_role(role: Any, properties: Properties, account_id: str, region_name: str) -> None:
    backend = iam_backends[account_id][get_partition(region_name)]
    role.assume_role_policy_document = _text(properties["AssumeRolePolicyDocument"])
    role.description = properties.get("Description", "")
    role.max_session_duration = properties.get("MaxSessionDuration", 3600)
    role.permissions_boundary_arn = properties.get("PermissionsBoundary") or None
    role.tags = [dict(tag) for tag in properties.get("Tags", ())]
    role.policies = {one["PolicyName"]: _text(one["PolicyDocument"]) for one in properties.get("Policies", ())}
    wanted = properties.get("ManagedPolicyArns", ())
    for arn in [arn for arn in role.managed_policies if arn not in wanted]:
        backend.detach_role_policy(arn, role.name)
    for arn in wanted:
        if arn not in role.managed_policies:
            backend.attach_role_policy(arn, role.name)


def _delete_role(role: Any, account_id: str, region_name: str) -> None:
    backend = iam_backends[account_id][get_partition(region_name)]
    for arn in list(role.managed_policies):
        backend.detach_role_policy(arn, role.name)
    role.policies.clear()
    backend.delete_role(role.name)


def _on_managed_policy(policy: Any, properties: Properties, account_id: str, region_name: str) -> None:
    """The newest version is the one in force; of five the oldest goes, or there would be no room for it."""
    backend = iam_backends[account_id][get_partition(region_name)]
    if len(policy.versions) == _MOST_VERSIONS:
        backend.delete_policy_version(policy.arn, policy.versions[0].version_id)
    backend.create_policy_version(policy.arn, _text(properties["PolicyDocument"]), True)


def _delete_managed_policy(policy: Any, account_id: str, region_name: str) -> None:
    iam_backends[account_id][get_partition(region_name)].delete_policy(policy.arn)


def _on_profile(profile: Any, properties: Properties, account_id: str, region_name: str) -> None:
    backend = iam_backends[account_id][get_partition(region_name)]
    profile.roles = [backend.get_role(name) for name in properties.get("Roles", ())]


def _on_queue(queue: Any, properties: Properties, account_id: str, region_name: str) -> None:
    policy = queue.policy
    attributes = {key: value for key, value in properties.items() if key not in ("QueueName", "Tags", "FifoQueue")}
    if "RedrivePolicy" in attributes:
        attributes["RedrivePolicy"] = _text(attributes["RedrivePolicy"])
    queue._set_attributes(attributes)
    queue.policy = policy
    queue.tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", ())}


def _on_key(key: Any, properties: Properties, account_id: str, region_name: str) -> None:
    key.policy = _text(properties["KeyPolicy"]) if "KeyPolicy" in properties else key.generate_default_policy()
    key.description = properties.get("Description", "")
    key.key_rotation_status = _true(properties.get("EnableKeyRotation", False))
    key.enabled = _true(properties.get("Enabled", True))
    key.key_state = "Enabled" if key.enabled else "Disabled"
    key.pending_window_days = int(properties.get("PendingWindowInDays", 30))
    tags = {tag["Key"]: tag["Value"] for tag in properties.get("Tags", ())}
    kms_backends[account_id][region_name].tag_resource(key.id, tags)


def _delete_key(key: Any, account_id: str, region_name: str) -> None:
    """A key is never deleted at once."""
    kms_backends[account_id][region_name].schedule_key_deletion(key.id, getattr(key, "pending_window_days", 30))


def _on_group(group: Any, properties: Properties, account_id: str, region_name: str) -> None:
    """Rules as the template has them, and no others; without egress rules, everything may go out."""
    backend = ec2_backends[account_id][region_name]
    group.ingress_rules = []
    for rule in properties.get("SecurityGroupIngress", ()):
        backend.authorize_security_group_ingress(group.id, **_rule(rule, "Source"), vpc_id=group.vpc_id)
    if "SecurityGroupEgress" in properties:
        group.egress_rules = []
        for rule in properties["SecurityGroupEgress"]:
            backend.authorize_security_group_egress(group.id, **_rule(rule, "Destination"), vpc_id=group.vpc_id)
    for tag in properties.get("Tags", ()):
        group.add_tag(tag["Key"], tag["Value"])


def _rule(rule: Properties, side: str) -> dict[str, Any]:
    ranges = [{name: rule[key]} for key, name in (("CidrIp", "CidrIp"), ("CidrIpv6", "CidrIpv6")) if key in rule]
    for one in ranges:
        one["Description"] = rule.get("Description", "")
    group = rule.get(f"{side}SecurityGroupId")
    protocol, first, last = str(rule["IpProtocol"]), rule.get("FromPort", -1), rule.get("ToPort", -1)
    return {
        "ip_protocol": protocol,
        "from_port": first,
        "to_port": last,
        "ip_ranges": ranges,
        "source_groups": [{"GroupId": group}] if group else [],
    }


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document, default=str)


def _true(value: object) -> bool:
    return str(value).lower() == "true"
