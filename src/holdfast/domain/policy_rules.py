"""What every policy must keep to, wherever it comes from. Cron and time zones are checked where they are computed."""

import re
from collections.abc import Iterable, Iterator, Mapping

from holdfast.domain.errors import UsageError
from holdfast.domain.identifiers import checked_name, is_instance_id, is_region, is_volume_id
from holdfast.domain.policy import CUSTOM_TAG_LIMIT, Ec2Policy
from holdfast.domain.retention_rules import LARGEST_KEEP, archive_complaints, retention_complaints

LARGEST_PRIORITY = 10_000
DESCRIPTION_LIMIT = 255
WORKER_TAG_LIMIT = 25
RESERVED_TAG_KEYS = ("aws:", "holdfast:")
COMPRESSIONS = ("default", "fast", "best")
_SUBNET = re.compile(r"subnet-[0-9a-f]{8,17}")
_SECURITY_GROUP = re.compile(r"sg-[0-9a-f]{8,17}")
_INSTANCE_TYPE = re.compile(r"[a-z0-9-]+\.[a-z0-9-]+")


def check_policy(policy: Ec2Policy) -> None:
    """Raises UsageError that names each field that is wrong."""
    checked_name(policy.name, "a policy")
    checked_name(policy.account, "an account")
    complaints = [*_head(policy), *_selection(policy), *_targets(policy), *_worker(policy)]
    if complaints:
        raise UsageError(
            f"policy {policy.name} is not valid",
            why="; ".join(complaints[:5]),
            cure="mend the document (docs/policies.md says what each field may be)",
        )


def _head(policy: Ec2Policy) -> Iterator[str]:
    if not policy.regions:
        yield "spec.regions: at least one is needed"
    for region in policy.regions:
        if not is_region(region):
            yield f"spec.regions: {region!r} is no region"
    if len(policy.description) > DESCRIPTION_LIMIT:
        yield f"metadata.description: more than {DESCRIPTION_LIMIT} characters"
    if not 0 <= policy.priority <= LARGEST_PRIORITY:
        yield f"spec.priority: {policy.priority} is not in 0 to {LARGEST_PRIORITY}"


def _selection(policy: Ec2Policy) -> Iterator[str]:
    select, exclude = policy.select, policy.exclude
    if not (select.all or select.ids or select.tags):
        yield "spec.select: choose all, ids or tags"
    if select.all and (select.ids or select.tags):
        yield "spec.select: all leaves nothing to choose by ids or tags"
    for path, ids in (("select.ids", select.ids), ("exclude.ids", exclude.ids)):
        for text in ids:
            if not is_instance_id(text):
                yield f"spec.{path}: {text!r} is no id of an instance"
    for text in exclude.volumes:
        if not is_volume_id(text):
            yield f"spec.exclude.volumes: {text!r} is no id of a volume"


def _targets(policy: Ec2Policy) -> Iterator[str]:
    snapshot, backup = policy.snapshot, policy.backup
    if snapshot is None and backup is None:
        yield "spec: a policy needs a target, snapshot or backup"
    if snapshot is not None:
        yield from _keep("snapshot.keep", snapshot.keep)
        if len(snapshot.tags) > CUSTOM_TAG_LIMIT:
            yield f"spec.snapshot.tags: {len(snapshot.tags)} tags, at most {CUSTOM_TAG_LIMIT} are allowed"
        yield from _tags("snapshot.tags", snapshot.tags)
    if backup is not None:
        yield from retention_complaints(backup)
        if backup.compression not in COMPRESSIONS:
            yield f"spec.backup.compression: {backup.compression!r} is none of {', '.join(COMPRESSIONS)}"
        if not backup.repository:
            yield "spec.backup.repository: a name is needed"
    if policy.archive is not None:
        yield from archive_complaints(policy.archive, backup)
    if policy.health_check is not None and backup is None:
        yield "spec.health_check: there is no spec.backup whose points it could read"


def _worker(policy: Ec2Policy) -> Iterator[str]:
    worker = policy.worker
    if worker.instance_type is not None and not _INSTANCE_TYPE.fullmatch(worker.instance_type):
        yield f"spec.worker.instance_type: {worker.instance_type!r} is no instance type"
    if worker.subnet_id is not None and not _SUBNET.fullmatch(worker.subnet_id):
        yield f"spec.worker.subnet_id: {worker.subnet_id!r} is no id of a subnet"
    for group in worker.security_group_ids:
        if not _SECURITY_GROUP.fullmatch(group):
            yield f"spec.worker.security_group_ids: {group!r} is no id of a security group"
    if len(worker.tags) > WORKER_TAG_LIMIT:
        yield f"spec.worker.tags: {len(worker.tags)} tags, at most {WORKER_TAG_LIMIT} are allowed"
    yield from _tags("worker.tags", worker.tags)


def _keep(path: str, keep: int) -> Iterator[str]:
    if not 1 <= keep <= LARGEST_KEEP:
        yield f"spec.{path}: {keep} is not in 1 to {LARGEST_KEEP}"


def _tags(path: str, tags: Mapping[str, str]) -> Iterator[str]:
    for key, value in tags.items():
        if _reserved(key):
            yield f"spec.{path}: {key!r} begins with a word that is reserved"
        if not 1 <= len(key) <= 128 or len(value) > 256:
            yield f"spec.{path}: a key has 1 to 128 characters and a value at most 256"


def _reserved(key: str, prefixes: Iterable[str] = RESERVED_TAG_KEYS) -> bool:
    return any(key.lower().startswith(prefix) for prefix in prefixes)
