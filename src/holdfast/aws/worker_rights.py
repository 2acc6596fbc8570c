"""The policy of one worker's role, out of its order."""

from typing import Any

from holdfast.appliance.ports.cloud import WorkerOrder
from holdfast.aws.clients import PatientClient
from holdfast.aws.policies.grants import Grant
from holdfast.aws.policies.worker import WorkerScope, worker_backup_grants, worker_restore_grants
from holdfast.domain.errors import UsageError
from holdfast.protocol.appliance_answers import AwsSettings
from holdfast.repository.stores.s3.location import parse_s3_location

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
    location = order.repository_location
    if not location.startswith("s3://"):
        raise UsageError(
            f"a worker on an instance cannot reach {location}",
            why="it has no disk and no network of this machine",
            cure="choose a repository in S3, or `worker: {mode: local}` in the policy",
        )
    place = parse_s3_location(location)
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
    )
    if order.writes_snapshots:
        return worker_restore_grants(scope, order.owner.session_id, order.kms_key_arns)
    keys = _keys(ec2, order.reads_snapshots)
    return worker_backup_grants(scope, order.reads_snapshots, tuple(sorted({*keys, *order.kms_key_arns})))


def _keys(ec2: PatientClient, snapshot_ids: tuple[str, ...]) -> set[str]:
    """The KMS keys that the snapshots are encrypted under; a base snapshot that is gone is no error."""
    filters: list[dict[str, Any]] = [{"Name": "snapshot-id", "Values": list(snapshot_ids)}]
    found = ec2.pages("DescribeSnapshots", ", ".join(snapshot_ids), "Snapshots", Filters=filters)
    return {str(one["KmsKeyId"]) for one in found if one.get("Encrypted") and one.get("KmsKeyId")}
