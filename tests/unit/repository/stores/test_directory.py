"""What the directory store does beyond the contract: durability, modes, leftovers, errors of the system."""

import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from holdfast.domain.errors import (
    ConflictError,
    HoldfastError,
    ObjectExistsError,
    ObjectNotFoundError,
    OutOfSpaceError,
    PermissionDeniedError,
    UnavailableError,
)
from holdfast.repository.stores.directory import LEFTOVER_AGE_SECONDS, DirectoryStore
from holdfast.testing.object_store_contract import keys, put

NOW_SECONDS = 2_000_000_000.0


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "repository"


@pytest.fixture
def store(root) -> DirectoryStore:
    return DirectoryStore(root, clock=lambda: NOW_SECONDS)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_only_the_owner_may_look(store, root):
    put(store, "packs/00/one")
    assert [mode(root / name) for name in (".", "incoming", "packs", "packs/00")] == [0o700] * 4
    assert mode(root / "packs/00/one") == 0o600


def test_the_location_is_the_absolute_path(store, root, monkeypatch):
    assert store.location == str(root)
    root.parent.mkdir(exist_ok=True)
    monkeypatch.chdir(root.parent)
    assert DirectoryStore("repository").location == str(root)


def test_nothing_is_left_in_incoming(store, root):
    put(store, "config")
    with pytest.raises(ObjectExistsError):
        put(store, "config")
    assert list((root / "incoming").iterdir()) == []


def test_old_leftovers_are_removed_by_the_next_create_and_young_ones_are_not(store, root):
    incoming = root / "incoming"
    incoming.mkdir(parents=True)
    for name, age_seconds in (("old", LEFTOVER_AGE_SECONDS + 60), ("young", LEFTOVER_AGE_SECONDS - 60)):
        (incoming / name).write_bytes(b"half an obj")
        os.utime(incoming / name, (NOW_SECONDS - age_seconds,) * 2)
    put(store, "config")
    assert [path.name for path in incoming.iterdir()] == ["young"]


def test_leftovers_are_no_objects(store, root):
    put(store, "config")
    (root / "incoming" / "half").write_bytes(b"half")
    assert keys(store) == ["config"]


def test_links_and_special_files_are_no_objects(store, root, tmp_path):
    put(store, "config")
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(root / "pipe")
    assert keys(store) == ["config"]
    with pytest.raises(ObjectNotFoundError):
        store.head("link")
    with pytest.raises(HoldfastError):
        store.get("link")


def test_what_the_file_system_keeps_for_itself_is_left_alone(store, root):
    put(store, "packs/00/one")
    for foreign in (".snapshot/daily/packs/00/one", "lost+found/#123", "packs/00/.nfs0001", "packs/ü", "packs/a\nb"):
        (root / foreign).parent.mkdir(parents=True, exist_ok=True)
        (root / foreign).write_bytes(b"foreign")
    (root / "lost+found").chmod(0)
    assert keys(store) == ["packs/00/one"]


class Sequence:
    """Records the system calls that make a write durable, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.calls: list[str] = []
        self._root = root
        for name in ("fsync", "link", "unlink", "mkdir"):
            self._wrap(monkeypatch, name, getattr(os, name))

    def _wrap(self, monkeypatch, name, original):
        def call(target, *rest, **options):
            path = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else str(target)
            shown = os.path.relpath(path, self._root)
            self.calls.append(f"{name} {'incoming/…' if shown.startswith('incoming/') else shown}")
            return original(target, *rest, **options)

        monkeypatch.setattr(os, name, call)


def test_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_answer(store, root, monkeypatch):
    put(store, "packs/00/one")
    calls = Sequence(monkeypatch, root).calls
    put(store, "packs/00/two")
    assert calls == ["fsync incoming/…", "link incoming/…", "fsync packs/00", "unlink incoming/…"]


def test_new_folders_are_on_the_disk_before_what_they_hold(store, root, monkeypatch):
    calls = Sequence(monkeypatch, root).calls
    put(store, "packs/00/one")
    assert calls == [
        "mkdir .", "fsync ..", "mkdir incoming", "fsync .", "mkdir packs", "fsync .", "mkdir packs/00", "fsync packs",
        "fsync incoming/…", "link incoming/…", "fsync packs/00", "unlink incoming/…",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, OutOfSpaceError),
        (errno.EDQUOT, OutOfSpaceError),
        (errno.EACCES, PermissionDeniedError),
        (errno.EROFS, PermissionDeniedError),
        (errno.EIO, UnavailableError),
        (errno.ESTALE, UnavailableError),
    ],
)
@pytest.mark.parametrize("call", ["open", "write", "fsync"])
def test_a_failed_write_says_why_and_leaves_nothing(store, root, monkeypatch, number, kind, call):
    put(store, "packs/00/before")
    original = getattr(os, call)

    def fail(target, *rest, **options):
        writing = call != "open" or "incoming" in str(target)
        if writing:
            raise OSError(number, os.strerror(number))
        return original(target, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(kind) as caught:
            put(store, "packs/00/after")
    assert os.strerror(number) in caught.value.why
    assert caught.value.cure
    assert keys(store) == ["packs/00/before"]
    assert list((root / "incoming").iterdir()) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_hard_links_is_refused(store, root, monkeypatch, number):
    def fail(*target, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(HoldfastError, match="hard links") as caught:
        put(store, "config")
    assert type(caught.value) is HoldfastError
    assert keys(store) == []


def test_a_lost_answer_of_a_network_file_system_is_no_conflict(store, monkeypatch):
    original = os.link

    def link_and_forget(*target, **options):
        original(*target, **options)
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr(os, "link", link_and_forget)
    put(store, "config", b"mine")
    assert store.get("config") == b"mine"


def test_short_writes_are_finished(store, monkeypatch):
    original = os.write
    monkeypatch.setattr(os, "write", lambda target, data: original(target, bytes(data[:1000])))
    body = os.urandom(5500)
    put(store, "packs/00/slow", body)
    assert store.get("packs/00/slow") == body


def test_short_reads_are_finished(store, monkeypatch):
    body = os.urandom(5500)
    put(store, "packs/00/slow", body)
    original = os.pread
    monkeypatch.setattr(os, "pread", lambda target, length, offset: original(target, min(length, 999), offset))
    assert store.get("packs/00/slow", 10, 5000) == body[10:5010]


def test_an_object_cannot_be_a_folder(store):
    put(store, "a")
    with pytest.raises(ConflictError):
        put(store, "a/b")
    put(store, "c/d")
    with pytest.raises(ObjectExistsError):
        put(store, "c")


def test_a_file_is_no_repository(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    store = DirectoryStore(tmp_path / "file")
    with pytest.raises(ConflictError):
        put(store, "config")
    with pytest.raises(ObjectNotFoundError):
        store.get("config")


def test_a_list_holds_one_folder_in_memory(store, monkeypatch):
    for number in range(6):
        put(store, f"packs/{number:02x}/one")
    entered: list[str] = []
    original = os.scandir

    def scandir(path):
        entered.append(os.path.basename(str(path).rstrip("/")))
        return original(path)

    monkeypatch.setattr(os, "scandir", scandir)
    listing = store.list("packs/", "packs/02/one")
    assert next(listing).key == "packs/03/one"
    assert entered == ["repository", "packs", "02", "03"]


def test_the_checksum_of_what_is_stored_is_left_to_the_reader(store):
    put(store, "config", b"body")
    assert store.head("config").sha256 is None
    assert hashlib.sha256(store.get("config")).digest() == hashlib.sha256(b"body").digest()
