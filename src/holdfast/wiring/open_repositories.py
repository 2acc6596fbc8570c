"""Repositories of an appliance, opened by name and kept open: a password costs a third of a second each time."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from dataclasses import dataclass

from holdfast.appliance.offices.infrastructure import PASSWORD_PURPOSE
from holdfast.appliance.ports.repositories import Examined
from holdfast.domain.collection import Collected, CollectionWish
from holdfast.domain.errors import HoldfastError, UsageError
from holdfast.domain.infrastructure import RepositoryDefinition
from holdfast.domain.records import Repositories
from holdfast.domain.secret_box import SecretBox
from holdfast.patience import in_turn
from holdfast.repository.keys.slots import Secret
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.memory_of_locations import LocationMemory, Remembered, recognise, remember
from holdfast.repository.opening.repository import Repository, open_repository, require_class, require_many_writers
from holdfast.repository.retrieval_jobs import RetrievalJobs
from holdfast.repository.stores.location import asked_class, open_retrieval_jobs, open_store
from holdfast.repository.stores.stoppable import StoppableStore
from holdfast.repository.surroundings import Surroundings
from holdfast.wiring.collecting import collect
from holdfast.wiring.delegated_copying import DelegatedCopying
from holdfast.wiring.delegated_repository import DelegatedRepository
from holdfast.wiring.delegated_retrieval import Notes
from holdfast.wiring.key_service import LazyKeyService
from holdfast.wiring.machine import machine_surroundings


@dataclass(slots=True)
class _Kept:
    definition: RepositoryDefinition
    sealed_password: bytes | None
    store: ObjectStore
    opened: DelegatedRepository
    user_count: int = 0
    replaced: bool = False

    def serves(self, definition: RepositoryDefinition, sealed_password: bytes | None) -> bool:
        """Whether it is that one. A damaged ledger may have been mended since it was read."""
        is_it = (self.definition, self.sealed_password) == (definition, sealed_password)
        return is_it and not self.opened.is_damaged


class KeptOpenRepositories:
    """Implements OpenRepositories. A definition or password that was changed opens anew, and who uses what was open
    before goes on with it; every opening and every use compares with what this appliance remembers of the place
    (ordering rule 10). `apart`: surroundings of its own, with threads of its own, for work that takes long;
    `retrieval_role`: under which much that is cold is asked for at once, where one is known.
    """

    def __init__(
        self,
        definitions: Repositories,
        box: SecretBox,
        memory: LocationMemory,
        surroundings: Surroundings,
        apart: Callable[[], AbstractContextManager[Surroundings]] = machine_surroundings,
        retrieval_role: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._definitions = definitions
        self._box = box
        self._memory = memory
        self._surroundings = surroundings
        self._retrieval_role = retrieval_role
        self._apart = apart
        self._closed = threading.Event()
        self._lock = threading.Lock()
        # One opens a repository for all who want it, and nobody waits for another one that cannot be reached.
        self._turns: dict[str, threading.Lock] = {}
        self._kept: dict[str, _Kept] = {}

    @contextmanager
    def open(self, name: str) -> Iterator[DelegatedRepository]:
        """The repository of that name."""
        kept = self._take(name)
        try:
            yield kept.opened
            with kept.opened.turn() as repository:
                remember(repository, self._memory)
        finally:
            self._let_go(kept)

    @contextmanager
    def copying(self, source: str, target: str) -> Iterator[DelegatedCopying]:
        """Two of them at once."""
        with self.open(source) as read, self.open(target) as written:
            if read.repository_id == written.repository_id:
                raise UsageError(
                    f"{source} and {target} are one repository",
                    why="nothing is copied into itself",
                    cure="name another repository to copy into",
                )
            yield DelegatedCopying(read, written)

    def examine(self, location: str, password: bytes | None, seen: str) -> Examined:
        """The repository there; the server's memory of it counts as much as this appliance's own."""
        with closing(open_store(location)) as store:
            repository = open_repository(store, Secret(password, LazyKeyService()), self._surroundings)
            require_class(repository, asked_class(location))
            require_many_writers(repository)
            recognise(repository, self._memory, witness=Remembered.from_text(seen) if seen else None)
            now = self._memory.recall(repository.store.location)
            return Examined(repository.master.repository.hex(), "" if now is None else now.to_text())

    def accept(self, name: str) -> None:
        """Opened anew; who uses what was open before goes on with it."""
        with in_turn(self._turn(name), f"{name} is being opened for another task, which is waited for"):
            definition, sealed = self._definitions.get(name), self._definitions.sealed_password(name)
            self._replace(name, self._open(definition, sealed, accept=True))

    def collect(
        self, name: str, wish: CollectionWish, tell: Callable[[str], None], stopped: Callable[[], bool]
    ) -> Collected:
        """Opened anew, and in turn with nobody: a collection takes long, and is safe beside everything (rule 4)."""
        definition = self._definitions.get(name)
        sealed = self._definitions.sealed_password(name)

        def is_over() -> bool:
            return stopped() or self._closed.is_set()

        with (
            self._apart() as surroundings,
            closing(StoppableStore(open_store(definition.location), is_over)) as store,
        ):
            repository = self._unlocked(store, sealed, surroundings)
            collected = collect(repository, wish, Notes(tell), time.sleep)
            repository.ledger.refresh()  # not to forget what others here have remembered meanwhile
            remember(repository, self._memory, plan_epoch=collected.plan)
            return collected

    def close(self) -> None:
        """Stop collections, and release the connections of all."""
        self._closed.set()
        with self._lock:
            for kept in self._kept.values():
                kept.store.close()
            self._kept.clear()

    def _take(self, name: str) -> _Kept:
        definition = self._definitions.get(name)
        sealed = self._definitions.sealed_password(name)
        with in_turn(self._turn(name), f"{name} is being opened for another task, which is waited for"):
            kept = self._kept.get(name)
            if kept is None or not kept.serves(definition, sealed):
                kept = self._replace(name, self._open(definition, sealed))
            with self._lock:
                kept.user_count += 1
            return kept

    def _turn(self, name: str) -> threading.Lock:
        with self._lock:
            return self._turns.setdefault(name, threading.Lock())

    def _replace(self, name: str, made: _Kept) -> _Kept:
        with self._lock:
            before = self._kept.get(name)
            self._kept[name] = made
            if before is not None:
                before.replaced = True
                if not before.user_count:
                    before.store.close()
        return made

    def _let_go(self, kept: _Kept) -> None:
        with self._lock:
            kept.user_count -= 1
            if kept.replaced and not kept.user_count:
                kept.store.close()

    def _open(self, definition: RepositoryDefinition, sealed: bytes | None, *, accept: bool = False) -> _Kept:
        store = open_store(definition.location)
        try:
            repository = self._unlocked(store, sealed, self._surroundings, accept=accept)
        except HoldfastError:
            with suppress(HoldfastError):
                store.close()
            raise

        def jobs() -> RetrievalJobs | None:
            return open_retrieval_jobs(definition.location, self._retrieval_role())

        return _Kept(definition, sealed, store, DelegatedRepository(repository, definition.location, jobs))

    def _unlocked(
        self, store: ObjectStore, sealed: bytes | None, surroundings: Surroundings, *, accept: bool = False
    ) -> Repository:
        password = None if sealed is None else self._box.open(sealed, PASSWORD_PURPOSE)
        repository = open_repository(store, Secret(password, LazyKeyService()), surroundings)
        require_many_writers(repository)
        recognise(repository, self._memory, accept=accept)
        return repository
