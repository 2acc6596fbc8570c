"""Which volumes an instance is launched with: the image's block devices, changed by what the request says of them.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/block-device-mapping-concepts.html
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

DEFAULT_ROOT_GIB = 8


@dataclass(frozen=True, slots=True)
class BlockDevice:
    """One volume to be made and attached; an image's volume has everything but, perhaps, a size."""

    device: str
    snapshot_id: str | None = None
    size_gib: int | None = None
    volume_type: str = "gp3"
    iops: int | None = None
    throughput: int | None = None
    encrypted: bool = False
    kms_key_id: str | None = None
    # What a launch through the API takes where nothing is said.
    delete_on_termination: bool = True

    def shown(self) -> dict[str, Any]:
        """As DescribeImages says it."""
        ebs = {
            "SnapshotId": self.snapshot_id,
            "VolumeSize": self.size_gib,
            "VolumeType": self.volume_type,
            "Iops": self.iops,
            "Throughput": self.throughput,
            "Encrypted": self.encrypted,
            "DeleteOnTermination": self.delete_on_termination,
        }
        return {"DeviceName": self.device, "Ebs": {name: value for name, value in ebs.items() if value is not None}}


def merged(of_image: Iterable[BlockDevice], asked: Iterable[Mapping[str, Any]]) -> list[BlockDevice]:
    """The image's devices with what a request's BlockDeviceMappings say: changed, left out (NoDevice), or added."""
    devices = {device.device: device for device in of_image}
    for mapping in asked:
        name = mapping["DeviceName"]
        if mapping.get("NoDevice") is not None:
            devices.pop(name, None)
        elif "Ebs" in mapping:
            devices[name] = _changed(devices.get(name, BlockDevice(name)), mapping["Ebs"])
    return list(devices.values())


def _changed(device: BlockDevice, ebs: Mapping[str, Any]) -> BlockDevice:
    volume_type = ebs.get("VolumeType") or device.volume_type
    same_type = volume_type == device.volume_type
    wish = ebs.get("DeleteOnTermination")
    return replace(
        device,
        snapshot_id=ebs.get("SnapshotId") or device.snapshot_id,
        size_gib=_number(ebs.get("VolumeSize")) or device.size_gib,
        volume_type=volume_type,
        iops=_number(ebs.get("Iops")) or (device.iops if same_type else None),
        throughput=_number(ebs.get("Throughput")) or (device.throughput if same_type else None),
        encrypted=_true(ebs.get("Encrypted")) or device.encrypted,
        kms_key_id=ebs.get("KmsKeyId") or device.kms_key_id,
        delete_on_termination=device.delete_on_termination if wish is None else _true(wish),
    )


def _number(value: object) -> int | None:
    return None if value in (None, "") else int(str(value))


def _true(value: object) -> bool:
    # A template of CloudFormation may have it as text.
    return str(value).lower() == "true"
