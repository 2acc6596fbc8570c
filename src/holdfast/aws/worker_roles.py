"""Role and instance profile of one worker: made for it, bounded, and removed with it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from holdfast.aws.clients import PatientClient
from holdfast.aws.ownership import as_list, as_map
from holdfast.aws.policies.grants import trusts_ec2
from holdfast.signed_http.aws_answers import Refusal

PATH = "/holdfast/worker/"
POLICY_NAME = "task"
_EXISTS, _GONE = "EntityAlreadyExists", "NoSuchEntity"


class WorkerRoles:
    """Roles and profiles have the same names, and stand under a path that no other role has."""

    def __init__(self, iam: PatientClient, appliance_id: str) -> None:
        self._iam = iam
        self._path = f"{PATH}{appliance_id}/"

    def create(self, name: str, policy: str, boundary_arn: str, tags: Mapping[str, str]) -> str:
        """Role, its one policy, and profile; the role's id. What is there already is completed."""
        role = self._role(name, boundary_arn, tags)
        self._iam.call("PutRolePolicy", name, RoleName=name, PolicyName=POLICY_NAME, PolicyDocument=policy)
        profile = self._try(
            "CreateInstanceProfile", name, InstanceProfileName=name, Path=self._path, Tags=as_list(tags)
        )
        if isinstance(profile, Refusal):
            profile = self._iam.call("GetInstanceProfile", name, InstanceProfileName=name)
        if not profile["InstanceProfile"].get("Roles"):
            self._iam.call("AddRoleToInstanceProfile", name, InstanceProfileName=name, RoleName=name)
        return str(role["RoleId"])

    def remove(self, name: str) -> None:
        """Profile, policies and role; what is gone already is no error."""
        self._gone("RemoveRoleFromInstanceProfile", name, InstanceProfileName=name, RoleName=name)
        self._gone("DeleteInstanceProfile", name, InstanceProfileName=name)
        policies = self._iam.try_call("ListRolePolicies", name, RoleName=name)
        if isinstance(policies, Refusal):
            if policies.code == _GONE:
                return
            raise self._iam.meaning(policies, "ListRolePolicies", name)
        for policy in policies["PolicyNames"]:
            self._gone("DeleteRolePolicy", name, RoleName=name, PolicyName=policy)
        self._gone("DeleteRole", name, RoleName=name)

    def standing(self) -> Iterator[tuple[str, str, dict[str, str], Any]]:
        """(kind, name, tags, created) of every role and profile of this appliance's workers."""
        for role in self._iam.pages("ListRoles", f"roles {self._path}", "Roles", PathPrefix=self._path):
            name = str(role["RoleName"])
            yield "role", name, self._tags("ListRoleTags", "RoleName", name), role.get("CreateDate")
        profiles = self._iam.pages(
            "ListInstanceProfiles", f"instance profiles {self._path}", "InstanceProfiles", PathPrefix=self._path
        )
        for profile in profiles:
            name = str(profile["InstanceProfileName"])
            tags = self._tags("ListInstanceProfileTags", "InstanceProfileName", name)
            yield "instance-profile", name, tags, profile.get("CreateDate")

    def _role(self, name: str, boundary_arn: str, tags: Mapping[str, str]) -> dict[str, Any]:
        answer = self._try(
            "CreateRole",
            name,
            RoleName=name,
            Path=self._path,
            AssumeRolePolicyDocument=json.dumps(trusts_ec2()),
            PermissionsBoundary=boundary_arn,
            Description="One worker of Holdfast; it is removed when its task has ended.",
            Tags=as_list(tags),
        )
        if isinstance(answer, Refusal):
            answer = self._iam.call("GetRole", name, RoleName=name)
        role: dict[str, Any] = answer["Role"]
        return role

    def _try(self, operation: str, name: str, **parameters: Any) -> dict[str, Any] | Refusal:
        """The answer, or the refusal that it is there already."""
        answer = self._iam.try_call(operation, name, **parameters)
        if isinstance(answer, Refusal) and answer.code != _EXISTS:
            raise self._iam.meaning(answer, operation, name)
        return answer

    def _gone(self, operation: str, name: str, **parameters: Any) -> None:
        answer = self._iam.try_call(operation, name, **parameters)
        if isinstance(answer, Refusal) and answer.code != _GONE:
            raise self._iam.meaning(answer, operation, name)

    def _tags(self, operation: str, parameter: str, name: str) -> dict[str, str]:
        answer = self._iam.try_call(operation, name, **{parameter: name})
        if isinstance(answer, Refusal):
            if answer.code == _GONE:
                return {}
            raise self._iam.meaning(answer, operation, name)
        return as_map(answer.get("Tags"))
