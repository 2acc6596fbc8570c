"""TARGET as a person writes it, and the block target that it stands for."""

import hashlib
import os
import stat
import sys
from pathlib import Path

from holdfast.domain.errors import UsageError
from holdfast.images.file_errors import translated
from holdfast.images.file_target import FileTarget
from holdfast.images.pipe_target import PipeTarget
from holdfast.repository.block_source import BlockTarget
from holdfast.repository.format.manifest import STREAM as STREAM_KIND
from holdfast.repository.progress import Progress
from holdfast.repository.sessions.points import PointSummary
from holdfast.wiring.sources import EBS_SCHEME, STREAM

_READ_BYTES = 1024 * 1024


def open_target(text: str, point: PointSummary, *, force: bool) -> BlockTarget:
    """A file or block device, standard output for `-`, a new snapshot for `ebs:`. `point` is what will be restored
    there.
    """
    if text.startswith(EBS_SCHEME):
        if point.kind == STREAM_KIND:
            raise UsageError(
                f"point {point.id} is a stream and no disk",
                why="an EBS snapshot holds the blocks of a disk",
                cure="restore it to a file or to -",
            )
        from holdfast.aws import location  # loads boto3, which nobody waits for who restores a file

        tags = {"holdfast:restore-point": point.id, "holdfast:workload": point.workload}
        return location.open_target(text, tags)
    if text == STREAM:
        if sys.stdout.isatty():
            raise UsageError(
                "standard output is a terminal",
                why="a volume is no text",
                cure="send it to a file or pipe, or use --to",
            )
        return PipeTarget(sys.stdout.buffer)
    return FileTarget(Path(text), force=force)


def sha256_of_restored(target: str, progress: Progress) -> str | None:
    """The SHA-256 of a restored file, read back from its disk; None for whatever is no file."""
    if target == STREAM or target.startswith(EBS_SCHEME):
        return None
    path = Path(target)
    with translated(path):
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        digest = hashlib.sha256()
        with path.open("rb", buffering=0) as file:
            # What this machine wrote a moment ago is in its memory; the disk is asked what it holds.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            progress.total(path.stat().st_size)
            buffer = bytearray(_READ_BYTES)
            while count := file.readinto(buffer):
                digest.update(memoryview(buffer)[:count])
                progress.advance(count)
    return digest.hexdigest()
