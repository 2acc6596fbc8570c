"""What a request to EC2 means without naming it: the instance behind an association, the volumes of an instance."""

from collections.abc import Iterator
from typing import Any

from moto.ec2.models import ec2_backends

from holdfast.lab.access.calls import Call

_BY_GROUP_NAME = ("AuthorizeSecurityGroupIngress", "DeleteSecurityGroup", "RevokeSecurityGroupIngress")


def ids_meant(call: Call) -> Iterator[str]:
    """The ids of what the request is about beside the ids that are in it."""
    backend = ec2_backends[call.account][call.region]
    asked = call.parameters
    match call.operation:
        case "CreateSnapshots":
            yield from _volumes_of(backend, asked.get("InstanceSpecification", {}))
        case "DetachVolume" if "InstanceId" not in asked:
            volume = backend.volumes.get(asked.get("VolumeId", ""))
            if volume is not None and volume.attachment is not None:
                yield volume.attachment.instance.id
        case "DisassociateIamInstanceProfile" | "ReplaceIamInstanceProfileAssociation":
            for association in list(backend.iam_instance_profile_associations.values()):
                if association.association_id == asked.get("AssociationId"):
                    yield association.instance.id
        case "DisassociateAddress":
            for address in list(backend.addresses):
                if address.association_id and address.association_id == asked.get("AssociationId"):
                    yield from filter(None, (address.allocation_id, getattr(address.instance, "id", None)))
        case "DetachNetworkInterface":
            for interface in list(backend.enis.values()):
                if interface.attachment_id == asked.get("AttachmentId"):
                    yield from filter(None, (interface.id, getattr(interface.instance, "id", None)))
        case _ if call.operation in _BY_GROUP_NAME and "GroupName" in asked and "GroupId" not in asked:
            group = backend.get_security_group_from_name(asked["GroupName"])
            if group is not None:
                yield group.id


def _volumes_of(backend: Any, specification: Any) -> Iterator[str]:
    """The volumes of an instance that CreateSnapshots is to take."""
    instance_id = specification.get("InstanceId", "")
    excluded = specification.get("ExcludeDataVolumeIds", ())
    for volume in list(backend.volumes.values()):
        attachment = volume.attachment
        if attachment is None or attachment.instance.id != instance_id or volume.id in excluded:
            continue
        root = attachment.device == getattr(attachment.instance, "root_device_name", None)
        if not (root and specification.get("ExcludeBootVolume")):
            yield volume.id
