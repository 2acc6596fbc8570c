"""What requests to the EBS direct APIs demand: all are about snapshots, whose ARNs are EC2's, and use the key of those
that are encrypted as their caller.

Which of KMS's actions they ask for: "Control access to EBS direct APIs using IAM" in the EBS user guide. It lists them
for writing as a whole: here a snapshot that is started asks for them all. AWS's own key of the account asks nobody.
"""

from collections.abc import Iterator
from typing import Any

from moto.ec2.models import ec2_backends

from holdfast.lab.access.calls import Call, document_of
from holdfast.lab.access.demands_ec2 import arn, existing, request_tags
from holdfast.lab.access.demands_kms import demand_on, key_of
from holdfast.lab.access.evaluator import Demand, Principal
from holdfast.lab.ec2_volumes import AWS_OWN_KEY, key_of_new

_KEY_USES = {
    "GetSnapshotBlock": ("Decrypt",),
    "PutSnapshotBlock": ("Decrypt",),
    "StartSnapshot": (
        "CreateGrant",
        "Decrypt",
        "DescribeKey",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "ReEncryptFrom",
        "ReEncryptTo",
    ),
}


def of_ebs(call: Call) -> Iterator[Demand]:
    """What the service itself asks for."""
    action = f"ebs:{call.operation}"
    if call.operation != "StartSnapshot":
        named = _named(call)
        snapshots = [named] if named else []
        if call.operation == "ListChangedBlocks" and "firstSnapshotId" in call.query:
            snapshots.append(call.query["firstSnapshotId"])
        yield from (existing(call, action, one, {}, "snapshot") for one in snapshots)
        return
    document = document_of(call)
    raw = document.get("Tags")
    tags = request_tags([tag for tag in raw if isinstance(tag, dict)] if isinstance(raw, list) else ())
    context = {
        key: (str(document[name]),)
        for key, name in (("ebs:volumesize", "VolumeSize"), ("ebs:description", "Description"),
                          ("ebs:parentsnapshot", "ParentSnapshotId"))
        if name in document
    }  # fmt: skip
    yield Demand(action, arn(call, "snapshot", "*"), context | tags)
    if tags:
        # That EBS sends ec2:CreateAction, as EC2 does, is not documented: a policy must do without.
        yield Demand("ec2:CreateTags", arn(call, "snapshot", "*"), tags)


def of_encrypted_snapshots(call: Call, principal: Principal) -> Iterator[Demand]:
    """What KMS is asked for, where a key of somebody's is in play."""
    uses = _KEY_USES.get(call.operation, ())
    key_id = _key_id(call) if uses else None
    key = key_of(call, key_id) if key_id else None
    if key is None or AWS_OWN_KEY in key.aliases:
        return
    for use in uses:
        context = {"kms:viaservice": (f"ec2.{call.region}.amazonaws.com",)}
        if use == "CreateGrant":
            context["kms:grantisforawsresource"] = ("true",)
        yield demand_on(key, use, principal, context)


def _key_id(call: Call) -> str | None:
    if call.operation != "StartSnapshot":
        return _key_id_of(call, _named(call))
    document = document_of(call)
    asked, parent = document.get("KmsKeyArn"), document.get("ParentSnapshotId")
    if asked:
        return str(asked)
    if parent:
        return _key_id_of(call, str(parent))
    return key_of_new(call.account, call.region, bool(document.get("Encrypted")))


def _key_id_of(call: Call, snapshot_id: str) -> str | None:
    """Of a snapshot of whatever account: it may be a shared one."""
    for regions in list(ec2_backends.values()):
        backend: Any = regions.get(call.region)
        snapshot = backend.snapshots.get(snapshot_id) if backend is not None else None
        if snapshot is not None:
            key_id: str | None = snapshot.kms_key_id if snapshot.encrypted else None
            return key_id
    return None


def _named(call: Call) -> str:
    """The snapshot in the path."""
    parts = call.environ["PATH_INFO"].split("/")
    place = 3 if call.operation == "CompleteSnapshot" else 2
    return parts[place] if len(parts) > place else ""
