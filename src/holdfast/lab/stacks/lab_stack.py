"""The life of a stack: `..._IN_PROGRESS` for a while, and where a resource fails, back to what was before."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from moto.cloudformation import models
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import CloudFormationBackend, Event, Stack, cloudformation_backends
from moto.cloudformation.parsing import NULL_MODELS, get_model_map
from moto.core.common_models import CloudFormationModel
from moto.core.exceptions import ServiceException
from werkzeug.exceptions import HTTPException

from holdfast.lab.stacks.resources import complete
from holdfast.lab.stacks.rights import AskingResourceMap

# What making a resource raises in moto: an error of the service, or what a wrong property leads to.
_FAILURES = (
    ServiceException, HTTPException, AssertionError, AttributeError, LookupError, TypeError, ValueError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StackTime:
    """The lab's time in seconds, and how long a stack takes for each step."""

    now: Callable[[], float]
    pending_seconds: float


class LabStack(Stack):
    """A stack of moto's that passes through states."""

    time: ClassVar[StackTime]
    resource_map: AskingResourceMap

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._last_status = ""
        self._passing: tuple[tuple[float, str], ...] = ()
        super().__init__(*arguments, **options)
        self.stack_status_reason: str | None = None
        _check_types(self.template_dict.get("Resources", {}))

    @property
    def status(self) -> str:
        """As DescribeStacks says it."""
        now = self.time.now()
        return next((status for until, status in self._passing if now < until), self._last_status)

    @status.setter
    def status(self, value: str) -> None:
        self._last_status = value

    @property
    def busy(self) -> bool:
        """Whether something is still being done to the stack."""
        return self.status.endswith("_IN_PROGRESS")

    @property
    def outputs(self) -> list[dict[str, Any]] | None:
        """Outputs are there once the stack is, and as long."""
        absent = self._last_status == "ROLLBACK_COMPLETE" or self.status.startswith(("CREATE_IN", "DELETE", "ROLLBACK"))
        return None if absent else super().outputs

    def pass_through(self, *states: str) -> None:
        """From now on the stack is in each of the states for a while, and then in its last one."""
        now, seconds = self.time.now(), self.time.pending_seconds
        self._passing = tuple((now + seconds * step, status) for step, status in enumerate(states, 1))

    def _hold(self, status: str) -> None:
        """The stack is in this state until it passes through others."""
        self._passing = ((math.inf, status),)

    def create_resources(self) -> None:
        """Make the resources; where one fails, all are gone again."""
        self._hold("CREATE_IN_PROGRESS")
        try:
            super().create_resources()
        except _FAILURES as error:
            self._report_failure("CREATE_FAILED", error)
            self._add_stack_event("ROLLBACK_IN_PROGRESS", self.stack_status_reason)
            self._go_back("ROLLBACK", self.resource_map.delete)
            self.pass_through("CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS")
            return
        self.pass_through("CREATE_IN_PROGRESS")
        for logical_id, resource in self._made().items():
            self._add_resource_event(logical_id, "CREATE_COMPLETE", getattr(resource, "physical_resource_id", ""))

    def update(
        self,
        template: str,
        role_arn: str | None = None,
        parameters: dict[str, Any] | None = None,
        tags: dict[str, str] | None = None,
    ) -> None:
        """Change the resources; where one fails, they are as before again."""
        if self.busy:
            raise ValidationError(
                self.stack_id, f"Stack:{self.stack_id} is in {self.status} state and can not be updated."
            )
        _check_types(self.parse_template(template).get("Resources", {}))
        before = str(self.template), dict(self.resource_map.input_parameters)
        self._hold("UPDATE_IN_PROGRESS")
        self.resource_map.denied.clear()
        try:
            super().update(template, role_arn, parameters, tags)
            self.pass_through("UPDATE_IN_PROGRESS")
        except _FAILURES as error:
            self._report_failure("UPDATE_FAILED", error)
            self._add_stack_event("UPDATE_ROLLBACK_IN_PROGRESS", self.stack_status_reason)
            self._go_back("UPDATE_ROLLBACK", partial(super().update, before[0], role_arn, before[1], None))
            self.pass_through("UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS")

    def delete(self) -> None:
        """Delete the resources; one that cannot be deleted leaves the stack in DELETE_FAILED."""
        self._hold("DELETE_IN_PROGRESS")
        self.stack_status_reason = None
        self.resource_map.denied.clear()
        try:
            super().delete()
        except _FAILURES as error:
            for name, reason in self.resource_map.denied.items():
                self._add_resource_event(name, "DELETE_FAILED", "", reason)
            self.stack_status_reason = f"The following resource(s) failed to delete: {error_text(error)}"
            self._add_stack_event("DELETE_FAILED", self.stack_status_reason)
            self.status = "DELETE_FAILED"
        self.pass_through("DELETE_IN_PROGRESS")

    def _go_back(self, what: str, undo: Callable[[], None]) -> None:
        """As it was before; what cannot be undone leaves the stack where only a person can help."""
        told = len(self.events)
        try:
            undo()
            # moto tells it as an update of its own.
            del self.events[told:]
        except _FAILURES as error:
            self.status = f"{what}_FAILED"
            self._add_stack_event(self._last_status, error_text(error))
        else:
            self.status = f"{what}_COMPLETE"
            self._add_stack_event(self._last_status)

    # --------------------------------------------------------------------------------------------------------- events

    def _made(self) -> dict[str, Any]:
        parsed = self.resource_map._parsed_resources
        names = self.template_dict.get("Resources", {})
        return {name: parsed[name] for name in names if isinstance(parsed.get(name), CloudFormationModel)}

    def _report_failure(self, status: str, error: BaseException) -> None:
        made = self._made()
        unmade = (name for name in self.template_dict.get("Resources", {}) if name not in made)
        name = next(iter(self.resource_map.denied), None) or next(unmade, "")
        self.stack_status_reason = f"The following resource(s) failed: [{name}]. {error_text(error)}"
        self._add_resource_event(name, status, "", error_text(error))

    def _add_resource_event(self, logical_id: str, status: str, physical_id: str, reason: str | None = None) -> None:
        kind = self.template_dict.get("Resources", {}).get(logical_id, {}).get("Type", "")
        self.events.append(
            Event(
                stack_id=self.stack_id,
                stack_name=self.name,
                logical_resource_id=logical_id,
                physical_resource_id=physical_id,
                resource_type=kind,
                resource_status=status,
                resource_status_reason=reason,
                resource_properties=None,
            )
        )


class LabCloudFormationBackend(CloudFormationBackend):
    """moto's CloudFormation in one account and region. A stack that is being deleted is still shown."""

    def describe_stacks(self, name_or_stack_id: str) -> list[Stack]:
        """The stacks that there are."""
        self._forget_deleted()
        return super().describe_stacks(name_or_stack_id)

    def list_stacks(self, status_filter: list[str] | None = None) -> list[Stack]:
        """Stacks, also deleted ones."""
        self._forget_deleted()
        return super().list_stacks(status_filter)

    def create_stack(self, *arguments: Any, **options: Any) -> Stack:
        """Create a stack."""
        self._forget_deleted()
        return super().create_stack(*arguments, **options)

    def delete_stack(self, name_or_stack_id: str) -> None:
        """Delete a stack; nothing happens where there is none."""
        self._forget_deleted()
        for stack in list(self.stacks.values()):
            if name_or_stack_id not in (stack.name, stack.stack_id):
                continue
            if stack.enable_termination_protection:
                raise ValidationError(
                    stack.stack_id, f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
                )
            exports = [export.name for export in stack.exports]
            stack.delete()
            if not getattr(stack, "stack_status_reason", None):
                for name in exports:
                    self.exports.pop(name, None)

    def _forget_deleted(self) -> None:
        for stack_id, stack in list(self.stacks.items()):
            if stack.status == "DELETE_COMPLETE":
                self.deleted_stacks[stack_id] = self.stacks.pop(stack_id)


LabCloudFormationBackend.__module__ = "moto.cloudformation.models"


def install(time: StackTime) -> None:
    """From now on, moto's stacks are of this kind. To be called before CloudFormation is first used."""
    complete()
    LabStack.time = time
    models.Stack = LabStack  # type: ignore[misc]
    models.ResourceMap = AskingResourceMap  # type: ignore[attr-defined]
    cloudformation_backends.clear()
    cloudformation_backends.backend = LabCloudFormationBackend


def error_text(error: BaseException) -> str:
    """An error's own words."""
    return str(getattr(error, "message", "") or getattr(error, "description", "") or str(error) or type(error).__name__)


def _check_types(resources: Mapping[str, Any]) -> None:
    """ValidationError for a template with types that the lab does not have."""
    kinds = {resource.get("Type", "") for resource in resources.values()}
    unknown = sorted(kind for kind in kinds if not (kind.startswith("Custom::") or kind in get_model_map()
                                                    or kind in NULL_MODELS))  # fmt: skip
    if unknown:
        raise ValidationError(message=f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]")
