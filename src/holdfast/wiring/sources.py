"""SOURCE as a person writes it, and the block source that it stands for."""

from collections.abc import Callable
from pathlib import Path

from holdfast.images.file_source import FileSource
from holdfast.repository.block_source import BlockSource
from holdfast.signed_http.patience import SeldomTold, Waiting

STREAM = "-"
EBS_SCHEME = "ebs:"


def open_source(text: str, tell: Callable[[str], None]) -> BlockSource:
    """A file or block device, or for `ebs:` an EBS snapshot; `tell` is given a line where AWS is waited for. Raises
    what opening it raises.
    """
    if text.startswith(EBS_SCHEME):
        from holdfast.aws import location  # loads boto3, which nobody waits for who backs up a file

        return location.open_source(text, Waiting(tell=SeldomTold(tell)))
    return FileSource(Path(text))
