"""What requests to IAM and STS demand, after their Service Authorization References."""

from collections.abc import Iterator
from typing import Any

from moto.iam.models import iam_backends

from holdfast.lab.access.calls import Call
from holdfast.lab.access.evaluator import Demand, ResourceRule
from holdfast.lab.access.identities import Identities
from holdfast.lab.access.policy import Policy, read

_ON_ROLES = (
    "CreateRole", "DeleteRole", "GetRole", "UpdateRole", "UpdateRoleDescription", "UpdateAssumeRolePolicy",
    "PutRolePolicy", "GetRolePolicy", "DeleteRolePolicy", "ListRolePolicies", "ListAttachedRolePolicies",
    "AttachRolePolicy", "DetachRolePolicy", "TagRole", "UntagRole", "ListRoleTags", "PutRolePermissionsBoundary",
    "DeleteRolePermissionsBoundary", "ListInstanceProfilesForRole",
)  # fmt: skip
_ON_PROFILES = (
    "CreateInstanceProfile", "DeleteInstanceProfile", "GetInstanceProfile", "AddRoleToInstanceProfile",
    "RemoveRoleFromInstanceProfile", "TagInstanceProfile", "UntagInstanceProfile", "ListInstanceProfileTags",
)  # fmt: skip
_BOUNDED = (
    "CreateRole", "PutRolePolicy", "DeleteRolePolicy", "AttachRolePolicy", "DetachRolePolicy",
    "PutRolePermissionsBoundary", "DeleteRolePermissionsBoundary",
)  # fmt: skip
_TAGGING = {"CreateRole": "TagRole", "CreateInstanceProfile": "TagInstanceProfile"}
_NOBODY = Policy(())


def of_iam(call: Call, identities: Identities) -> Iterator[Demand]:
    """The demands of one request to IAM."""
    asked, action = call.parameters, f"iam:{call.operation}"
    backend = iam_backends[call.account][call.partition]
    context = _request_tags(call)
    if call.operation in _ON_ROLES:
        role = next((one for one in list(backend.roles.values()) if one.name == asked.get("RoleName")), None)
        resource = role.arn if role is not None else _arn(call, "role", asked.get("RoleName", "*"))
        context |= _boundary(call, role) | _resource_tags(role)
        if "PolicyArn" in asked:
            context["iam:policyarn"] = (asked["PolicyArn"],)
    elif call.operation in _ON_PROFILES:
        name = asked.get("InstanceProfileName", "*")
        profile = backend.instance_profiles.get(name)
        resource = profile.arn if profile is not None else _arn(call, "instance-profile", name)
        context |= _resource_tags(profile)
    elif call.operation == "SimulatePrincipalPolicy" and "PolicySourceArn" in asked:
        resource = asked["PolicySourceArn"]
    elif "PolicyArn" in asked and "UserName" not in asked and "GroupName" not in asked:
        resource = asked["PolicyArn"]
    elif call.operation in ("ListRoles", "ListInstanceProfiles"):
        resource = _arn(call, call.operation[4:-1].replace("InstanceProfile", "instance-profile").lower(), "*")
    else:
        names = (("UserName", "user"), ("GroupName", "group"), ("PolicyName", "policy"))
        resource = next((_arn(call, kind, asked[name]) for name, kind in names if name in asked), "*")
    yield Demand(action, resource, context)
    if call.operation in _TAGGING and "aws:tagkeys" in context:
        yield Demand(f"iam:{_TAGGING[call.operation]}", resource, context)
    if call.operation == "AddRoleToInstanceProfile":
        role = next((one for one in list(backend.roles.values()) if one.name == asked.get("RoleName")), None)
        if role is not None:
            yield Demand("iam:PassRole", role.arn, {"iam:passedtoservice": ("ec2.amazonaws.com",)})


def of_sts(call: Call, identities: Identities) -> Iterator[Demand]:
    """The demands of one request to STS; to ask who one is, nothing is needed."""
    asked = call.parameters
    if call.operation in ("GetCallerIdentity", "GetAccessKeyInfo"):
        return
    if call.operation != "AssumeRole":
        yield Demand(f"sts:{call.operation}", "*", {})
        return
    arn = asked.get("RoleArn", "")
    state = identities.role(arn)
    context: dict[str, tuple[str, ...]] = {}
    for key, name in (("sts:externalid", "ExternalId"), ("sts:rolesessionname", "RoleSessionName"),
                      ("aws:sourceidentity", "SourceIdentity")):  # fmt: skip
        if name in asked:
            context[key] = (asked[name],)
    context |= _request_tags(call)
    account = arn.split(":")[4] if arn.count(":") >= 5 else call.account
    # A role that is not there, or not yet, is one that trusts nobody: AWS does not say which it is.
    rule = ResourceRule(account, (read(state.trust) if state is not None else None) or _NOBODY, decides_alone=True)
    yield Demand("sts:AssumeRole", arn, context, rule)
    if "Tags" in asked:
        yield Demand("sts:TagSession", arn, context, rule)


def _arn(call: Call, kind: str, name: str) -> str:
    path = call.parameters.get("Path", "/") if call.operation.startswith("Create") else "/"
    return f"arn:{call.partition}:iam::{call.account}:{kind}{path}{name}"


def _boundary(call: Call, role: Any) -> dict[str, tuple[str, ...]]:
    """iam:PermissionsBoundary: the one asked for, or the one that the role has."""
    if call.operation not in _BOUNDED:
        return {}
    arn = call.parameters.get("PermissionsBoundary") or (role.permissions_boundary_arn if role is not None else None)
    return {"iam:permissionsboundary": (arn,)} if arn else {}


def _request_tags(call: Call) -> dict[str, tuple[str, ...]]:
    pairs = {tag["Key"]: tag.get("Value", "") for tag in call.parameters.get("Tags", ()) if "Key" in tag}
    if not pairs:
        return {}
    return {f"aws:requesttag/{key.lower()}": (value,) for key, value in pairs.items()} | {"aws:tagkeys": tuple(pairs)}


def _resource_tags(thing: Any) -> dict[str, tuple[str, ...]]:
    tags = {tag["Key"]: tag["Value"] for tag in (thing.tags if thing is not None else None) or ()}
    return {f"{prefix}:resourcetag/{key.lower()}": (value,) for key, value in tags.items() for prefix in ("aws", "iam")}
