"""Policy documents (docs/policies.md): YAML or JSON that people write, to `Ec2Policy` and back.

Strict: what is not known is refused with the path to it. `policy_document` of what `read_policy` gave is the same
document again in its canonical form, and two documents are compared in that form.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from holdfast.domain.errors import UsageError
from holdfast.domain.policy import (
    ArchiveTarget,
    BackupTarget,
    Ec2Policy,
    Exclusion,
    HealthCheck,
    Schedule,
    Selection,
    SnapshotTarget,
    WorkerChoice,
)
from holdfast.domain.policy_rules import check_policy
from holdfast.protocol.encoding import from_document, schema_of, to_document

API_VERSION = "holdfast/v1"
KIND = "EC2Policy"
_WHAT = "the policy"
_NOTHING, _ANY_WORKER = Exclusion(), WorkerChoice()


@dataclass(frozen=True, slots=True)
class Metadata:
    """By which name it is known, and what a person says of it."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class Spec:
    """The parts of an Ec2Policy; its docstrings say what each is."""

    account: str
    regions: tuple[str, ...]
    select: Selection
    priority: int = 100
    exclude: Exclusion = _NOTHING
    snapshot: SnapshotTarget | None = None
    backup: BackupTarget | None = None
    archive: ArchiveTarget | None = None
    health_check: HealthCheck | None = None
    worker: WorkerChoice = _ANY_WORKER


@dataclass(frozen=True, slots=True)
class _Document:
    metadata: Metadata
    spec: Spec


class _Loader(yaml.SafeLoader):
    """Of YAML 1.1, but for numbers to the base of sixty: 22:00 is a time of day, as 07:00 is."""


_INT, _BASE_TEN = "tag:yaml.org,2002:int", re.compile(r"[-+]?(0|[1-9][0-9_]*)\Z")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, _BASE_TEN if tag == _INT else pattern) for tag, pattern in resolvers]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse_policy(text: str) -> dict[str, Any]:
    """The document in a text of YAML or JSON. Raises UsageError."""
    try:
        document = _Loader(text).get_single_data()
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        place = f"line {where.line + 1}: " if where else ""
        raise UsageError(
            "the policy is no YAML", why=f"{place}{getattr(error, 'problem', '') or error}", cure="mend the document"
        ) from None
    if not isinstance(document, dict):
        raise UsageError(
            "the policy is no document",
            why="it does not consist of names and values",
            cure="begin with apiVersion, kind, metadata and spec",
        )
    return document


def read_policy(document: Mapping[str, Any]) -> Ec2Policy:
    """The policy of a document. Raises UsageError that names the field."""
    head = dict(document)
    given = head.pop("apiVersion", None), head.pop("kind", None)
    if given != (API_VERSION, KIND):
        raise UsageError(
            "the policy cannot be read",
            why=f"apiVersion is {given[0]!r} and kind {given[1]!r}",
            cure=f"write apiVersion: {API_VERSION} and kind: {KIND}",
        )
    read = from_document(_Document, head, _WHAT)
    spec = read.spec
    policy = Ec2Policy(
        name=read.metadata.name,
        description=read.metadata.description,
        account=spec.account,
        regions=tuple(dict.fromkeys(spec.regions)),
        select=spec.select,
        exclude=spec.exclude,
        priority=spec.priority,
        snapshot=spec.snapshot,
        backup=spec.backup,
        archive=spec.archive,
        health_check=spec.health_check,
        worker=spec.worker,
    )
    check_policy(policy)
    return policy


def policy_document(policy: Ec2Policy) -> dict[str, Any]:
    """The canonical document: only what differs from the defaults, in the order of docs/policies.md."""
    fields = to_document(policy)
    metadata = {"name": fields.pop("name")}
    if description := fields.pop("description"):
        metadata["description"] = description
    spec = {"account": policy.account, "regions": list(policy.regions)}
    for name in ("priority", "select", "exclude", "snapshot", "backup", "archive", "health_check", "worker"):
        kept = _without_defaults(fields[name], _DEFAULTS.get(name))
        if kept is not None:
            spec[name] = kept
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}


def policy_text(policy: Ec2Policy) -> str:
    """The canonical document as YAML."""
    text: str = yaml.safe_dump(policy_document(policy), sort_keys=False, allow_unicode=True)
    return text


def difference(before: Ec2Policy | None, after: Ec2Policy) -> tuple[str, ...]:
    """Unified lines of what applying would change; empty when nothing."""
    old = policy_text(before).splitlines() if before is not None else []
    new = policy_text(after).splitlines()
    return tuple(difflib.unified_diff(old, new, "as it is", "as it would be", lineterm="", n=2))


def policy_schema() -> dict[str, Any]:
    """The JSON Schema of policy documents."""
    schema = schema_of(_Document)
    properties = {name: schema["properties"][name] for name in ("metadata", "spec")}
    definitions = {
        name: part | ({"additionalProperties": False} if part.get("type") == "object" else {})
        for name, part in schema["$defs"].items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": KIND,
        "type": "object",
        "properties": {"apiVersion": {"const": API_VERSION}, "kind": {"const": KIND}, **properties},
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": False,
        "$defs": definitions,
    }


_DEFAULTS: dict[str, Any] = {
    "priority": 100,
    "select": to_document(Selection()),
    "exclude": to_document(Exclusion()),
    "worker": to_document(WorkerChoice()),
    "snapshot": {"copy_tags": True, "tags": {}, "schedule": None},
    "backup": {"compression": "default", "schedule": None},
    "archive": {"monthly": None, "yearly": None},
    "health_check": {},
}


def _without_defaults(value: Any, default: Any) -> Any:
    if value == default or value is None:
        return None
    if not isinstance(value, dict) or not isinstance(default, dict):
        return value
    kept = {name: part for name, part in value.items() if name not in default or part != default[name]}
    for name in ("retention", "monthly", "yearly"):
        if name in kept:
            kept[name] = _given(kept[name])
    if isinstance(kept.get("schedule"), dict) and kept["schedule"].get("time_zone") == Schedule("").time_zone:
        kept["schedule"] = {"cron": kept["schedule"]["cron"]}
    return kept


def _given(retention: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing in a retention has a default."""
    parts = {name: _given(part) if isinstance(part, Mapping) else part for name, part in retention.items()}
    return {name: part for name, part in parts.items() if part is not None}
