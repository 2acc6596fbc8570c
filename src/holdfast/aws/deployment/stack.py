"""A CloudFormation stack: made, brought up to date, looked at, removed; each time seen to its end.

A stack that cannot be made is removed again, and the error says which resource AWS refused and why.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from holdfast.aws.clients import PatientClient
from holdfast.domain.errors import (
    CancelledError,
    ConflictError,
    HoldfastError,
    NotFoundError,
    PermissionDeniedError,
    QuotaReachedError,
    UnavailableError,
)
from holdfast.patience import REAL_WAITING, Waiting
from holdfast.signed_http.aws_answers import Refusal

LOOK_SECONDS = 2.0
# CloudFormation takes minutes: so often a line says how far it is.
TELL_SECONDS = 10.0
PATIENCE_SECONDS = 30 * 60.0
_DONE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE"})
# With these events of its own a stack's history of one request begins.
_BEGINNINGS = frozenset({"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"})
# Of these nothing is in use: it was never whole, or somebody has asked for its end.
_NEVER_STOOD = frozenset({"CREATE_FAILED", "DELETE_FAILED", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"})
# A template that says what is there already is no failure.
_NOTHING_TO_DO = "No updates are to be performed"
_DENIED = ("AccessDenied", "is not authorized", "UnauthorizedOperation", "not have permission")
_QUOTA = ("LimitExceeded", "TooManyBuckets", "quota", "Quota", "maximum number")


class Stack:
    """One stack by its name."""

    def __init__(self, client: PatientClient, name: str, waiting: Waiting = REAL_WAITING) -> None:
        self._client = client
        self._name = name
        self._waiting = waiting

    def status(self) -> str | None:
        """AWS's word; None when there is none."""
        found = self._described(self._name)
        return str(found["StackStatus"]) if found else None

    def stands(self) -> bool:
        """Whether there is one that is, or was, in use: removing it is for a person to ask for."""
        return self.status() not in (None, *_NEVER_STOOD)

    def outputs(self) -> dict[str, str]:
        """Its outputs. Raises NotFoundError."""
        found = self._described(self._name)
        if found is None:
            raise NotFoundError(
                f"stack {self._name} is gone",
                why="CloudFormation knows none of that name in this region",
                cure="install the plug-in again: holdfast plugin install aws",
            )
        return {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", ())}

    def resource(self, name: str) -> str | None:
        """AWS's name of a resource of the template; None while, or after, there is none."""
        answer = self._client.try_call("DescribeStackResources", f"stack {self._name}", StackName=self._name)
        if isinstance(answer, Refusal):
            if "does not exist" in answer.message:
                return None
            raise self._client.meaning(answer, "DescribeStackResources", f"stack {self._name}")
        found = [one for one in answer["StackResources"] if one["LogicalResourceId"] == name]
        return str(found[0]["PhysicalResourceId"]) if found and found[0].get("PhysicalResourceId") else None

    def ensure(
        self, template: str, tags: Mapping[str, str], say: Callable[[str], None], cancelled: Callable[[], bool]
    ) -> dict[str, str]:
        """See it stand as the template says; its outputs. When making it fails or is cancelled, it is removed again."""
        status = self.status()
        if status in _NEVER_STOOD:
            say(f"stack {self._name} is {status} since an earlier attempt and is removed first")
            self.delete(say)
            status = None
        words = {
            "StackName": self._name,
            "TemplateBody": template,
            "Capabilities": ["CAPABILITY_IAM"],
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }
        if status is not None and status.endswith("FAILED"):
            raise ConflictError(
                f"stack {self._name} is {status}",
                why="bringing it up to date failed earlier, and so did going back; appliances work with it still",
                cure="continue the rollback of its update in the AWS console, then run this again",
            )
        if status is None:
            say(f"creating stack {self._name}")
            self._create(words, say, cancelled)
        else:
            self._settled(self._name, say, cancelled)
            self._update(words, say, cancelled)
        return self.outputs()

    def delete(self, say: Callable[[str], None]) -> None:
        """Remove it and see it gone; gone already is no error."""
        found = self._described(self._name)
        if found is None:
            return
        stack_id = str(found["StackId"])
        say(f"removing stack {self._name}")
        self._client.call("DeleteStack", f"stack {self._name}", StackName=stack_id)
        status = self._settled(stack_id, say, _never)
        if status not in (None, "DELETE_COMPLETE"):
            raise self._failure(stack_id, f"stack {self._name} cannot be removed")

    def _create(self, words: dict[str, Any], say: Callable[[str], None], cancelled: Callable[[], bool]) -> None:
        answer = self._client.call("CreateStack", f"stack {self._name}", OnFailure="DO_NOTHING", **words)
        stack_id = str(answer["StackId"])
        try:
            status = self._settled(
                stack_id, say, cancelled, len(json.loads(words["TemplateBody"]).get("Resources", ()))
            )
            if status not in _DONE:
                raise self._failure(stack_id, f"stack {self._name} cannot be created")
        except HoldfastError:
            self.delete(say)
            raise

    def _update(self, words: dict[str, Any], say: Callable[[str], None], cancelled: Callable[[], bool]) -> None:
        answer = self._client.try_call("UpdateStack", f"stack {self._name}", **words)
        if isinstance(answer, Refusal):
            if _NOTHING_TO_DO in answer.message:
                say(f"stack {self._name} is as it should be")
                return
            raise self._client.meaning(answer, "UpdateStack", f"stack {self._name}")
        say(f"bringing stack {self._name} up to date")
        stack_id = str(answer["StackId"])
        if self._settled(stack_id, say, cancelled) not in _DONE:
            raise self._failure(stack_id, f"stack {self._name} cannot be brought up to date")

    def _settled(
        self, name: str, say: Callable[[str], None], cancelled: Callable[[], bool], resources: int = 0
    ) -> str | None:
        """Its status once nothing is in progress any more. `resources`: how many there will be, where that is known."""
        began_seconds = told_seconds = self._waiting.monotonic()
        while True:
            found = self._described(name)
            if found is None or not str(found["StackStatus"]).endswith("IN_PROGRESS"):
                return str(found["StackStatus"]) if found else None
            if cancelled():
                raise CancelledError(
                    f"stack {self._name} was cancelled", why="somebody asked for it", cure="run it again"
                )
            now_seconds, status = self._waiting.monotonic(), str(found["StackStatus"])
            if now_seconds - began_seconds > PATIENCE_SECONDS:
                raise UnavailableError(
                    f"stack {self._name} does not come to an end",
                    why=f"it is {status} for {PATIENCE_SECONDS / 60:.0f} minutes",
                    cure="look at its events in the AWS console, then run this again",
                )
            if now_seconds - told_seconds >= TELL_SECONDS:
                told_seconds = now_seconds
                far = self._how_far(name, status, resources)
                say(f"stack {self._name} is {status} for {now_seconds - began_seconds:.0f} s{far}")
            self._waiting.sleep(LOOK_SECONDS)

    def _how_far(self, name: str, status: str, resources: int) -> str:
        """How many resources are made, or gone. CloudFormation lists those that it has begun with."""
        doing = status.partition("_")[0]
        answer = self._client.try_call("DescribeStackResources", f"stack {self._name}", StackName=name)
        if isinstance(answer, Refusal) or doing not in ("CREATE", "DELETE"):
            return ""
        listed = answer["StackResources"]
        done = sum(one["ResourceStatus"] == f"{doing}_COMPLETE" for one in listed)
        return f": {done} of {max(resources, len(listed))} resources"

    def _failure(self, stack_id: str, what: str) -> HoldfastError:
        """Why it failed: the first resource that did, in AWS's words."""
        failed = [event for event in reversed(self._events(stack_id)) if event["ResourceStatus"].endswith("FAILED")]
        told = [event for event in failed if "cancelled" not in event.get("ResourceStatusReason", "").lower()]
        first = (told or failed or [{}])[0]
        reason = str(first.get("ResourceStatusReason", "CloudFormation does not say"))
        why = f"{first.get('ResourceType', 'the stack')}: {reason}"
        if any(word in reason for word in _DENIED):
            return PermissionDeniedError(
                what, why=why, cure="allow the server's credentials the action named (docs/permissions.md has all)"
            )
        if any(word in reason for word in _QUOTA):
            return QuotaReachedError(what, why=why, cure="ask AWS to raise the quota named, then run this again")
        if "already exists" in reason:
            return ConflictError(what, why=why, cure="remove what stands in the way, then run this again")
        return HoldfastError(what, why=why, cure="look at the reason that AWS gives, then run this again")

    def _events(self, name: str) -> list[dict[str, Any]]:
        """Of what was last asked for, newest first; what an earlier update failed with is no reason any more."""
        answer = self._client.try_call("DescribeStackEvents", f"stack {self._name}", StackName=name)
        found: list[dict[str, Any]] = []
        for event in () if isinstance(answer, Refusal) else answer["StackEvents"]:
            found.append(event)
            if event.get("PhysicalResourceId") == name and event["ResourceStatus"] in _BEGINNINGS:
                break
        return found

    def _described(self, name: str) -> dict[str, Any] | None:
        """What CloudFormation says of it; None when it is none, or none any more."""
        answer = self._client.try_call("DescribeStacks", f"stack {self._name}", StackName=name)
        if isinstance(answer, Refusal):
            if "does not exist" in answer.message:
                return None
            raise self._client.meaning(answer, "DescribeStacks", f"stack {self._name}")
        found = dict(answer["Stacks"][0]) if answer["Stacks"] else None
        gone = found is not None and found["StackStatus"] == "DELETE_COMPLETE"
        return None if gone else found


def _never() -> bool:
    return False
