"""What one worker may do: read or write the snapshots of its task, its session in one repository, its queue."""

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.aws.policies.grants import Grant
from holdfast.aws.policies.instances import FOR_SNAPSHOTS, Ec2Names, standing_snapshots_grant
from holdfast.aws.policies.repository_keys import repository_key_grants
from holdfast.domain.ownership import APPLIANCE, SESSION, TASK

# A write that could replace an object is refused (docs/format, write-once names).
WRITE_ONCE = {"Null": {"s3:if-none-match": "false"}}
# Of a PUT with a lock, and of a retention that is set (S3 User Guide, "Setting limits on retention periods").
LOCK_DAYS = "s3:object-lock-remaining-retention-days"


@dataclass(frozen=True, slots=True)
class WorkerScope:
    """What a worker works on. `prefix` is the repository's, without slashes at its ends; `session` the repository's.

    `region` is where its snapshots are; queues and keys are named by their ARNs and may be elsewhere.
    `repository_key_arns` are the customer's KMS keys that buckets of repositories are encrypted under.
    """

    partition: str
    region: str
    bucket: str
    prefix: str
    session: str
    task_queue_arn: str
    event_queue_arn: str
    kms_key_arn: str
    bundle_bucket: str
    bundle_key: str
    repository_key_arns: tuple[str, ...] = ()

    def objects(self, name: str) -> str:
        """The ARN of objects of the repository."""
        return _objects(self.partition, self.bucket, self.prefix, name)

    @property
    def snapshots(self) -> tuple[str, ...]:
        """The ARN of all snapshots of the region: it names no account."""
        return (f"arn:{self.partition}:ec2:{self.region}::snapshot/*",)


@dataclass(frozen=True, slots=True)
class CopiedFrom:
    """The repository that a copy reads, and the id under which its point is pinned there."""

    partition: str
    bucket: str
    prefix: str
    reader: str

    def objects(self, name: str) -> str:
        """The ARN of objects of that repository."""
        return _objects(self.partition, self.bucket, self.prefix, name)


def _objects(partition: str, bucket: str, prefix: str, name: str) -> str:
    path = f"{prefix}/{name}" if prefix else name
    return f"arn:{partition}:s3:::{bucket}/{path}"


@dataclass(frozen=True, slots=True)
class SnapshotsToRead:
    """Snapshots by the tags that they bear: the appliance's, and those of the tasks that made them; and by their ids
    those that bear none that count here: another account's, whose tags nobody else sees.
    """

    appliance_id: str = ""
    task_ids: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


def worker_backup_grants(
    scope: WorkerScope,
    snapshots: SnapshotsToRead,
    snapshot_key_arns: tuple[str, ...] = (),
    lock_days: int | None = None,
) -> list[Grant]:
    """A worker that reads these snapshots; `snapshot_key_arns` are the KMS keys that some are encrypted under,
    `lock_days` for how long at most it locks what it writes, None where it locks nothing.
    """
    grants = [*_of_every_worker(scope), *_reading(scope, snapshots), *_writing_packs(scope, lock_days)]
    if snapshot_key_arns:
        grants.append(
            Grant(
                "OpenSnapshots",
                "blocks of encrypted snapshots come decrypted, as EBS's client",
                ("kms:Decrypt",),
                snapshot_key_arns,
            )
        )
    return grants


def worker_copy_grants(scope: WorkerScope, source: CopiedFrom, lock_days: int | None = None) -> list[Grant]:
    """A worker that writes into the repository of `scope` what it reads in another one."""
    return [
        *_of_every_worker(scope),
        *_writing_packs(scope, lock_days),
        Grant(
            "ReadSource",
            "packs and index runs of the repository that is copied from; each sealed, with keys that only the task "
            "holds",
            ("s3:GetObject",),
            (source.objects("packs/*"), source.objects("index/*")),
        ),
        Grant(
            "LiveInSource",
            "signs of life of its reader, so that nothing it reads is collected meanwhile; never over what is there",
            ("s3:PutObject",),
            (source.objects(f"sessions/{source.reader}/alive-*"),),
            WRITE_ONCE,
        ),
    ]


def _writing_packs(scope: WorkerScope, lock_days: int | None) -> list[Grant]:
    """As long as it locks what it writes; None where it locks nothing."""
    packs = (scope.objects("packs/*"),)
    grant = Grant("WritePacks", "new packs; never one that is there", ("s3:PutObject",), packs, WRITE_ONCE)
    return [grant] if lock_days is None else [grant, worker_lock_grant(scope, str(lock_days))]


def worker_lock_grant(scope: WorkerScope, lock_days: str) -> Grant:
    """What a worker needs besides that writes into an immutable repository. S3 asks for it with each PUT that locks."""
    return Grant(
        "LockPacks",
        "packs are locked as they are written, for so many days at most; nobody can shorten that",
        ("s3:PutObjectRetention",),
        (scope.objects("packs/*"),),
        {"NumericLessThanEquals": {LOCK_DAYS: lock_days}},
    )


def worker_versions_grant(place: WorkerScope | CopiedFrom) -> Grant:
    """What a worker needs besides that restores, verifies or copies from an immutable repository in which somebody has
    hidden objects.
    """
    return Grant(
        "LookBehind",
        "versions of packs and index runs that its task names, for a marker or another version stands over them",
        ("s3:GetObjectVersion",),
        (place.objects("packs/*"), place.objects("index/*")),
    )


def worker_restore_grants(
    scope: WorkerScope, owner: Mapping[str, str], snapshot_key_arns: tuple[str, ...] = ()
) -> list[Grant]:
    """A worker that writes new snapshots; they bear the tags `owner` from their first moment, by which the appliance
    knows whose they are, and are encrypted under `snapshot_key_arns` where there are any.
    """
    snapshots = scope.snapshots
    grants = [
        *_of_every_worker(scope),
        Grant(
            "StartSnapshots",
            "a new snapshot for each volume, which must bear the attempt's tags; none has an id yet",
            ("ebs:StartSnapshot",),
            snapshots,
            {"StringEquals": _tags_of("aws:RequestTag", owner)},
        ),
        Grant(
            "TagStartedSnapshots",
            "StartSnapshot with tags asks for this, too",
            ("ec2:CreateTags",),
            snapshots,
            {"StringEquals": _tags_of("aws:RequestTag", owner)},
        ),
        Grant(
            "WriteSnapshots",
            "blocks of the snapshots of this attempt, and no other's; delete: only what it could not finish",
            ("ebs:CompleteSnapshot", "ebs:PutSnapshotBlock", "ec2:DeleteSnapshot"),
            snapshots,
            {"StringEquals": _tags_of("aws:ResourceTag", owner)},
        ),
        Grant(
            "SeeSnapshots",
            "whether a snapshot that was completed is there; EC2 knows no resource for this",
            ("ec2:DescribeSnapshots",),
            ("*",),
        ),
    ]
    if snapshot_key_arns:
        grants += _keys_of_new_snapshots(snapshot_key_arns)
    return grants


def worker_verify_grants(scope: WorkerScope) -> list[Grant]:
    """A worker that reads packs, and writes nothing but its result."""
    return _of_every_worker(scope)


def _reading(scope: WorkerScope, snapshots: SnapshotsToRead) -> list[Grant]:
    """Tags where there are some: a policy that names each snapshot outgrows what IAM takes at some sixty volumes."""
    if not snapshots.task_ids and not snapshots.ids:
        raise ValueError("a worker that backs up nothing")
    reading = ("ebs:GetSnapshotBlock", "ebs:ListChangedBlocks", "ebs:ListSnapshotBlocks")
    why = "the blocks of this task's snapshots, and what changed since the last"
    grants = []
    if snapshots.task_ids:
        tags: dict[str, str | tuple[str, ...]] = {
            f"aws:ResourceTag/{APPLIANCE}": snapshots.appliance_id,
            f"aws:ResourceTag/{TASK}": tuple(sorted(snapshots.task_ids)),
        }
        grants.append(Grant("ReadSnapshots", why, reading, scope.snapshots, {"StringEquals": tags}))
    if snapshots.ids:
        # An id is given once, in whatever region: naming the region would only make the text longer.
        named = tuple(f"arn:{scope.partition}:ec2:*::snapshot/{one}" for one in snapshots.ids)
        grants.append(Grant("ReadNamedSnapshots", f"{why}: snapshots of another account", reading, named))
    return grants


def _tags_of(where: str, owner: Mapping[str, str]) -> dict[str, str | tuple[str, ...]]:
    return {f"{where}/{key}": value for key, value in owner.items()}


def _keys_of_new_snapshots(key_arns: tuple[str, ...]) -> list[Grant]:
    return [
        Grant("EncryptSnapshots", "blocks are sealed by EBS, as the one who writes them", FOR_SNAPSHOTS, key_arns),
        Grant(
            "LendKeys",
            "EBS itself goes on using the key of an encrypted snapshot",
            ("kms:CreateGrant",),
            key_arns,
            {"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
    ]


def worker_boundary_grants(
    partition: str, account_id: str, kms_key_arn: str, event_queue_arn: str, immutable_buckets: tuple[str, ...] = ()
) -> list[Grant]:
    """What no worker may go beyond, whatever its role says: the permissions boundary of all. It locks objects in
    `immutable_buckets` alone.
    """
    snapshots = (f"arn:{partition}:ec2:*::snapshot/*",)
    return [
        *boundary_lock_grants(partition, immutable_buckets),
        Grant("Read", "the bundle, and repositories", ("s3:GetObject",), (f"arn:{partition}:s3:::*/*",)),
        Grant("Write", "repositories", ("s3:PutObject",), (f"arn:{partition}:s3:::*/*",), WRITE_ONCE),
        Grant(
            "Snapshots",
            "reading and writing blocks",
            (
                "ebs:CompleteSnapshot",
                "ebs:GetSnapshotBlock",
                "ebs:ListChangedBlocks",
                "ebs:ListSnapshotBlocks",
                "ebs:PutSnapshotBlock",
                "ebs:StartSnapshot",
            ),
            snapshots,
        ),
        Grant("TagSnapshots", "snapshots of restores, as they are started", ("ec2:CreateTags",), snapshots),
        standing_snapshots_grant(Ec2Names(partition, account_id), {}),
        Grant(
            "DropSnapshots",
            "unfinished snapshots of restores",
            ("ec2:DeleteSnapshot",),
            snapshots,
            {"Null": {f"aws:ResourceTag/{SESSION}": "false"}},
        ),
        Grant("SeeSnapshots", "snapshots of restores", ("ec2:DescribeSnapshots",), ("*",)),
        Grant(
            "Queues",
            "the task, and events",
            ("sqs:DeleteMessage", "sqs:ReceiveMessage", "sqs:SendMessage"),
            (f"arn:{partition}:sqs:*:{account_id}:holdfast-worker-*", event_queue_arn),
        ),
        Grant(
            "Keys",
            "the task's key, those of encrypted snapshots and of buckets; the role of each worker names its own",
            FOR_SNAPSHOTS,
            (kms_key_arn, f"arn:{partition}:kms:*:*:key/*"),
        ),
        Grant(
            "LendKeys",
            "keys of encrypted snapshots, to AWS's services alone",
            ("kms:CreateGrant",),
            (f"arn:{partition}:kms:*:*:key/*",),
            {"Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
    ]


def boundary_lock_grants(partition: str, immutable_buckets: tuple[str, ...]) -> list[Grant]:
    """What the boundary lets workers do in immutable repositories besides; how long and what, their roles say."""
    if not immutable_buckets:
        return []
    objects = tuple(f"arn:{partition}:s3:::{bucket}/*" for bucket in immutable_buckets)
    return [
        Grant("Lock", "packs of immutable repositories", ("s3:PutObjectRetention",), objects),
        Grant("LookBehind", "what somebody has hidden there", ("s3:GetObjectVersion",), objects),
    ]


def _of_every_worker(scope: WorkerScope) -> list[Grant]:
    bound = {
        "kms:EncryptionContext:holdfast:session": scope.session,
        # The role's id and the instance's: what was wrapped for another worker stays closed.
        "kms:EncryptionContext:holdfast:userid": "${aws:userid}",
    }
    return [
        Grant(
            "FetchBundle",
            "the program itself, at boot",
            ("s3:GetObject",),
            (f"arn:{scope.partition}:s3:::{scope.bundle_bucket}/{scope.bundle_key}",),
        ),
        Grant(
            "TakeTask",
            "the pointer to its one task, from the queue that only it reads",
            ("sqs:DeleteMessage", "sqs:ReceiveMessage"),
            (scope.task_queue_arn,),
        ),
        Grant("Report", "events to the appliance", ("sqs:SendMessage",), (scope.event_queue_arn,)),
        Grant("OpenTask", "the key of its task", ("kms:Decrypt",), (scope.kms_key_arn,), {"StringEquals": bound}),
        Grant(
            "ReadRepository",
            "packs and index runs of parents, its own task, and how far earlier attempts had come; each sealed, with "
            "keys that only the task holds",
            ("s3:GetObject",),
            (scope.objects("packs/*"), scope.objects("index/*"), scope.objects(f"sessions/{scope.session}/*")),
        ),
        Grant(
            "WriteSession",
            "the result of its own session, and how far it has come; never over what is there",
            ("s3:PutObject",),
            (scope.objects(f"sessions/{scope.session}/*"),),
            WRITE_ONCE,
        ),
        *repository_key_grants(scope.repository_key_arns),
    ]
