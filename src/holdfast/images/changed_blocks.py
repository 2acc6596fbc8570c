"""A list of changed bytes that a person hands in: one `OFFSET LENGTH` a line, in bytes (`--changed-blocks`)."""

from collections.abc import Iterable, Iterator

from holdfast.domain.errors import UsageError
from holdfast.repository.block_source import BLOCK_SIZE_BYTES, BlockReference


def parse_changed_blocks(lines: Iterable[str], size_bytes: int) -> Iterator[BlockReference]:
    """Every block that a line touches, ascending, each once. Empty lines and those after # are passed over.

    Raises UsageError naming the line that is none.
    """
    stretches: list[tuple[int, int]] = []
    for number, line in enumerate(lines, 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if len(words) != 2 or not all(word.isascii() and word.isdigit() for word in words):
            raise _wrong(number, "expected two whole numbers, OFFSET LENGTH, in bytes")
        offset, length = int(words[0]), int(words[1])
        if offset + length > size_bytes:
            raise _wrong(number, f"it ends at byte {offset + length}, the source at {size_bytes}")
        if length:
            stretches.append((offset // BLOCK_SIZE_BYTES, -(-(offset + length) // BLOCK_SIZE_BYTES)))
    return _blocks(sorted(stretches))


def _blocks(stretches: list[tuple[int, int]]) -> Iterator[BlockReference]:
    upcoming = 0
    for first, end in stretches:
        for block in range(max(first, upcoming), end):
            yield BlockReference(block)
        upcoming = max(upcoming, end)


def _wrong(line: int, why: str) -> UsageError:
    return UsageError(
        f"line {line} of the changed-block list is wrong", why=why, cure="correct the list, or leave it out"
    )
