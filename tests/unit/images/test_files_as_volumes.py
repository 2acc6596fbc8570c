"""What a file system can hand to a backup or restore beside ordinary files."""

import errno
import os
import threading
from pathlib import Path

import pytest

from holdfast.domain.errors import ConflictError, HoldfastError, UsageError
from holdfast.images import file_target
from holdfast.images.file_source import WORTH_WAITING_BYTES, FileSource
from holdfast.images.file_target import FileTarget


def test_a_named_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="no volume"):
        FileSource(tmp_path / "pipe")


@pytest.mark.parametrize("force", [False, True])
def test_what_is_neither_file_nor_device_is_not_replaced(tmp_path, force):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull), tmp_path):
        with pytest.raises(UsageError, match="no place for a volume"):
            FileTarget(path, force=force)


def test_a_name_that_is_no_text_is_recorded_as_far_as_it_is(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff"))
    path.write_bytes(b"content")
    source = FileSource(path)
    assert source.facts == {"kind": "file", "name": "odd\N{REPLACEMENT CHARACTER}"}
    source.close()


def identity(path, *, now):
    source = FileSource(path, clock=lambda: now)
    source.close()
    return source.identity


def test_a_file_is_known_again_until_it_changes(tmp_path):
    path = tmp_path / "disk"
    path.write_bytes(b"content")
    os.utime(path, ns=(1, 1_000_000_000_000_000_001))
    known = identity(path, now=2e9)
    assert known is not None
    assert known == identity(path, now=3e9)
    os.utime(path, ns=(1, 1_000_000_000_000_000_002))
    assert identity(path, now=2e9) != known
    other = tmp_path / "other"
    other.write_bytes(b"content")
    os.utime(other, ns=(1, 1_000_000_000_000_000_001))
    assert identity(other, now=2e9) != known
    other.rename(path)
    assert identity(path, now=2e9) != known


def test_a_file_that_was_just_changed_may_change_again_within_the_same_time(tmp_path):
    path = tmp_path / "disk"
    path.write_bytes(b"content")
    changed_seconds = path.stat().st_mtime
    assert identity(path, now=changed_seconds + 1.9) is None
    assert identity(path, now=changed_seconds + 2.1) is not None


def test_a_large_file_that_was_just_written_is_waited_for(tmp_path):
    """As a dump that is backed up at once."""
    path, waited = tmp_path / "dump", list[float]()
    path.touch()
    os.truncate(path, WORTH_WAITING_BYTES)
    changed_seconds = path.stat().st_ctime
    source = FileSource(path, lambda: changed_seconds + 0.5 + sum(waited), waited.append)
    source.close()
    assert source.identity is not None
    assert 1.5 < sum(waited) < 1.6
    os.truncate(path, WORTH_WAITING_BYTES - 1)
    changed_seconds, waited = path.stat().st_ctime, []
    source = FileSource(path, lambda: changed_seconds + 0.5, waited.append)
    source.close()
    assert (source.identity, waited) == (None, [])


def test_a_change_that_keeps_the_time_of_the_content_is_seen(tmp_path):
    """As `cp -p`, `rsync -t` and tools for virtual machines make it."""
    path = tmp_path / "disk"
    path.write_bytes(b"content")
    os.utime(path, ns=(1, 1_000_000_000_000_000_001))
    before = path.stat().st_ctime
    known = identity(path, now=2e9)
    path.write_bytes(b"changed")
    while path.stat().st_ctime == before:
        path.touch()
    os.utime(path, ns=(1, 1_000_000_000_000_000_001))
    assert identity(path, now=2e9) != known
    assert identity(path, now=path.stat().st_ctime + 1.9) is None, "it may change again within the same time"


def test_a_block_device_is_never_known_again(tmp_path, monkeypatch):
    """What a device holds changes without a trace. (A device of this machine need not be there: its kind is what is
    looked at.)"""
    path = tmp_path / "disk"
    path.write_bytes(b"content")
    monkeypatch.setattr("stat.S_ISREG", lambda mode: False)
    monkeypatch.setattr("stat.S_ISBLK", lambda mode: True)
    assert identity(path, now=4e9) is None


def restored(path, *, force):
    target = FileTarget(path, force=force)
    target.begin(4)
    target.write(0, b"new!")
    target.finish()


def test_what_a_link_leads_to_is_restored_and_the_link_stays(tmp_path):
    """The large disk is meant to which it leads, not the small one on which it lies."""
    large, link = tmp_path / "large", tmp_path / "link"
    large.mkdir()
    link.symlink_to(large / "disk")
    restored(link, force=False)
    assert (link.is_symlink(), (large / "disk").read_bytes()) == (True, b"new!")
    (large / "disk").write_bytes(b"old")
    with pytest.raises(ConflictError, match="exists already"):
        FileTarget(link, force=False)
    restored(link, force=True)
    assert (link.is_symlink(), (large / "disk").read_bytes()) == (True, b"new!")
    assert [one.name for one in large.iterdir()] == ["disk"]


def written_to(path, pieces):
    target = FileTarget(path, force=False)
    target.begin(4096 * pieces)
    for at in range(pieces):
        target.write(4096 * at, bytes([at + 1]) * 4096)
    return target


def test_a_restore_sends_to_the_disk_what_it_has_written_so_far(tmp_path, monkeypatch):
    monkeypatch.setattr(file_target, "_FLUSHED_BYTES", 2 * 4096)
    flushed: list[int] = []
    flush = os.fdatasync

    def noted(descriptor):
        flushed.append(os.fstat(descriptor).st_ino)
        flush(descriptor)

    monkeypatch.setattr(os, "fdatasync", noted)
    target = written_to(tmp_path / "disk", 5)
    assert len(flushed) == 2
    target.finish()
    assert set(flushed) == {(tmp_path / "disk").stat().st_ino}
    assert (tmp_path / "disk").read_bytes() == b"".join(bytes([at + 1]) * 4096 for at in range(5))


def test_what_the_disk_refuses_meanwhile_ends_the_restore(tmp_path, monkeypatch):
    monkeypatch.setattr(file_target, "_FLUSHED_BYTES", 2 * 4096)

    def refuse(_descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fdatasync", refuse)
    with pytest.raises(HoldfastError, match="disk failed"):
        written_to(tmp_path / "disk", 5)


def test_while_one_thread_waits_for_the_disk_others_write(tmp_path, monkeypatch):
    monkeypatch.setattr(file_target, "_FLUSHED_BYTES", 4096)
    waiting, written, flushes = threading.Event(), threading.Event(), []

    def flush(descriptor):
        flushes.append(descriptor)
        waiting.set()
        assert written.wait(30)

    target = FileTarget(tmp_path / "disk", force=False)
    target.begin(3 * 4096)
    monkeypatch.setattr(os, "fdatasync", flush)
    slow = threading.Thread(target=target.write, args=(0, bytes(4096)))
    slow.start()
    assert waiting.wait(30)
    for at in (1, 2):
        target.write(at * 4096, bytes(4096))
    written.set()
    slow.join()
    assert len(flushes) == 1
    target.abort()
