"""Backups of what this machine can read."""

import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

from holdfast.domain.errors import UsageError
from holdfast.images.changed_blocks import parse_changed_blocks
from holdfast.images.file_errors import translated
from holdfast.repository.block_source import BlockReference
from holdfast.repository.packs.compression import CompressionLevel
from holdfast.repository.progress import Progress
from holdfast.repository.writing.backup import BackupOrder, BackupReport, backup_stream, backup_volume
from holdfast.wiring.local.opening import LocalRepository
from holdfast.wiring.location_memory import home_folder
from holdfast.wiring.process_vigil import ProcessVigil
from holdfast.wiring.sources import STREAM, open_source


def backup_order(
    opened: LocalRepository, workload: str, parent: str | None, compression: str, keep: timedelta | None
) -> BackupOrder:
    """What to back up as what; `compression`: fast, default or best. `keep`: how long from now it is promised to be
    there.
    """
    keep_until = None if keep is None else opened.repository.surroundings.now() + keep
    return BackupOrder(workload, parent, level=CompressionLevel[compression.upper()], keep_until=keep_until)


def back_up(
    opened: LocalRepository, source: str, order: BackupOrder, changed_blocks: Path | None, progress: Progress
) -> BackupReport:
    """Back up what `source` names: a file, a device, `-` or `ebs:snap-…`."""
    if source == STREAM:
        if changed_blocks is not None:
            raise UsageError(
                "a stream takes no list of changed blocks",
                why="its chunks are found by their content",
                cure="leave --changed-blocks out",
            )
        if sys.stdin.isatty():
            raise UsageError(
                "standard input is a terminal", why="nothing is piped into it", cure="pipe something, or name a file"
            )
        return backup_stream(opened.repository, sys.stdin.buffer, order, progress)
    with closing(open_source(source)) as volume:
        listed = None if changed_blocks is None else partial(_listed_blocks, changed_blocks)
        return backup_volume(opened.repository, volume, order, progress, listed, ProcessVigil(home_folder()))


def _listed_blocks(path: Path, size_bytes: int) -> Iterator[BlockReference]:
    with translated(path), path.open(encoding="utf-8", errors="replace") as lines:
        return parse_changed_blocks(lines, size_bytes)
