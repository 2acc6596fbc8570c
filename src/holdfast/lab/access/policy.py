"""Policy documents, read once: statements whose patterns are ready to be compared with a request."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from holdfast.lab.access import conditions
from holdfast.lab.access.conditions import Condition, Context, NullCondition, glob, substituted

WITH_VARIABLES = "2012-10-17"


class MalformedPolicyError(ValueError):
    """A document that is no policy."""


@dataclass(frozen=True, slots=True)
class Patterns:
    """The patterns of an Action or Resource element; with `negated`, of NotAction or NotResource."""

    fixed: re.Pattern[str] | None
    with_variables: tuple[str, ...] = ()
    negated: bool = False

    def fit(self, value: str, context: Context) -> bool:
        """Whether the element covers the value."""
        fits = self.fixed is not None and self.fixed.fullmatch(value) is not None
        if not fits and self.with_variables:
            filled = [pattern for raw in self.with_variables if (pattern := substituted(raw, context)) is not None]
            fits = any(glob(pattern).fullmatch(value) for pattern in filled)
        return fits != self.negated


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. `principals` are pairs of kind and value (("AWS", arn)), None in an identity-based policy."""

    sid: str
    allows: bool
    actions: Patterns
    resources: Patterns
    conditions: tuple[Condition | NullCondition, ...]
    principals: tuple[tuple[str, str], ...] | None = None
    not_principals: bool = False

    def covers(self, action: str, resource: str, context: Context) -> bool:
        """Whether the statement speaks of this request, whoever sent it."""
        return (
            self.actions.fit(action, context)
            and self.resources.fit(resource, context)
            and all(condition.holds(context) for condition in self.conditions)
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy document."""

    statements: tuple[Statement, ...]


@lru_cache(4096)
def parse(text: str) -> Policy:
    """A policy document. MalformedPolicyError where it is none."""
    try:
        document = json.loads(text)
        version = document.get("Version", "2008-10-17")
        statements = document["Statement"]
        found = statements if isinstance(statements, list) else [statements]
        return Policy(tuple(_statement(one, version == WITH_VARIABLES) for one in found))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedPolicyError(f"no policy document: {error!r}") from None


def read(document: object) -> Policy | None:
    """A policy as a service keeps it: text, bytes or a document; None for none, or for something else."""
    if not document:
        return None
    text = document.decode("utf-8", "replace") if isinstance(document, bytes) else document
    try:
        return parse(text if isinstance(text, str) else json.dumps(text, default=str))
    except (MalformedPolicyError, TypeError):
        return None


def _statement(document: Mapping[str, Any], variables: bool) -> Statement:
    not_action, not_resource = "NotAction" in document, "NotResource" in document
    actions = _texts(document["NotAction" if not_action else "Action"])
    # Trust policies have no Resource: the role they belong to is meant.
    resources = _texts(document.get("NotResource" if not_resource else "Resource", "*"))
    if document["Effect"] not in ("Allow", "Deny"):
        raise ValueError("Effect")
    return Statement(
        sid=str(document.get("Sid", "")),
        allows=document["Effect"] == "Allow",
        actions=_patterns(actions, not_action, variables=False, ignore_case=True),
        resources=_patterns(resources, not_resource, variables=variables, ignore_case=False),
        conditions=conditions.parsed(document.get("Condition", {})),
        principals=_principals(document),
        not_principals="NotPrincipal" in document,
    )


def _texts(element: object) -> list[str]:
    return [str(one) for one in element] if isinstance(element, list) else [str(element)]


def _patterns(texts: list[str], negated: bool, *, variables: bool, ignore_case: bool) -> Patterns:
    fixed = [text for text in texts if not (variables and "${" in text)]
    if not fixed:
        return Patterns(None, tuple(texts), negated)
    joined = "|".join(glob(text).pattern for text in fixed)
    pattern = re.compile(joined, re.DOTALL | (re.IGNORECASE if ignore_case else 0))
    return Patterns(pattern, tuple(text for text in texts if text not in fixed), negated)


def _principals(document: Mapping[str, Any]) -> tuple[tuple[str, str], ...] | None:
    element = document.get("Principal", document.get("NotPrincipal"))
    if element is None:
        return None
    if isinstance(element, str):
        return (("AWS", element),)
    return tuple((kind, value) for kind, values in element.items() for value in _texts(values))
