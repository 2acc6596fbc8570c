"""What an appliance may do in its own account: backups, restores, and workers, each bounded."""

from dataclasses import dataclass

from holdfast.aws.policies.grants import CREATIONS, Grant
from holdfast.aws.policies.instances import (
    OURS,
    Ec2Names,
    birth_grants,
    discovery_grants,
    restore_grants,
    snapshot_grants,
    volume_key_grants,
)
from holdfast.aws.policies.local_workers import local_worker_grants
from holdfast.aws.policies.repository_keys import repository_key_grants
from holdfast.domain.ownership import APPLIANCE, PURPOSE, WORKER
from holdfast.domain.secret_box import SEALING_CONTEXT

# In the account in which its workers are.
_READS_OF_ITS_OWN = (
    "ec2:GetEbsDefaultKmsKeyId",
    "ec2:GetEbsEncryptionByDefault",
    "iam:ListInstanceProfiles",
    "iam:ListRoles",
    "sqs:ListQueues",
)
_EC2 = {"iam:PassedToService": "ec2.amazonaws.com"}


@dataclass(frozen=True, slots=True)
class RepositoryPlace:
    """A repository's bucket and prefix, without slashes at its ends. `immutable`: its bucket has Object Lock;
    `archive`: its packs lie in an archive class.
    """

    bucket: str
    prefix: str = ""
    immutable: bool = False
    archive: bool = False


@dataclass(frozen=True, slots=True)
class ApplianceScope:
    """What an appliance works on. Texts may be a template's words for what does not exist yet.

    `restored_role_arns`: roles that restored instances may have, beside none; `production_role_arns`: roles of other
    accounts that it may assume; `volume_key_arns`, `repository_key_arns`: the customer's own KMS keys of volumes and of
    buckets; `local_workers`: whether processes beside it move data; `retrieval_role_arn`: under which S3 retrieves by
    jobs from `repositories` that are archives, where any is.
    """

    partition: str
    account_id: str
    kms_key_arn: str
    event_queue_arn: str
    worker_boundary_arn: str
    repositories: tuple[RepositoryPlace, ...] = ()
    restored_role_arns: tuple[str, ...] = ()
    production_role_arns: tuple[str, ...] = ()
    volume_key_arns: tuple[str, ...] = ()
    repository_key_arns: tuple[str, ...] = ()
    local_workers: bool = False
    retrieval_role_arn: str | None = None


def appliance_grants(scope: ApplianceScope) -> list[Grant]:
    """All of it; IAM's bound of 10,240 characters for the policies of a role leaves room for some repositories."""
    names = Ec2Names(scope.partition, scope.account_id)
    grants = [
        *discovery_grants(names, *_READS_OF_ITS_OWN),
        *snapshot_grants(names),
        *birth_grants(names),
        *restore_grants(names, scope.restored_role_arns),
        *_worker_instances(names),
        *_worker_roles(scope, names),
        *_worker_queues(scope),
        _sealing(scope),
        *volume_key_grants(scope.volume_key_arns, writes_blocks=scope.local_workers),
        *repository_key_grants(scope.repository_key_arns),
        *(local_worker_grants(names) if scope.local_workers else ()),
    ]
    if scope.production_role_arns:
        why = "other accounts, by roles that trust this one"
        grants.append(Grant("OtherAccounts", why, ("sts:AssumeRole",), scope.production_role_arns))
    if scope.repositories:
        grants += repository_grants(scope.partition, scope.repositories)
    if scope.retrieval_role_arn is not None:
        grants += retrieval_job_grants(scope.partition, scope.account_id, scope.retrieval_role_arn)
    return grants


def repository_grants(partition: str, places: tuple[RepositoryPlace, ...]) -> list[Grant]:
    """Whoever keeps repositories reads, writes, lists and deletes in them."""
    within = {one: _keys_of(one) for one in places}
    return [
        *lock_grants(partition, tuple(one for one in places if one.immutable)),
        *retrieval_grants(partition, tuple(one for one in places if one.archive)),
        Grant(
            "Repositories",
            "sessions, points, retention, collections of garbage",
            ("s3:DeleteObject", "s3:GetObject", "s3:PutObject"),
            _within(partition, tuple(within), "*"),
        ),
        Grant(
            "ListRepositories",
            "points, packs and ledgers are found by listing",
            ("s3:ListBucket",),
            tuple(sorted({f"arn:{partition}:s3:::{one.bucket}" for one in places})),
            # Where the key is absent S3 asks whether a missing object may be called missing, or the request is denied.
            {"StringLikeIfExists": {"s3:prefix": tuple(within.values())}},
        ),
    ]


def _keys_of(place: RepositoryPlace, keys: str = "*") -> str:
    return f"{place.prefix}/{keys}" if place.prefix else keys


def _within(partition: str, places: tuple[RepositoryPlace, ...], keys: str) -> tuple[str, ...]:
    return tuple(f"arn:{partition}:s3:::{one.bucket}/{_keys_of(one, keys)}" for one in places)


def lock_grants(partition: str, places: tuple[RepositoryPlace, ...]) -> list[Grant]:
    """What immutable repositories need besides. Nothing here shortens a lock, for no right does (mode COMPLIANCE)."""
    if not places:
        return []
    within = {one: _keys_of(one) for one in places}
    buckets = tuple(sorted({f"arn:{partition}:s3:::{one.bucket}" for one in within}))
    return [
        Grant(
            "LockRepositories",
            "locks are set and renewed; versions are deleted when theirs have ended, and read behind what hides them",
            ("s3:DeleteObjectVersion", "s3:GetObjectRetention", "s3:GetObjectVersion", "s3:PutObjectRetention"),
            _within(partition, tuple(within), "*"),
        ),
        Grant(
            "ListVersions",
            "what is to be deleted version by version, or is hidden",
            ("s3:ListBucketVersions",),
            buckets,
            {"StringLikeIfExists": {"s3:prefix": tuple(within.values())}},
        ),
    ]


def retrieval_grants(partition: str, places: tuple[RepositoryPlace, ...]) -> list[Grant]:
    """What restores from archives need besides. It costs money, and no worker has it."""
    if not places:
        return []
    packs = _within(partition, places, "packs/*")
    return [Grant("RetrieveArchives", "what a restore reads is asked back, and kept", ("s3:RestoreObject",), packs)]


def retrieval_job_grants(partition: str, account_id: str, role_arn: str) -> list[Grant]:
    """What retrievals by jobs need of whoever orders them. Jobs that only retrieve, under that role, which S3 alone may
    take: whoever may create jobs and pass another role could do with a bucket what that role may.
    """
    jobs = f"arn:{partition}:s3:*:{account_id}:job/*"
    to_s3 = {"iam:PassedToService": "batchoperations.s3.amazonaws.com"}
    return [
        Grant(
            "OrderRetrievals",
            CREATIONS["s3:CreateJob"],
            ("s3:CreateJob",),
            ("*",),
            {"StringEquals": {"s3:RequestJobOperation": "S3InitiateRestoreObject"}},
        ),
        Grant("FollowRetrievals", "whether such a job has ended", ("s3:DescribeJob",), (jobs,)),
        Grant("GiveRetrievalRole", "to S3's jobs alone", ("iam:PassRole",), (role_arn,), {"StringEquals": to_s3}),
    ]


def retrieval_role_grants(
    partition: str, places: tuple[RepositoryPlace, ...], key_arns: tuple[str, ...] = ()
) -> list[Grant]:
    """What the role may under which S3 carries out such jobs; `key_arns`: the customer's, of the buckets, which it
    needs where objects are encrypted (S3 user guide, "Granting permissions for Batch Operations").
    """
    return [
        *retrieval_grants(partition, places),
        *repository_key_grants(key_arns),
        Grant(
            "ReadLists",
            "which objects a job is to retrieve",
            ("s3:GetObject", "s3:GetObjectVersion"),
            _within(partition, places, "sessions/*/retrieval"),
        ),
    ]


def _worker_instances(names: Ec2Names) -> list[Grant]:
    born = {f"aws:RequestTag/{PURPOSE}": WORKER}
    return [
        Grant(
            "LaunchWorkers",
            "with a metadata service that asks for tokens",
            ("ec2:RunInstances",),
            names.all("instance"),
            {"StringEquals": {**born, "ec2:MetadataHttpTokens": "required"}},
        ),
        Grant(
            "WorkerParts",
            "disk and interface of a worker",
            ("ec2:RunInstances",),
            names.all("network-interface", "volume"),
            {"StringEquals": born},
        ),
        Grant(
            "EndWorkers",
            "why a worker did not boot; its group, when it goes",
            ("ec2:DeleteSecurityGroup", "ec2:GetConsoleOutput"),
            names.all("instance", "security-group"),
            OURS,
        ),
        Grant(
            "WorkerGroup",
            "a group that lets nothing in",
            ("ec2:CreateSecurityGroup",),
            names.all("security-group"),
            {"Null": {f"aws:RequestTag/{APPLIANCE}": "false"}},
        ),
        Grant("WorkerNetwork", "in this network", ("ec2:CreateSecurityGroup",), names.all("vpc")),
    ]


def _worker_roles(scope: ApplianceScope, names: Ec2Names) -> list[Grant]:
    roles = names.roles("holdfast/worker/*")
    profiles = (f"arn:{scope.partition}:iam::{scope.account_id}:instance-profile/holdfast/worker/*",)
    return [
        Grant(
            "MakeWorkerRoles",
            "a role for each worker, never beyond the boundary",
            ("iam:CreateRole", "iam:PutRolePolicy"),
            roles,
            {"StringEquals": {"iam:PermissionsBoundary": scope.worker_boundary_arn}},
        ),
        Grant(
            "KeepWorkerRoles",
            "found again after a lost answer, removed with the worker",
            (
                "iam:DeleteRole",
                "iam:DeleteRolePolicy",
                "iam:GetRole",
                "iam:TagRole",
            ),
            roles,
        ),
        Grant(
            "WorkerProfiles",
            "how an instance gets its role",
            (
                "iam:AddRoleToInstanceProfile",
                "iam:CreateInstanceProfile",
                "iam:DeleteInstanceProfile",
                "iam:GetInstanceProfile",
                "iam:RemoveRoleFromInstanceProfile",
                "iam:TagInstanceProfile",
            ),
            profiles,
        ),
        Grant("GiveWorkerRoles", "to instances alone", ("iam:PassRole",), roles, {"StringEquals": _EC2}),
    ]


def _sealing(scope: ApplianceScope) -> Grant:
    """By its context nothing else that the key wraps is opened, no key of a worker's task."""
    return Grant(
        "SealSecrets",
        "secrets at rest, and what snapshots say of themselves",
        ("kms:Decrypt", "kms:Encrypt"),
        (scope.kms_key_arn,),
        {"StringEquals": {f"kms:EncryptionContext:{key}": value for key, value in SEALING_CONTEXT.items()}},
    )


def _worker_queues(scope: ApplianceScope) -> list[Grant]:
    tasks = (f"arn:{scope.partition}:sqs:*:{scope.account_id}:holdfast-worker-*",)
    return [
        Grant(
            "TaskQueues",
            "a queue for each worker's one task",
            ("sqs:CreateQueue", "sqs:DeleteQueue", "sqs:ListQueueTags", "sqs:SendMessage", "sqs:TagQueue"),
            tasks,
        ),
        Grant("Events", "what workers report", ("sqs:DeleteMessage", "sqs:ReceiveMessage"), (scope.event_queue_arn,)),
        Grant(
            "WrapKeys",
            "the key of a task, for one worker and no other",
            ("kms:Encrypt",),
            (scope.kms_key_arn,),
            {"Null": {"kms:EncryptionContext:holdfast:userid": "false"}},
        ),
    ]
