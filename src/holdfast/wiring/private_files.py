"""Folders and files that only their owner reads, and one process a folder."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from holdfast.domain.errors import ConflictError, PermissionDeniedError

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def private_folder(path: Path) -> Path:
    """Make the folder (0700) with those above it; one that others may enter is closed to them."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)
        path.chmod(FOLDER_MODE)
    except OSError as error:
        raise _refused(path, error) from error
    return path


def write_private(path: Path, content: bytes) -> None:
    """Replace the file whole and durably; readable by its owner alone (0600)."""
    try:
        # mkstemp makes files that only their owner may read.
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
    except OSError as error:
        raise _refused(path, error) from error


def read_private(path: Path) -> bytes | None:
    """The file's bytes, None where there is none. Raises PermissionDeniedError, also where others may read it."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                cure = f"chmod 600 {path}, and change what it holds"
                raise PermissionDeniedError(f"{path} is not used", why="others may read it too", cure=cure)
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _refused(path, error) from error


@contextmanager
def sole_user(folder: Path, what: str) -> Iterator[None]:
    """Hold the folder for this process. Raises ConflictError while another one does; the kernel lets go of the hold
    whatever ends the process.
    """
    path = folder / "lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        raise _refused(path, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(
                f"{what} runs already on {folder}",
                why="two of them would do everything twice",
                cure="end the other one first, or set another HOLDFAST_HOME",
            ) from None
        yield
    finally:
        os.close(descriptor)


def _refused(path: Path, error: OSError) -> PermissionDeniedError:
    return PermissionDeniedError(
        f"{path} may not be used",
        why=error.strerror or str(error),
        cure="set HOLDFAST_HOME to a folder of your own",
    )
