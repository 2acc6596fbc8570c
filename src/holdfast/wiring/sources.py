"""SOURCE as a person writes it, and the block source that it stands for."""

from pathlib import Path

from holdfast.images.file_source import FileSource
from holdfast.repository.block_source import BlockSource

STREAM = "-"


def open_source(text: str) -> BlockSource:
    """A file or block device. Raises what opening it raises."""
    return FileSource(Path(text))
