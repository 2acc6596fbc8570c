"""A store for who may not list versions and was told them: what delete markers hide or others were put over is read by
the names of its versions (rule 9.5).
"""

from collections.abc import Iterator, Mapping

from holdfast.repository.object_store import Buffer, ObjectInfo, ObjectStore
from holdfast.repository.stores.passing import PassingStore


class NamedVersions(PassingStore):
    """An ObjectStore over `inner` for reading. `versions`: of these keys the versions, the newest first; of others none
    is known but the newest.
    """

    def __init__(self, inner: ObjectStore, versions: Mapping[str, tuple[str, ...]]) -> None:
        super().__init__(inner)
        self._versions = versions

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        """As the store inside; of a key that was told, the newest of its versions."""
        return self._inner.get(key, offset, length, self._newest(key) if version is None else version)

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        """The same."""
        return self._inner.head(key, self._newest(key) if version is None else version)

    def versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """Those that were told, of which nothing else is known: neither size nor time."""
        for key in sorted(self._versions):
            if key.startswith(prefix):
                yield from (ObjectInfo(key, 0, None, version, None) for version in self._versions[key])

    def _newest(self, key: str) -> str | None:
        return next(iter(self._versions.get(key, ())), None)
