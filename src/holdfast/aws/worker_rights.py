"""The policy of one worker's role, out of its order."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from holdfast.appliance.ports.cloud import WorkerOrder
from holdfast.aws.clients import PatientClient
from holdfast.aws.ownership import as_map, owner_of
from holdfast.aws.policies.grants import MAX_ROLE_CHARACTERS, Grant, as_text
from holdfast.aws.policies.worker import (
    CopiedFrom,
    SnapshotsToRead,
    WorkerScope,
    worker_backup_grants,
    worker_copy_grants,
    worker_restore_grants,
    worker_verify_grants,
    worker_versions_grant,
)
from holdfast.domain.errors import UsageError
from holdfast.domain.ownership import RESTORE
from holdfast.protocol.appliance_answers import AwsSettings
from holdfast.repository.stores.s3.location import S3Location, parse_s3_location

_FILTER_VALUES = 200
# Queues are named by their addresses; their ARNs have the same parts in another order.
_AWS_PARTITIONS = {"cn": "aws-cn", "us-gov": "aws-us-gov"}


def partition_of(region: str) -> str:
    """`aws`, or that of China or of the US government."""
    return next((name for prefix, name in _AWS_PARTITIONS.items() if region.startswith(f"{prefix}-")), "aws")


def queue_arn(url: str, region: str) -> str:
    """The ARN of the queue at an address: `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`."""
    account_id, name = url.rstrip("/").split("/")[-2:]
    return f"arn:{partition_of(region)}:sqs:{region}:{account_id}:{name}"


def bundle_of(settings: AwsSettings, architecture: str) -> tuple[str, str]:
    """(key, SHA-256) of the workers' bundle for an architecture. Raises UsageError where the stack has none."""
    found = settings.bundles.get(f"worker-{architecture}") or settings.bundles.get(architecture)
    if not found:
        raise UsageError(
            f"no worker can run on {architecture}",
            why=f"the stack has bundles for {', '.join(sorted(settings.bundles)) or 'nothing'} only",
            cure="choose an instance type of another architecture, or install the plug-in again",
        )
    return str(found["key"]), str(found["sha256"])


def grants_of(
    ec2: PatientClient, settings: AwsSettings, order: WorkerOrder, task_queue_url: str, bundle_key: str
) -> list[Grant]:
    """What the worker may do. Raises UsageError for a repository that is in no S3 bucket."""
    place = _place_of(order.repository_location)
    scope = WorkerScope(
        partition=partition_of(ec2.region),
        region=ec2.region,
        bucket=place.bucket,
        prefix=place.prefix,
        session=order.repository_session,
        task_queue_arn=queue_arn(task_queue_url, settings.region),
        event_queue_arn=queue_arn(settings.event_queue_url, settings.region),
        kms_key_arn=settings.kms_key_arn,
        bundle_bucket=settings.bundle_bucket,
        bundle_key=bundle_key,
        repository_key_arns=settings.repository_key_arns,
    )
    if order.copies_from is not None:
        there = _place_of(order.copies_from.location)
        source = CopiedFrom(scope.partition, there.bucket, there.prefix, order.copies_from.reader)
        return [*worker_copy_grants(scope, source, order.lock_days), *_behind(order, source)]
    if order.writes_snapshots:
        tags = replace(order.owner, purpose=RESTORE).tags()
        return [*worker_restore_grants(scope, tags, order.kms_key_arns), *_behind(order, scope)]
    if not order.reads_snapshots:
        return [*worker_verify_grants(scope), *_behind(order, scope)]
    snapshots = _described(ec2, order.reads_snapshots)
    keys = {str(one["KmsKeyId"]) for one in snapshots.values() if one.get("Encrypted") and one.get("KmsKeyId")}
    meant = _meant(order, settings.account_id, snapshots)
    return worker_backup_grants(scope, meant, tuple(sorted({*keys, *order.kms_key_arns})), order.lock_days)


def _behind(order: WorkerOrder, place: WorkerScope | CopiedFrom) -> list[Grant]:
    """What it needs besides, where something that it reads there is covered."""
    return [worker_versions_grant(place)] if order.reads_versions else []


def _place_of(location: str) -> S3Location:
    if not location.startswith("s3://"):
        raise UsageError(
            f"a worker on an instance cannot reach {location}",
            why="it has no disk and no network of this machine",
            cure="choose a repository in S3, or `worker: {mode: local}` in the policy",
        )
    return parse_s3_location(location)


def policy_of(grants: list[Grant]) -> str:
    """The text of the role's one policy. Raises UsageError for one that IAM would not take."""
    text = as_text(grants)
    if len(text) > MAX_ROLE_CHARACTERS:
        named = sum(len(grant.resources) for grant in grants if grant.name == "ReadNamedSnapshots")
        raise UsageError(
            f"a worker cannot be allowed {named} snapshots of another account",
            why=f"its policy would have {len(text)} characters, and IAM takes {MAX_ROLE_CHARACTERS}",
            cure="leave volumes out (`exclude` in the policy), or protect the instance by an appliance in its account",
        )
    return text


def _described(ec2: PatientClient, snapshot_ids: tuple[str, ...]) -> dict[str, Mapping[str, Any]]:
    """What EC2 says of each; a base snapshot that is gone is no error. At most 200 values of a filter are taken
    (DescribeSnapshots in the EC2 API reference).
    """
    found: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(snapshot_ids), _FILTER_VALUES):
        some = list(snapshot_ids[start : start + _FILTER_VALUES])
        filters = [{"Name": "snapshot-id", "Values": some}]
        for one in ec2.pages("DescribeSnapshots", ", ".join(some), "Snapshots", Filters=filters):
            found[str(one["SnapshotId"])] = one
    return found


def _meant(order: WorkerOrder, account_id: str, found: Mapping[str, Mapping[str, Any]]) -> SnapshotsToRead:
    """By the tags of their tasks what is the account's own and bears them, all else by id."""
    appliance_id, tasks, ids = order.owner.appliance_id, set(), []
    for snapshot_id in order.reads_snapshots:
        snapshot = found.get(snapshot_id, {})
        owner = owner_of(as_map(snapshot.get("Tags")))
        if snapshot.get("OwnerId") == account_id and owner is not None and owner.appliance_id == appliance_id:
            tasks.add(owner.task_id)
        else:
            ids.append(snapshot_id)
    return SnapshotsToRead(appliance_id, tuple(tasks), tuple(ids))
