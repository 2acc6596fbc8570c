"""File systems made by mkfs come back: byte for byte, and in the judgement of the file systems' own tools."""

import os
import random
from pathlib import Path

import pytest

from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from tests.e2e.repository.cabinet import system_tool

MIB = 1024 * 1024


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files as they occur: large and small, empty and sparse, linked, of odd names, two hundred in one folder."""
    root = tmp_path / "tree"
    dice = random.Random(5)
    (root / "home" / "me").mkdir(parents=True)
    (root / "home" / "me" / "random.bin").write_bytes(dice.randbytes(3 * MIB + 123))
    (root / "home" / "me" / "text").write_text("a line that repeats\n" * 40_000)
    (root / "empty").write_bytes(b"")
    (root / "ö n").write_bytes(b"odd name")
    with (root / "sparse").open("wb") as file:
        file.truncate(8 * MIB)
        os.pwrite(file.fileno(), b"here", 5 * MIB)
    (root / "link").symlink_to("home/me/text")
    (root / "many").mkdir()
    for number in range(200):
        (root / "many" / f"{number:03}").write_bytes(dice.randbytes(dice.randrange(3000)))
    return root


def truncated(path: Path, size_bytes: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size_bytes)
    return path


def test_ext4_and_what_changed_in_it(cabinet, tree, tmp_path):
    image = truncated(tmp_path / "ext4.img", 48 * MIB)
    system_tool("mkfs.ext4", "-q", "-F", "-d", str(tree), str(image))
    full = cabinet.back_up(image)
    copy = cabinet.assert_comes_back(full, image)
    inspect_ext4(copy, tree, tmp_path)

    new = tmp_path / "new"
    new.write_bytes(random.Random(6).randbytes(2 * MIB))
    before = image.read_bytes()
    for request in (f"write {new} new", "rm /empty", "rm /home/me/text"):
        system_tool("debugfs", "-w", "-R", request, str(image))
    after = image.read_bytes()
    changed = [
        f"{at} {BLOCK_SIZE_BYTES}"
        for at in range(0, len(after), BLOCK_SIZE_BYTES)
        if after[at : at + BLOCK_SIZE_BYTES] != before[at : at + BLOCK_SIZE_BYTES]
    ]
    by_list = cabinet.back_up(image, changed=changed)
    compared = cabinet.back_up(image, parent=full.finished.manifest.session.hex())
    assert by_list.finished.counters.read_bytes == len(changed) * BLOCK_SIZE_BYTES < len(after) // 2
    for report in (by_list, compared):
        copy = cabinet.assert_comes_back(report, image)
        system_tool("e2fsck", "-n", "-f", str(copy))
        out = tmp_path / f"dumped-{report.method.value}"
        system_tool("debugfs", "-R", f"dump /new {out}", str(copy))
        assert out.read_bytes() == new.read_bytes()
        assert "empty" not in system_tool("debugfs", "-R", "ls /", str(copy))
    inspect_ext4(cabinet.restore(full), tree, tmp_path)  # the first point is what it was
    cabinet.assert_sound()


def inspect_ext4(copy: Path, tree: Path, tmp_path: Path) -> None:
    system_tool("e2fsck", "-n", "-f", str(copy))
    for name in ("home/me/random.bin", "home/me/text", "sparse", "many/007"):
        out = tmp_path / "dumped"
        out.unlink(missing_ok=True)
        system_tool("debugfs", "-R", f"dump /{name} {out}", str(copy))
        assert out.read_bytes() == (tree / name).read_bytes()


PROTOTYPE = """/
0 0
d--755 0 0
random.bin ---644 0 0 {random_file}
text ---600 0 0 {text_file}
folder d--755 0 0
again ---644 0 0 {text_file}
$
$
"""


def make_xfs(image: Path, random_file: Path, text_file: Path, tmp_path: Path) -> None:
    """A file system of 320 MiB (mkfs.xfs makes none below 300), always with the same id."""
    prototype = tmp_path / "prototype"
    prototype.write_text(PROTOTYPE.format(random_file=random_file, text_file=text_file))
    truncated(image, 320 * MIB)
    identity = "uuid=0b5e0a3e-6f0f-4a8e-9a55-1f6f0f3f9a55"
    system_tool("mkfs.xfs", "-q", "-f", "-m", identity, "-p", str(prototype), str(image))


def test_xfs_and_another_state_of_it(cabinet, tmp_path):
    dice = random.Random(8)
    text, first, second = tmp_path / "text", tmp_path / "first", tmp_path / "second"
    text.write_text("a line that repeats\n" * 40_000)
    first.write_bytes(dice.randbytes(2 * MIB))
    second.write_bytes(first.read_bytes()[:MIB] + dice.randbytes(2 * MIB))
    image = tmp_path / "xfs.img"
    reports = []
    for content in (first, second):
        make_xfs(image, content, text, tmp_path)
        reports.append(cabinet.back_up(image))
        copy = cabinet.assert_comes_back(reports[-1], image)
        system_tool("xfs_repair", "-n", str(copy))
        assert content.read_bytes()[:4096] in copy.read_bytes()
        assert copy.stat().st_blocks * 512 < 200 * MIB  # holes stay holes
    assert reports[1].finished.counters.new_bytes_plain < reports[0].finished.counters.new_bytes_plain
    system_tool("xfs_repair", "-n", str(cabinet.restore(reports[0])))
    cabinet.assert_sound()
