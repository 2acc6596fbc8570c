"""Which packs stand: a LIST says so at once, and what it leaves out is asked for (rule 5)."""

from collections.abc import Iterable

from holdfast.repository.format import names
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.trust.few_at_once import few_at_once
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.presence import size_of


class StandingPacks:
    """The packs of a repository as one LIST shows them, by id, with their sizes; further ones by HEAD, once each."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.listed = {
            bytes.fromhex(info.key.rpartition("/")[2]): info.size_bytes for info in objects_under(store, names.PACKS)
        }
        self._asked: dict[bytes, int | None] = {}

    def size_bytes(self, pack: bytes) -> int | None:
        """Its size, None where it is gone."""
        if pack in self.listed:
            return self.listed[pack]
        if pack not in self._asked:
            self._asked[pack] = size_of(self._store, names.pack(pack))
        return self._asked[pack]

    def ask(self, packs: Iterable[bytes], surroundings: Surroundings) -> None:
        """Look for those of these packs that the LIST did not show, several at once."""
        unknown = [pack for pack in packs if pack not in self.listed and pack not in self._asked]
        self._asked.update(few_at_once(surroundings, lambda pack: size_of(self._store, names.pack(pack)), unknown))

    def stands(self, pack: bytes) -> bool:
        """Whether it is there."""
        return self.size_bytes(pack) is not None

    def forget(self, packs: Iterable[bytes]) -> None:
        """They were deleted."""
        for pack in packs:
            self.listed.pop(pack, None)
            self._asked[pack] = None
