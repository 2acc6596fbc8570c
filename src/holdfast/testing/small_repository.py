"""Repositories for tests: open without a password's cost, with packs so small that a few blocks fill several."""

import dataclasses
import hashlib
from dataclasses import dataclass

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import ObjectNotFoundError
from holdfast.repository.format import config as config_form
from holdfast.repository.format import names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.keys.slots import Secret
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import Repository, create_repository, open_repository
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.sessions.points import PointSummary
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.surroundings import Surroundings
from holdfast.testing.memory_volumes import MemoryTarget


@dataclass(frozen=True, slots=True)
class SmallRepository:
    """A repository in `store` that `secret`, its recovery code, opens."""

    store: ObjectStore
    secret: Secret

    def open(self, surroundings: Surroundings, store: ObjectStore | None = None) -> Repository:
        """Open it as a new process would, through another store (a wrapper, a copy) where one is given."""
        return open_repository(self.store if store is None else store, self.secret, surroundings)

    def copied(self) -> "SmallRepository":
        """The same repository in a memory store of its own."""
        return SmallRepository(copy_to(MemoryStore(), self.store), self.secret)


def make_small_repository(
    store: ObjectStore,
    surroundings: Surroundings,
    pack_size_bytes: int | None = None,
    archive_class: ArchiveClass | None = None,
) -> SmallRepository:
    """A new repository; with `pack_size_bytes` its packs are that small (its config is written anew)."""
    new = create_repository(store, surroundings, archive_class=archive_class)
    if pack_size_bytes is not None:
        config = dataclasses.replace(new.repository.config, pack_size_bytes=pack_size_bytes)
        store.delete(names.CONFIG)
        new.repository.sealed.write(Kind.CONFIG, names.CONFIG, config_form.encode(config))
        new.repository.give_back()
    return SmallRepository(store, Secret(text=new.recovery_code.encode()))


def copy_to(target: ObjectStore, source: ObjectStore) -> ObjectStore:
    """Every object of `source` in `target`, which has none of them and is given back."""
    for info in source.list(""):
        body = source.get(info.key)
        target.create(info.key, body, hashlib.sha256(body).digest())
    return target


def put(store: ObjectStore, key: str, body: bytes) -> None:
    """Put an object where it may stand already: what only faults and vandals do."""
    try:
        store.head(key)
        store.delete(key)
    except ObjectNotFoundError:
        pass
    store.create(key, body, hashlib.sha256(body).digest())


def restored(repository: Repository, point: PointSummary) -> bytes:
    """The bytes of the point's only volume."""
    target = MemoryTarget()
    restore_volume(repository, point, target, Silence())
    if target.volume is None:
        raise AssertionError("the restore returned without an end")
    return target.volume.content
