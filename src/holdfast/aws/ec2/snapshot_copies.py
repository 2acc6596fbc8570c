"""Copies of snapshots in another region or account: CopySnapshot, asked of the region in which the copy will lie.

A copy says in a tag what it was copied from: CopySnapshot knows no client token, and the volume id that a copy has
means nothing (EC2 API reference, CopySnapshot). A KMS key that may not be used shows only later, when the copy fails.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from holdfast.appliance.ports.cloud import Ownership
from holdfast.aws.clients import PatientClient
from holdfast.aws.ec2.snapshots import DESCRIPTION_TAGS, MAX_DESCRIPTION_CHARACTERS, MAX_TAGS, known, made_before
from holdfast.aws.ownership import as_list, as_map, people_tags
from holdfast.aws.written_down import Book

COPIED_FROM = "holdfast:copied-from"


def copy_snapshots(
    ec2: PatientClient,
    book: Book,
    owner: Ownership,
    sources: Mapping[str, str],
    source_region: str,
    tags: Mapping[str, Mapping[str, str]],
    description: str,
    kms_key_id: str | None,
) -> dict[str, str]:
    """Volume id -> the copy of its snapshot; those that an earlier call of this task and attempt made are found again.

    Raises QuotaReachedError when no more copies may be under way: called again it goes on where it stopped.
    """
    before = {as_map(one.get("Tags")).get(COPIED_FROM, ""): str(one["SnapshotId"]) for one in made_before(ec2, owner)}
    encryption: dict[str, Any] = {} if kms_key_id is None else {"Encrypted": True, "KmsKeyId": kms_key_id}
    copies = {}
    for volume_id, source in sources.items():
        ours = {**owner.tags(), COPIED_FROM: source}
        room = MAX_TAGS - DESCRIPTION_TAGS - len(ours)
        born = as_list(ours) + as_list(people_tags(tags.get(volume_id, {})))[:room]
        request = {
            "SourceRegion": source_region,
            "SourceSnapshotId": source,
            "Description": description[:MAX_DESCRIPTION_CHARACTERS],
            "TagSpecifications": [{"ResourceType": "snapshot", "Tags": born}],
            **encryption,
        }
        make = partial(known, before[source]) if source in before else partial(_copy, ec2, source, request)
        copies[volume_id] = book.create("snapshot", owner, source, make)
    return copies


def _copy(ec2: PatientClient, source: str, request: Mapping[str, Any], token: str) -> str:
    return str(ec2.call("CopySnapshot", source, **request)["SnapshotId"])
