"""Data packs that are known by name and size alone, beside a repository in a directory: ten million chunks without
their bytes. Their headers can be read, and they can be deleted; nothing else of them is there.
"""

import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from holdfast.domain.errors import ObjectNotFoundError
from holdfast.repository.format import names
from holdfast.repository.format.pack import HEADER_BYTES, PackHeader
from holdfast.repository.object_store import Buffer, ObjectInfo
from holdfast.repository.stores.directory import DirectoryStore

_LIST = "virtual-packs.json"
_GONE = "virtual-packs-gone.npy"


@dataclass(slots=True)
class WrittenBy:
    """So many packs of one session, all of one size."""

    session: bytes
    count: int
    size_bytes: int

    def pack(self, number: int) -> bytes:
        """The id of one of them: spread over all first bytes as random ids are."""
        return bytes([number % 256]) + number.to_bytes(4, "big") + self.session[:11]


@dataclass(slots=True)
class Family:
    """All that stand beside one repository."""

    repository: bytes
    written: list[WrittenBy] = field(default_factory=list)


class VirtualPacks(DirectoryStore):
    """A directory with these packs in it, as an ObjectStore."""

    def __init__(self, folder: Path, family: Family, gone: npt.NDArray[np.bool_]) -> None:
        super().__init__(folder)
        self._folder = folder
        self._family = family
        self._gone = gone
        self._first = np.cumsum([0, *(one.count for one in family.written)]).tolist()
        self._by_prefix = {one.session[:11]: at for at, one in enumerate(family.written)}

    @classmethod
    def beside(cls, folder: Path) -> "VirtualPacks":
        """Those of that repository; none where nobody has left any."""
        try:
            said = json.loads((folder.parent / _LIST).read_text())
        except FileNotFoundError:
            return cls(folder, Family(b""), np.zeros(0, bool))
        written = [WrittenBy(bytes.fromhex(one["session"]), one["count"], one["size"]) for one in said["written"]]
        return cls(folder, Family(bytes.fromhex(said["repository"]), written), np.load(folder.parent / _GONE))

    @staticmethod
    def leave(folder: Path, family: Family) -> None:
        """Say what stands beside the repository in `folder`."""
        written = [{"session": one.session.hex(), "count": one.count, "size": one.size_bytes} for one in family.written]
        said = {"repository": family.repository.hex(), "written": written}
        (folder.parent / _LIST).write_text(json.dumps(said))
        np.save(folder.parent / _GONE, np.zeros(sum(one.count for one in family.written), bool))

    def count(self) -> int:
        """How many are there."""
        return int(np.count_nonzero(~self._gone))

    def of_each(self) -> list[WrittenBy]:
        """Who wrote them, in the order of writing."""
        return list(self._family.written)

    def keep(self) -> None:
        """What was deleted stays so for the next process."""
        if len(self._gone):
            np.save(self._folder.parent / _GONE, self._gone)

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        """Of a pack that is known by name its header."""
        found = self._find(key)
        if found is None:
            return super().get(key, offset, length, version)
        if (offset, length) != (0, HEADER_BYTES):
            raise ObjectNotFoundError(key, why="only the headers of these packs are there")
        owner, pack = found
        return PackHeader(False, 1, self._family.repository, owner.session, pack, bytes(32)).encode()

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        """Name and size."""
        found = self._find(key)
        if found is None:
            return super().head(key, version)
        return ObjectInfo(key, found[0].size_bytes, None, None, None)

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """Both kinds of packs, ascending."""
        there = super().list(prefix, start_after)
        if prefix != names.PACKS:
            return there
        return heapq.merge(there, self._listed(start_after), key=lambda info: info.key)

    def delete(self, key: str) -> bool:
        """Of both kinds."""
        found = self._find(key)
        if found is None:
            return super().delete(key)
        self._gone[self._number(found[1])] = True
        return True

    def _listed(self, start_after: str) -> Iterator[ObjectInfo]:
        sessions = sorted(self._family.written, key=lambda one: one.session[:11])
        numbers = max((one.count for one in sessions), default=0)
        for first in range(256):
            for number in range(first, numbers, 256):
                for one in sessions:
                    key = names.pack(one.pack(number))
                    if number < one.count and key > start_after and not self._gone[self._number(one.pack(number))]:
                        yield ObjectInfo(key, one.size_bytes, None, None, None)

    def _number(self, pack: bytes) -> int:
        return int(self._first[self._by_prefix[pack[5:]]]) + int.from_bytes(pack[1:5], "big")

    def _find(self, key: str) -> tuple[WrittenBy, bytes] | None:
        if not key.startswith(names.PACKS) or not self._family.written:
            return None
        pack = bytes.fromhex(key.rpartition("/")[2])
        at = self._by_prefix.get(pack[5:])
        if at is None or self._gone[self._number(pack)]:
            return None
        return self._family.written[at], pack
