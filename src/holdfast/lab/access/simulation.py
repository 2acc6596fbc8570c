"""iam:SimulatePrincipalPolicy and GetContextKeysForPrincipalPolicy: the evaluator asked what would be.

moto lacks both; `teach` adds them to its IAM.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.exceptions import NotFoundException, ValidationError
from moto.iam.responses import IamResponse

from holdfast.lab.access.evaluator import Demand, Effect, Permissions, ResourceRule, authorize, permissions_allow
from holdfast.lab.access.identities import Caller, Identities
from holdfast.lab.access.policy import MalformedPolicyError, Policy, parse


def teach(identities: Identities) -> None:
    """From now on, moto's IAM simulates by the policies that `identities` finds effective."""

    def simulate_principal_policy(response: IamResponse) -> ActionResult:
        asked = response._get_params()
        return ActionResult({"EvaluationResults": simulated(_source(identities, asked), asked), "IsTruncated": False})

    def get_context_keys_for_principal_policy(response: IamResponse) -> ActionResult:
        asked = response._get_params()
        policies = _source(identities, asked).permissions.identity + _policies(asked.get("PolicyInputList", ()))
        return ActionResult({"ContextKeyNames": sorted(keys_of(policies))})

    for action in (simulate_principal_policy, get_context_keys_for_principal_policy):
        setattr(IamResponse, action.__name__, action)


def simulated(source: Caller, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One result for each action and resource asked for."""
    more = _policies(asked.get("PolicyInputList", ()))
    boundary = _policies(asked.get("PermissionsBoundaryPolicyInputList", ())) or source.permissions.boundary
    permissions = Permissions(source.permissions.identity + more, boundary)
    context = dict(source.context)
    for entry in asked.get("ContextEntries", ()):
        context[entry["ContextKeyName"].lower()] = tuple(map(str, entry.get("ContextKeyValues", ())))
    rule = None
    if "ResourcePolicy" in asked:
        (policy,) = _policies([asked["ResourcePolicy"]])
        rule = ResourceRule(source.principal.account, policy)
    results = []
    for action in asked.get("ActionNames", ()):
        for resource in asked.get("ResourceArns") or ["*"]:
            demand = Demand(action, resource, context, rule)
            results.append(_result(source, permissions, demand))
    return results


def _result(source: Caller, permissions: Permissions, demand: Demand) -> dict[str, Any]:
    verdict = authorize(source.principal, permissions, demand)
    result: dict[str, Any] = {
        "EvalActionName": demand.action,
        "EvalResourceName": demand.resource,
        "EvalDecision": verdict.effect.value,
        "MatchedStatements": [{"SourcePolicyId": verdict.statement.sid}] if verdict.statement else [],
        "MissingContextValues": sorted(keys_of(permissions.identity) - demand.context.keys()),
    }
    if permissions.boundary is not None:
        allowed = permissions_allow(permissions.boundary, demand).effect is Effect.ALLOWED
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": allowed}
    return result


def keys_of(policies: Iterable[Policy]) -> set[str]:
    """The context keys that conditions of the policies ask for, in lower case."""
    return {condition.key for policy in policies for statement in policy.statements
            for condition in statement.conditions}  # fmt: skip


def _source(identities: Identities, asked: Mapping[str, Any]) -> Caller:
    arn = str(asked.get("PolicySourceArn", ""))
    found = identities.of_arn(arn)
    if found is None:
        raise NotFoundException(f"The principal with ARN {arn} cannot be found.")
    return found


def _policies(texts: Iterable[str]) -> tuple[Policy, ...]:
    try:
        return tuple(map(parse, texts))
    except MalformedPolicyError as error:
        raise ValidationError(str(error)) from None
