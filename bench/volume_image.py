"""The volume that is measured: an ext4 image of real files, and the same image a little later.

The same machine always gives the same bytes: files are chosen by a hash of their path, times and identifiers are fixed.
"""

import hashlib
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# What a small server's disk holds: libraries, data and programs, and some data that is compressed or encrypted already.
SOURCES = (("/usr/lib", 0.50), ("/usr/share", 0.25), ("/usr/bin", 0.15))
INCOMPRESSIBLE_SHARE = 0.10
# Share of the image that files fill; the rest is free space and the file system's own structures.
FILLED = 0.80
LARGEST_FILE_SHARE = 0.05
CHANGE_LENGTHS_BYTES = (16 * 1024, 128 * 1024, 1024 * 1024, 4 * 1024 * 1024)
BLOCK_BYTES = 512 * 1024
_PAGE_BYTES = 4096
_RANDOM_FILE_BYTES = 8 * 1024 * 1024
_EPOCH_SECONDS = 1_700_000_000
_IDENTIFIER = "5b1f0e54-8a53-4f5e-9d0c-6f6c64666173"


@dataclass(frozen=True, slots=True)
class Images:
    """Two states of one volume. `changed_blocks` is what a snapshot service would list, `OFFSET LENGTH` a line."""

    before: Path
    after: Path
    changed_blocks: Path
    size_bytes: int
    data_bytes: int
    changed_bytes: int
    changed_block_count: int


def make_images(folder: Path, size_bytes: int, changed_share: float) -> Images:
    """Make both images in `folder`, or take those that an earlier run has left there."""
    before, after, changed_blocks = folder / "before.img", folder / "after.img", folder / "changed-blocks.txt"
    tree = folder / "tree"
    mark = folder / "complete"
    if not mark.exists():
        shutil.rmtree(folder, ignore_errors=True)
        tree.mkdir(parents=True)
        spare = _fill(tree, size_bytes)
        _make_file_system(before, tree, size_bytes)
        shutil.rmtree(tree)
        _copy_sparse(before, after)
        runs = _change(after, spare, int(size_bytes * changed_share))
        changed_blocks.write_text("".join(f"{offset} {length}\n" for offset, length in _touched(runs, size_bytes)))
        mark.write_text(f"{sum(length for _offset, length in runs)}\n")
    blocks = [int(line.split()[1]) for line in changed_blocks.read_text().splitlines()]
    return Images(
        before=before,
        after=after,
        changed_blocks=changed_blocks,
        size_bytes=size_bytes,
        data_bytes=before.stat().st_blocks * 512,
        changed_bytes=int(mark.read_text()),
        changed_block_count=sum(-(-length // BLOCK_BYTES) for length in blocks),
    )


def _candidates(root: str, largest_bytes: int) -> list[tuple[Path, int]]:
    """Readable regular files under `root` in an order that depends on their paths only."""
    found = []
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in names:
            path = Path(folder, name)
            if path.is_symlink() or not path.is_file() or not os.access(path, os.R_OK):
                continue
            size = path.stat().st_size
            if 0 < size <= largest_bytes:
                found.append((hashlib.sha256(str(path).encode()).digest(), path, size))
    return [(path, size) for _digest, path, size in sorted(found)]


def _fill(tree: Path, size_bytes: int) -> Iterator[Path]:
    """Copy files into `tree` until the image will be full enough; gives files that were left over, for changes."""
    spare: list[Path] = []
    inodes_left = size_bytes // 16384 * 9 // 10
    for root, share in SOURCES:
        left_bytes = int(size_bytes * FILLED * share)
        rest = iter(_candidates(root, int(size_bytes * LARGEST_FILE_SHARE)))
        for number, (path, size) in enumerate(rest):
            taken_bytes = -(-size // _PAGE_BYTES) * _PAGE_BYTES
            if taken_bytes > left_bytes or not inodes_left:
                break
            place = tree / root.strip("/").replace("/", "-") / f"{number // 500:03}" / path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.exists():
                continue
            shutil.copyfile(path, place)
            left_bytes -= taken_bytes
            inodes_left -= 1
        spare += [path for path, _size in rest]
    dice = random.Random(1)
    for number in range(int(size_bytes * FILLED * INCOMPRESSIBLE_SHARE) // _RANDOM_FILE_BYTES):
        (tree / f"media-{number:03}.bin").write_bytes(dice.randbytes(_RANDOM_FILE_BYTES))
    for folder, folders, names in os.walk(tree, topdown=False):
        for name in [*names, *folders]:
            os.utime(Path(folder, name), (_EPOCH_SECONDS, _EPOCH_SECONDS))
    return iter(spare)


def _make_file_system(image: Path, tree: Path, size_bytes: int) -> None:
    with image.open("wb") as file:
        file.truncate(size_bytes)
    subprocess.run(
        ["mkfs.ext4", "-q", "-F", "-U", _IDENTIFIER, "-E", f"hash_seed={_IDENTIFIER}", "-d", str(tree), str(image)],
        check=True,
        env=os.environ | {"E2FSPROGS_FAKE_TIME": str(_EPOCH_SECONDS)},
    )


def _copy_sparse(source: Path, target: Path) -> None:
    subprocess.run(["cp", "--sparse=always", str(source), str(target)], check=True)


def _change(image: Path, spare: Iterator[Path], total_bytes: int) -> list[tuple[int, int]]:
    """Overwrite stretches of allocated space with files that are not in the image; gives (offset, length) of each."""
    dice = random.Random(2)
    stretches = list(_allocated(image))
    runs: list[tuple[int, int]] = []
    fresh = b""
    lengths = [length for length in CHANGE_LENGTHS_BYTES if length * 8 <= total_bytes]
    with image.open("r+b") as file:
        while sum(length for _offset, length in runs) < total_bytes:
            length = dice.choice(lengths)
            start, end = dice.choices(stretches, [end - start for start, end in stretches])[0]
            offset = start + dice.randrange(max(end - start - length, 0) // _PAGE_BYTES + 1) * _PAGE_BYTES
            if end - offset < length or any(offset < at + size and at < offset + length for at, size in runs):
                continue
            while len(fresh) < length:
                fresh += next(spare).read_bytes()[:length]
            file.seek(offset)
            file.write(fresh[:length])
            fresh = fresh[length:]
            runs.append((offset, length))
    return runs


def _allocated(image: Path) -> Iterator[tuple[int, int]]:
    position, size = 0, image.stat().st_size
    descriptor = os.open(image, os.O_RDONLY)
    try:
        while position < size:
            try:
                start = os.lseek(descriptor, position, os.SEEK_DATA)
            except OSError:
                return
            position = os.lseek(descriptor, start, os.SEEK_HOLE)
            yield start, position
    finally:
        os.close(descriptor)


def _touched(runs: list[tuple[int, int]], size_bytes: int) -> Iterator[tuple[int, int]]:
    """Whole blocks that the changes touch, ascending, one line each."""
    numbers = {number for at, size in runs for number in range(at // BLOCK_BYTES, (at + size - 1) // BLOCK_BYTES + 1)}
    for number in sorted(numbers):
        yield number * BLOCK_BYTES, min(BLOCK_BYTES, size_bytes - number * BLOCK_BYTES)
