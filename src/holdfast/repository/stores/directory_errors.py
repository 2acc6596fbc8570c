"""The one place where errors of the operating system become errors of Holdfast, for the directory store."""

import errno

from holdfast.domain.errors import (
    ConflictError,
    HoldfastError,
    ObjectNotFoundError,
    OutOfSpaceError,
    PermissionDeniedError,
    UnavailableError,
)

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_RIGHT = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def translate_os_error(error: OSError, action: str, path: str, key: str = "") -> HoldfastError:
    """What `error` means to a person; `action` is a verb ("write", "list"), `path` what was touched."""
    what = f"cannot {action} {path}"
    why = error.strerror or str(error)
    if error.errno == errno.ENOENT and key:
        return ObjectNotFoundError(key)
    if error.errno in _NO_ROOM:
        return OutOfSpaceError(
            what,
            why=why,
            cure="add space, raise the quota or move something else away, then run the command again; deleting points "
            "and collecting garbage frees space too, but needs some MiB itself",
        )
    if error.errno in _NO_RIGHT:
        return PermissionDeniedError(
            what, why=why, cure="run as the user that owns the repository, or mount the file system writable"
        )
    if error.errno == errno.ENOTDIR:
        return ConflictError(
            what, why="a part of the path is a file, not a folder", cure="choose another folder for the repository"
        )
    return UnavailableError(what, why=why, cure="check the disk or network file system, then run the command again")


def no_hard_links(root: str, error: OSError) -> HoldfastError:
    """The file system cannot create a name atomically and exclusively, so it cannot hold a repository."""
    return HoldfastError(
        f"cannot keep a repository in {root}",
        why=f"its file system has no hard links, which exclusive creation needs ({error.strerror or error})",
        cure="use a file system with hard links (ext4, XFS, Btrfs, ZFS, NFS) or an S3 store",
    )
