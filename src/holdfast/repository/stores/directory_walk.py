"""Walking a tree of files in the order of their keys, one folder in memory at a time."""

import os
from collections.abc import Iterator

from holdfast.repository.stores.object_keys import is_key


def walk_keys(root: str, prefix: str, start_after: str) -> Iterator[tuple[str, os.stat_result]]:
    """(key, stat) of every regular file under `root` whose key begins with `prefix` and follows `start_after`, by key.

    A folder sorts as its name with `/` behind it: exactly where the keys below it belong, so no key is ever held back.
    Left out are files and folders that vanish while we walk, and what is no valid key: unfinished files, and what the
    file system keeps for itself. Raises OSError for anything else.
    """
    yield from _walk(root, "", prefix, start_after)


def _walk(root: str, folder_key: str, prefix: str, start_after: str) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with os.scandir(os.path.join(root, folder_key)) as entries:
            names = sorted(
                entry.name + "/" if entry.is_dir(follow_symlinks=False) else entry.name
                for entry in entries
                if is_key(folder_key + entry.name)
            )
    except FileNotFoundError:
        return
    for name in names:
        key = folder_key + name
        if name.endswith("/"):
            inside_prefix = key.startswith(prefix) or prefix.startswith(key)
            if inside_prefix and (key > start_after or start_after.startswith(key)):
                yield from _walk(root, key, prefix, start_after)
        elif key.startswith(prefix) and key > start_after:
            try:
                facts = os.stat(os.path.join(root, key), follow_symlinks=False)
            except FileNotFoundError:
                continue
            yield key, facts
