"""What a salvage could not restore, as a person is told it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from holdfast.cli.quantities import human_size
from holdfast.cli.voice import say, show_error
from holdfast.domain.errors import IntegrityError
from holdfast.domain.numerals import counted

if TYPE_CHECKING:
    from holdfast.repository.reading.losses import Lost

_NAMED_RANGES = 20


def lost_bytes(lost: "Sequence[Lost]") -> int:
    """How much all of it is."""
    return sum(one.length for one in lost)


def show_lost(volume: str, lost: "Sequence[Lost]") -> int:
    """A line for each of the first, a count of the others, and the exit code that says that something is missing."""
    for one in lost[:_NAMED_RANGES]:
        say(f"lost: {volume}, {one.length} bytes at {one.offset}: {one.object} ({one.why})")
    if len(lost) > _NAMED_RANGES:
        say(f"lost: {counted(len(lost) - _NAMED_RANGES, 'range')} more; `lost` in --output json has them all")
    error = IntegrityError(
        f"{human_size(lost_bytes(lost))} of {volume} in {counted(len(lost), 'range')} could not be restored",
        why="no copy opens; zeros stand there in the target, and all else is as it was backed up",
        cure="docs/recovery.md says what may bring it back; then restore again",
    )
    return show_error(error)
