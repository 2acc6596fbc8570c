"""SOURCE as a person writes it, and the block source that it stands for."""

from pathlib import Path

from holdfast.images.file_source import FileSource
from holdfast.repository.block_source import BlockSource

STREAM = "-"
EBS_SCHEME = "ebs:"


def open_source(text: str) -> BlockSource:
    """A file or block device, or for `ebs:` an EBS snapshot. Raises what opening it raises."""
    if text.startswith(EBS_SCHEME):
        from holdfast.aws import location  # loads boto3, which nobody waits for who backs up a file

        return location.open_source(text)
    return FileSource(Path(text))
