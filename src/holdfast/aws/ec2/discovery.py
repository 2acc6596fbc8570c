"""Which instances there are."""

from collections.abc import Iterator, Mapping
from typing import Any

from holdfast.aws.clients import PatientClient
from holdfast.aws.ownership import as_map
from holdfast.domain.workload import FoundInstance

# Everything but `terminated` and `shutting-down`.
STANDING_STATES = ("pending", "running", "stopping", "stopped")
PAGE_ENTRIES = 1000
GIB = 1024**3


def find_instances(ec2: PatientClient) -> Iterator[FoundInstance]:
    """Every instance of the region that is not terminated, with the sizes of its volumes.

    Volumes are listed once for all: a request for each instance would take minutes for thousands.
    """
    sizes_gib = {
        str(volume["VolumeId"]): int(volume["Size"])
        for volume in ec2.pages("DescribeVolumes", f"volumes of {ec2.region}", "Volumes", MaxResults=500)
    }
    for instance in standing_instances(ec2):
        volume_ids = tuple(str(one["Ebs"]["VolumeId"]) for one in mappings_of(instance))
        yield FoundInstance(
            id=str(instance["InstanceId"]),
            region=ec2.region,
            state=str(instance["State"]["Name"]),
            tags=as_map(instance.get("Tags")),
            instance_type=str(instance.get("InstanceType", "")),
            volume_ids=volume_ids,
            volume_bytes=sum(sizes_gib.get(volume_id, 0) for volume_id in volume_ids) * GIB,
        )


def standing_instances(ec2: PatientClient, *filters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """EC2's own description of every instance that is not terminated and fits the filters."""
    states = {"Name": "instance-state-name", "Values": list(STANDING_STATES)}
    reservations = ec2.pages(
        "DescribeInstances",
        f"instances of {ec2.region}",
        "Reservations",
        MaxResults=PAGE_ENTRIES,
        Filters=[states, *filters],
    )
    for reservation in reservations:
        yield from reservation["Instances"]


def mappings_of(instance: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The EBS volumes of an instance; instance stores have no volume and cannot be protected."""
    return [one for one in instance.get("BlockDeviceMappings", ()) if "Ebs" in one]
