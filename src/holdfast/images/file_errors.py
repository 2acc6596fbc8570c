"""What the operating system says of a source or target file, in the words of the error tree; the one place of this
room.
"""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from holdfast.domain.errors import (
    ConflictError,
    HoldfastError,
    NotFoundError,
    OutOfSpaceError,
    PermissionDeniedError,
    UsageError,
)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn an OSError about `path` into the error that says what to do."""
    try:
        yield
    except OSError as error:
        raise _translate(error, path) from error


def _translate(error: OSError, path: Path) -> HoldfastError:
    why = error.strerror or str(error)
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return NotFoundError(f"{path} does not exist", why=why, cure="check the path")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return PermissionDeniedError(
                f"{path} may not be used", why=why, cure="run as a user who may, or choose another"
            )
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return OutOfSpaceError(
                f"no room for {path}", why=why, cure="free space or restore to another place; run it again"
            )
        case errno.EEXIST:
            return ConflictError(
                f"{path} exists already", why=why, cure="choose another target, or --force to replace it"
            )
        case errno.EBUSY:
            return ConflictError(f"{path} is in use", why=why, cure="unmount it, or end what else has it; run it again")
        case errno.EISDIR:
            return UsageError(f"{path} is a folder", why=why, cure="name a file")
        case _:
            return HoldfastError(f"{path} failed", why=why, cure="check the device and the system's log; run it again")
