"""docs/permissions.md, written from the policies and from calls that were made: python tools/permissions_page.py >
docs/permissions.md

`docs/calls-made.json` is what a test recorded: `RECORD_CALLS=1 pytest tests/e2e/permissions/test_calls_made.py`.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from holdfast.appliance.ports.cloud import Ownership
from holdfast.aws.policies.appliance import (
    ApplianceScope,
    RepositoryPlace,
    appliance_grants,
    lock_grants,
    retrieval_grants,
    retrieval_job_grants,
    retrieval_role_grants,
)
from holdfast.aws.policies.grants import CREATIONS, LIST_READS, Grant
from holdfast.aws.policies.instances import Ec2Names
from holdfast.aws.policies.local_workers import local_worker_grants
from holdfast.aws.policies.production_account import production_account_grants
from holdfast.aws.policies.server import ServerScope, deployment_grants, plugin_grants
from holdfast.aws.policies.worker import (
    CopiedFrom,
    SnapshotsToRead,
    WorkerScope,
    boundary_lock_grants,
    worker_backup_grants,
    worker_boundary_grants,
    worker_copy_grants,
    worker_lock_grant,
    worker_restore_grants,
    worker_verify_grants,
    worker_versions_grant,
)
from holdfast.domain.ownership import RESTORE

ACCOUNT, KEY, EVENTS = "ACCOUNT", "KEY-OF-THE-STACK", "QUEUE-OF-EVENTS"
HEAD = """# Permissions

Who may do what in AWS, statement for statement, as `src/holdfast/aws/policies` grants it. This page is written from
those functions by `python tools/permissions_page.py`, and a test says when it is not up to date. Nothing has `*` where
AWS knows a resource; the actions without one are listed at the end.

Names in capitals stand for what your stack made, or for what you registered. A condition `Null … false` asks that
the tag or header is there, `Null … true` that it is not.

## What you decide

Some rights nobody but you can bound. They are not given unless an option of `holdfast plugin install aws` names them
([plugins.md](plugins.md)); for another account you write them into the policy of its role.

- `instance-roles`: roles that restored instances get back. Whoever may give a role can do what the role can, so each is
  named. Without it, restoring an instance that has a role is refused with exit code 5, `iam:PassRole` and the role.
- `volume-keys`: your own KMS keys that volumes are encrypted under. Without it, whatever needs one is refused by name.
  With local workers it gives `kms:Encrypt` and `kms:GenerateDataKey` besides, which EBS asks for to write snapshots.
- `repository-keys`: your own KMS keys under which buckets of repositories encrypt by default. S3 asks KMS as whoever
  writes and reads: without it every write is refused with `kms:GenerateDataKey` and the key. Workers may what their
  appliance may, through S3 alone. A key of another account must let this one use it by its key policy, too.
- `local-workers`: blocks of snapshots, for `worker: {mode: local}`. Without it that mode is refused at its first block.

A snapshot is ours by its tags, so nobody may give them to one that stands. `StartSnapshot` with tags asks for
`ec2:CreateTags`, too, and AWS does not say with which `ec2:CreateAction`, if any: it is granted without, and
LeaveStanding denies it for what has an id already, to all workers in their boundary.

What a worker may read is told by the tags that its task's snapshots bear, however many there are. Another account's
show no tags here and are named one by one: some 160 fit into a policy, and a worker that needs more is refused.
"""

SERVER_HEAD = """
## What the server's own credentials must allow

The two policies that follow, for a user or role whose credentials the management server has. `SERVER` is the beginning
of the server's id; before the first start nobody knows it, and `*` stands in its place. CloudFormation acts with the
rights of whoever asks it: so the resources of the stack are in here, too. Attach each as a managed policy of its own.
VolumeKeys and LendVolumeKeys are needed only where the account's default key for EBS is your own, and stand for that
key: an appliance's disk is encrypted as whoever launches it.
"""
CALLS = Path(__file__).resolve().parents[1] / "docs" / "calls-made.json"
IMMUTABLE_HEAD = """
## What immutable repositories need besides

What the option `repositories=BUCKET/PREFIX?immutable` of the plug-in grants besides
([immutability](immutability.md)). DAYS is what the policy promises and a generation of ten days. These calls are not
among those recorded below.
"""
ARCHIVE_HEAD = """
## What restores from archives need besides

What the option `repositories=BUCKET/PREFIX?archive` of the plug-in grants besides ([archives](archive.md)), to the
appliance alone: it costs money. The role is one that the plug-in makes for S3 Batch Operations, and that nobody else
may take.
"""
CALLS_HEAD = """
## Calls made

What each of them asked AWS for in a lab with IAM enforced, when everything that is named in the last column was done
there; a test does it again and compares. Nothing else was asked for. What was granted and not asked for stands below,
with the reason. The last column names the first thing that needs the call.

| who | action | on | first needed to |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    keys, bucket_keys = ("VOLUME-KEY",), ("arn:aws:kms:REGION:ACCOUNT:key/REPOSITORY-KEY",)
    scope = WorkerScope(
        "aws",
        "REGION",
        "BUCKET",
        "PREFIX",
        "SESSION",
        "QUEUE-OF-THE-WORKER",
        EVENTS,
        KEY,
        "BUNDLE-BUCKET",
        "BUNDLE",
        bucket_keys,
    )
    appliance = ApplianceScope(
        "aws",
        ACCOUNT,
        KEY,
        EVENTS,
        "BOUNDARY",
        (RepositoryPlace("BUCKET", "PREFIX"),),
        ("INSTANCE-ROLE",),
        ("ROLE",),
        keys,
        bucket_keys,
    )
    snapshots = SnapshotsToRead("APPLIANCE", ("TASK", "TASK-BEFORE"), ("SNAPSHOT",))
    owner = Ownership("APPLIANCE", "SESSION-OF-THE-APPLIANCE", "TASK", 1, RESTORE)
    local = _section("The appliance, where it moves data itself", local_worker_grants(Ec2Names("aws", ACCOUNT)))
    server = ServerScope("aws", ACCOUNT, "REGION", "SERVER", keys)
    parts = [
        HEAD,
        _section("The appliance, in its own account", appliance_grants(appliance)),
        local,
        _section("The role of another account", production_account_grants("aws", ACCOUNT, ("INSTANCE-ROLE",), keys)),
        _section("A worker that backs up", worker_backup_grants(scope, snapshots, ("SNAPSHOT-KEY",))),
        _section("A worker that restores", worker_restore_grants(scope, owner.tags(), keys)),
        _section("A worker that verifies", worker_verify_grants(scope)),
        _section(
            "A worker that copies",
            worker_copy_grants(scope, CopiedFrom("aws", "SOURCE-BUCKET", "SOURCE-PREFIX", "READER")),
        ),
        _section("The boundary of all workers", worker_boundary_grants("aws", ACCOUNT, KEY, EVENTS)),
        IMMUTABLE_HEAD,
        _section("Immutable: the appliance", lock_grants("aws", (RepositoryPlace("BUCKET", "PREFIX", True),))),
        _section("Immutable: a worker that backs up", [worker_lock_grant(scope, "DAYS")]),
        _section(
            "Immutable: a worker that restores or verifies what somebody has hidden", [worker_versions_grant(scope)]
        ),
        _section(
            "Immutable: a worker that copies what somebody has hidden",
            [worker_versions_grant(CopiedFrom("aws", "SOURCE-BUCKET", "SOURCE-PREFIX", "READER"))],
        ),
        _section("Immutable: the boundary of all workers", boundary_lock_grants("aws", ("BUCKET",))),
        *_archive(),
        SERVER_HEAD,
        _section("The server, for its plug-in", plugin_grants(server)),
        _section("The server, for its appliances", deployment_grants(server)),
        "\n## Actions for which AWS knows no resource\n\n| action | what is looked for |\n|---|---|\n",
        *(f"| `{action}` | {why} |\n" for action, why in sorted({**LIST_READS, **CREATIONS}.items())),
        CALLS_HEAD,
        *_calls(json.loads(CALLS.read_text(encoding="utf-8"))),
    ]
    return "".join(parts)


def _archive() -> list[str]:
    place = RepositoryPlace("BUCKET", "PREFIX", archive=True)
    jobs = retrieval_job_grants("aws", ACCOUNT, "RETRIEVAL-ROLE")
    return [
        ARCHIVE_HEAD,
        _section("Archive: the appliance", [*retrieval_grants("aws", (place,)), *jobs]),
        _section(
            "Archive: the role of S3's jobs",
            retrieval_role_grants("aws", (place,), ("arn:aws:kms:REGION:ACCOUNT:key/REPOSITORY-KEY",)),
        ),
    ]


def _calls(recorded: dict[str, Sequence[Sequence[str]]]) -> list[str]:
    lines = [f"| {who} | `{action}` | `{resource}` | {way} |\n" for who, action, resource, way in recorded["asked"]]
    lines.append("\n| who | granted, not asked for in the lab | why not |\n|---|---|---|\n")
    lines += [f"| {who} | {_codes(actions.split())} | {why} |\n" for who, actions, why in recorded["not_asked"]]
    return lines


def _section(title: str, grants: Sequence[Grant]) -> str:
    lines = [f"\n## {title}\n", "\n| statement | actions | on | if | why |\n|---|---|---|---|---|\n"]
    for grant in grants:
        why = "see the list below" if grant.resources == ("*",) and "; " in grant.why else grant.why
        name = f"{grant.name} (denied)" if grant.denies else grant.name
        cells = (name, _codes(grant.actions), _codes(grant.resources), _conditions(grant), why)
        lines.append(f"| {' | '.join(cells)} |\n")
    return "".join(lines)


def _codes(texts: Sequence[str]) -> str:
    return " ".join(f"`{text}`" for text in texts)


def _conditions(grant: Grant) -> str:
    said = []
    for operator, pairs in grant.conditions.items():
        for key, value in pairs.items():
            values = " or ".join(value) if isinstance(value, tuple) else value
            said.append(f"{operator} `{key}` {values}")
    return "; ".join(said)


if __name__ == "__main__":
    print(page(), end="")
