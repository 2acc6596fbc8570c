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
        """Role, its one policy, and profile; the role's id. What is there already is completed.

        IAM may not know at once what it has just made.
        """
        role = self._role(name, boundary_arn, tags)
        self._on_new("PutRolePolicy", name, RoleName=name, PolicyName=POLICY_NAME, PolicyDocument=policy)
        profile = self._try(
            "CreateInstanceProfile", name, InstanceProfileName=name, Path=self._path, Tags=as_list(tags)
        )
        if isinstance(profile, Refusal):
            profile = self._on_new("GetInstanceProfile", name, InstanceProfileName=name)
        if not profile["InstanceProfile"].get("Roles"):
            self._on_new("AddRoleToInstanceProfile", name, InstanceProfileName=name, RoleName=name)
        return str(role["RoleId"])

    def remove(self, name: str) -> None:
        """Profile, policies and role; what is gone already is no error."""
        self._gone("RemoveRoleFromInstanceProfile", name, InstanceProfileName=name, RoleName=name)
        self._gone("DeleteInstanceProfile", name, InstanceProfileName=name)
        self._gone("DeleteRolePolicy", name, RoleName=name, PolicyName=POLICY_NAME)
        self._gone("DeleteRole", name, RoleName=name)

    def standing(self) -> Iterator[tuple[str, str, dict[str, str], Any]]:
        """(kind, name, tags, created) of every role and profile of this appliance's workers."""
        for role in self._roles():
            name = str(role["RoleName"])
            yield "role", name, self._tags("GetRole", "Role", name), role.get("CreateDate")
        for profile in self._profiles():
            name = str(profile["InstanceProfileName"])
            tags = self._tags("GetInstanceProfile", "InstanceProfile", name)
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
            answer = self._on_new("GetRole", name, RoleName=name)
        role: dict[str, Any] = answer["Role"]
        return role

    def _try(self, operation: str, name: str, **parameters: Any) -> dict[str, Any] | Refusal:
        """The answer, or the refusal that it is there already."""
        answer = self._iam.try_call(operation, name, **parameters)
        if isinstance(answer, Refusal) and answer.code != _EXISTS:
            raise self._iam.meaning(answer, operation, name)
        return answer

    def _roles(self) -> Iterator[dict[str, Any]]:
        return self._iam.pages("ListRoles", f"roles {self._path}", "Roles", PathPrefix=self._path)

    def _profiles(self) -> Iterator[dict[str, Any]]:
        what = f"instance profiles {self._path}"
        for profile in self._iam.pages("ListInstanceProfiles", what, "InstanceProfiles", PathPrefix=self._path):
            # Asked again: an IAM that ignores the path would hand out what is not ours to look at.
            if profile["Path"] == self._path:
                yield profile

    def _on_new(self, operation: str, name: str, **parameters: Any) -> dict[str, Any]:
        """The answer on what was made a moment ago: while IAM does not know it, it is asked again for a while ("Changes
        that I make are not always immediately visible" in the IAM user guide).
        """

        def is_unknown(refusal: Refusal) -> bool:
            return self._is_unknown(refusal, name, parameters)

        return self._iam.call_on_new(operation, name, is_unknown, **parameters)

    def _gone(self, operation: str, name: str, **parameters: Any) -> None:
        """Do it, or see that there is nothing to do."""
        answer = self._iam.try_call(operation, name, **parameters)
        if isinstance(answer, Refusal) and not self._is_unknown(answer, name, parameters):
            raise self._iam.meaning(answer, operation, name)

    def _is_unknown(self, refusal: Refusal, name: str, parameters: Mapping[str, Any]) -> bool:
        """Whether IAM knows no role or no profile of that name.

        Of what it does not know it knows no path, and a policy that speaks of a path does not allow asking for it.
        """
        if refusal.code != "AccessDenied":
            return refusal.code == _GONE
        if "InstanceProfileName" in parameters and name not in {
            str(one["InstanceProfileName"]) for one in self._profiles()
        }:
            return True
        return "RoleName" in parameters and name not in {str(one["RoleName"]) for one in self._roles()}

    def _tags(self, operation: str, kind: str, name: str) -> dict[str, str]:
        """Lists leave tags out."""
        answer = self._iam.try_call(operation, name, **{f"{kind}Name": name})
        if isinstance(answer, Refusal):
            if answer.code == _GONE:
                return {}
            raise self._iam.meaning(answer, operation, name)
        return as_map(answer[kind].get("Tags"))
