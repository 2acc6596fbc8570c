"""A store in a directory, local or NFS: durable, and exclusive by hard links.

An object is written to `<root>/incoming/<random>`, flushed to the disk, then linked to its final name: the kernel makes
the name appear whole or not at all, and refuses it when it exists. After a crash nothing but a file in `incoming/` is
left over; it is removed a day later.
"""

import errno
import os
import secrets
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from holdfast.domain.errors import ObjectExistsError, ObjectNotFoundError
from holdfast.repository.object_store import ORDINARY, Buffer, ObjectInfo, StorageTerms
from holdfast.repository.stores.byte_ranges import check_range
from holdfast.repository.stores.directory_errors import no_hard_links, translate_os_error
from holdfast.repository.stores.directory_walk import walk_keys
from holdfast.repository.stores.object_keys import INCOMING_FOLDER, check_key
from holdfast.repository.stores.without_versions import StoreWithoutVersions, refuse_lock, require_no_version

FOLDER_MODE = 0o700
FILE_MODE = 0o600
# No upload of one object takes a day; a younger file may belong to another process that is writing right now.
LEFTOVER_AGE_SECONDS = 24 * 3600
# What link(2) answers where the file system or mount knows no hard links (vfat, exFAT, some FUSE and SMB mounts).
_NO_HARD_LINK_ERRORS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})


class DirectoryStore(StoreWithoutVersions):
    """An ObjectStore under one folder. `clock` gives seconds since 1970 and decides only which leftovers are old."""

    def __init__(self, root: str | Path, *, clock: Callable[[], float] = time.time) -> None:
        self._root = os.path.abspath(root)
        self._incoming = os.path.join(self._root, INCOMING_FOLDER)
        self._clock = clock
        self._lock = threading.Lock()
        self._durable_folders: set[str] = set()
        self._next_sweep_seconds = 0.0

    @property
    def location(self) -> str:
        """The absolute path of the folder."""
        return self._root

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """Write the object durably and all at once.

        `sha256` is not checked here: a local file system gets the bytes from memory, and every reader verifies them.
        Raises ObjectExistsError, OutOfSpaceError, PermissionDeniedError, UnavailableError, ConflictError when a part of
        the key is an object already, HoldfastError where the file system has no hard links.
        """
        check_key(key)
        refuse_lock(self.location, terms)
        path = self._path(key)
        try:
            self._sweep_leftovers()
            self._make_durable_folder(self._incoming)
            self._make_durable_folder(os.path.dirname(path))
            temporary = os.path.join(self._incoming, secrets.token_hex(16))
            try:
                self._write_and_link(temporary, path, key, body)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(temporary)
        except OSError as error:
            raise translate_os_error(error, "write", path) from error

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        """The bytes asked for; raises ObjectNotFoundError, PermissionDeniedError, UnavailableError."""
        check_key(key)
        check_range(offset, length)
        require_no_version(key, version)
        path = self._path(key)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                facts = os.fstat(descriptor)
                if not stat.S_ISREG(facts.st_mode):
                    raise ObjectNotFoundError(key)
                available = max(0, facts.st_size - offset)
                return _read_exactly(descriptor, offset, available if length is None else min(length, available))
            finally:
                os.close(descriptor)
        except NotADirectoryError as error:
            raise ObjectNotFoundError(key) from error
        except OSError as error:
            raise translate_os_error(error, "read", path, key) from error

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        """Size and time of the object (no checksum, no version); raises ObjectNotFoundError."""
        check_key(key)
        require_no_version(key, version)
        path = self._path(key)
        try:
            facts = os.stat(path, follow_symlinks=False)
        except NotADirectoryError as error:
            raise ObjectNotFoundError(key) from error
        except OSError as error:
            raise translate_os_error(error, "read", path, key) from error
        if not stat.S_ISREG(facts.st_mode):
            raise ObjectNotFoundError(key)
        return _describe(key, facts)

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """Objects ascending by key; the memory needed is that of the largest single folder's names."""
        try:
            for key, facts in walk_keys(self._root, prefix, start_after):
                if stat.S_ISREG(facts.st_mode):
                    yield _describe(key, facts)
        except OSError as error:
            raise translate_os_error(error, "list", error.filename or self._root) from error

    def delete(self, key: str) -> bool:
        """Remove the object, if it is there, durably; its folders stay."""
        check_key(key)
        path = self._path(key)
        try:
            os.unlink(path)
            _flush_folder(os.path.dirname(path))
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return True
        except OSError as error:
            raise translate_os_error(error, "delete", path) from error
        return True

    def close(self) -> None:
        """Nothing stays open between calls."""

    def _path(self, key: str) -> str:
        return os.path.join(self._root, key)

    def _write_and_link(self, temporary: str, path: str, key: str, body: Buffer) -> None:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            _write_all(descriptor, body)
            os.fsync(descriptor)
            try:
                os.link(temporary, path, follow_symlinks=False)
            except FileExistsError as error:
                # NFS may lose the answer of a link that succeeded and repeat it: then our file has two names.
                if os.fstat(descriptor).st_nlink != 2:
                    raise ObjectExistsError(key) from error
            except OSError as error:
                if error.errno in _NO_HARD_LINK_ERRORS:
                    raise no_hard_links(self._root, error) from error
                raise
        finally:
            os.close(descriptor)
        _flush_folder(os.path.dirname(path))

    def _make_durable_folder(self, folder: str) -> None:
        """Make `folder` with its parents and flush the folders that name them, once per process.

        Flushed even when it exists: another process may have made it an instant ago and not flushed it yet. Only above
        the root an existing folder counts as durable; it may be one that we are not allowed to open.
        """
        if folder in self._durable_folders:
            return
        inside = folder != self._root and folder.startswith(self._root)
        if inside or not os.path.isdir(folder):
            parent = os.path.dirname(folder)
            self._make_durable_folder(parent)
            with suppress(FileExistsError):
                os.mkdir(folder, FOLDER_MODE)
            _flush_folder(parent)
        self._durable_folders.add(folder)

    def _sweep_leftovers(self) -> None:
        """Once at the first create, then once a day: remove what crashed writers left behind."""
        now_seconds = self._clock()
        with self._lock:
            if now_seconds < self._next_sweep_seconds:
                return
            self._next_sweep_seconds = now_seconds + LEFTOVER_AGE_SECONDS
        with suppress(FileNotFoundError), os.scandir(self._incoming) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_mtime < now_seconds - LEFTOVER_AGE_SECONDS:
                        os.unlink(entry.path)


def _write_all(descriptor: int, body: Buffer) -> None:
    rest = memoryview(body).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _read_exactly(descriptor: int, offset: int, length: int) -> bytes:
    """`length` bytes from `offset`; one allocation in the usual case, where the first read gives them all."""
    pieces: list[bytes] = []
    while length > 0:
        piece = os.pread(descriptor, length, offset)
        if not piece:
            break
        pieces.append(piece)
        offset += len(piece)
        length -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _flush_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _describe(key: str, facts: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, facts.st_size, None, None, datetime.fromtimestamp(facts.st_mtime, UTC))
