"""Volumes out of snapshots."""

from contextlib import suppress
from typing import Any

from holdfast.appliance.ports.cloud import Ownership, VolumeOrder
from holdfast.aws.clients import PatientClient
from holdfast.aws.ec2.states import Waits, wait_for_volume
from holdfast.aws.ownership import as_list, people_tags
from holdfast.aws.written_down import Book
from holdfast.domain.errors import CancelledError, ConflictError
from holdfast.signed_http.aws_answers import Refusal

# Of all other types the rate follows from the size, and EC2 refuses to be told one.
_WITH_IOPS, _WITH_THROUGHPUT = ("gp3", "io1", "io2"), ("gp3",)


def create_volume(ec2: PatientClient, book: Book, waits: Waits, owner: Ownership, order: VolumeOrder, name: str) -> str:
    """The id of a volume that is available; `name` tells apart those of one attempt. Nothing stays of one that could
    not be made, or that nobody wants any more.
    """
    tags = as_list(people_tags(order.tags) | owner.tags())
    request = properties(order) | {
        "SnapshotId": order.snapshot_id,
        "Size": order.size_gib,
        "AvailabilityZone": order.zone,
        "TagSpecifications": [{"ResourceType": "volume", "Tags": tags}],
    }
    what = f"a volume of {order.snapshot_id}"
    volume_id = book.create(
        "volume",
        owner,
        name,
        lambda token: str(ec2.call("CreateVolume", what, **request, ClientToken=token)["VolumeId"]),
    )
    try:
        wait_for_volume(ec2, waits.making, volume_id, "available", order.kms_key_id)
    except (ConflictError, CancelledError):
        delete_volume(ec2, book, waits, volume_id)
        raise
    return volume_id


def delete_volume(ec2: PatientClient, book: Book, waits: Waits, volume_id: str) -> None:
    """Delete it; gone already is no error. EBS deletes only what is made: one that is being made is waited for."""
    answer = ec2.try_call("DeleteVolume", volume_id, VolumeId=volume_id)
    if isinstance(answer, Refusal) and answer.code == "IncorrectState":
        # One that could not be made can be deleted as well, or is gone.
        with suppress(ConflictError):
            wait_for_volume(ec2, waits.undoing, volume_id, "available")
        answer = ec2.try_call("DeleteVolume", volume_id, VolumeId=volume_id)
    if isinstance(answer, Refusal) and answer.code != "InvalidVolume.NotFound":
        raise ec2.meaning(answer, "DeleteVolume", volume_id)
    book.gone("volume", volume_id)


def properties(order: VolumeOrder) -> dict[str, Any]:
    """Type, rates and encryption, as CreateVolume and block device mappings both say them."""
    said: dict[str, Any] = {"VolumeType": order.volume_type}
    if order.iops and order.volume_type in _WITH_IOPS:
        said["Iops"] = order.iops
    if order.throughput and order.volume_type in _WITH_THROUGHPUT:
        said["Throughput"] = order.throughput
    if order.encrypted or order.kms_key_id:
        said["Encrypted"] = True
    if order.kms_key_id:
        said["KmsKeyId"] = order.kms_key_id
    return said
