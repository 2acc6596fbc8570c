"""GET /_lab/census: everything that exists in a lab at this moment, by account, for tests that look for leaks.

What is there without anybody having made it (networks and groups by default, stock images) is not counted.
"""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from moto.ec2.models import EC2Backend, ec2_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.s3.models import s3_backends
from moto.sqs.models import sqs_backends

_ENDED = "terminated"
KINDS = (
    "instances", "volumes", "snapshots", "images", "network_interfaces", "security_groups", "addresses", "key_pairs",
    "roles", "instance_profiles", "queues", "grants",
)  # fmt: skip


def census(document: dict[str, Any]) -> tuple[HTTPStatus, dict[str, Any]]:
    """{ACCOUNT: {KIND: [ids], ..., "buckets": {name: number of objects}}}, of what was ever asked for."""
    accounts = {*ec2_backends, *iam_backends, *kms_backends, *s3_backends, *sqs_backends}
    return HTTPStatus.OK, {account: _of_account(account) for account in sorted(accounts)}


def _of_account(account: str) -> dict[str, Any]:
    found: dict[str, Any] = {kind: [] for kind in KINDS}
    for backend in _backends(ec2_backends, account):
        for kind, ids in _of_ec2(backend).items():
            found[kind] += ids
    for backend in _backends(iam_backends, account):
        found["roles"] += [role.name for role in list(backend.roles.values())]
        found["instance_profiles"] += [profile.name for profile in list(backend.instance_profiles.values())]
    for backend in _backends(sqs_backends, account):
        found["queues"] += [queue.queue_arn for queue in list(backend.queues.values())]
    for backend in _backends(kms_backends, account):
        found["grants"] += [grant for key in list(backend.keys.values()) for grant in list(key.grants)]
    buckets = {}
    for backend in _backends(s3_backends, account):
        for bucket in list(backend.buckets.values()):
            buckets[bucket.name] = sum(1 for _ in list(bucket.keys.values()))
    return {**{kind: sorted(ids) for kind, ids in found.items()}, "buckets": dict(sorted(buckets.items()))}


def _backends(backends: Any, account: str) -> Iterator[Any]:
    if account in backends:
        yield from list(backends[account].values())


def _of_ec2(backend: EC2Backend) -> dict[str, list[str]]:
    own = backend.account_id
    return {
        "instances": [i.id for i in backend.all_instances() if i.state != _ENDED],
        "volumes": list(backend.volumes),
        "snapshots": [s.id for s in list(backend.snapshots.values()) if s.owner_id == own],
        "images": [i.id for i in list(backend.amis.values()) if i.owner_id == own],
        "network_interfaces": list(backend.enis),
        "security_groups": [g.id for groups in list(backend.groups.values()) for g in _made(groups)],
        "addresses": [address.allocation_id or address.public_ip or "" for address in list(backend.addresses)],
        "key_pairs": list(backend.key_pairs),
    }


def _made(groups: dict[str, Any]) -> list[Any]:
    return [group for group in list(groups.values()) if group.name != "default"]
