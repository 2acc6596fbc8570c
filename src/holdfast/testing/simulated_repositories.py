"""Repositories as an appliance opens them by name, simulated: one, or two of which one is copied into the other."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from holdfast.appliance.ports.repositories import BackedUp, Examined, PreparedWork
from holdfast.domain.collection import Collected, CollectionWish
from holdfast.domain.errors import CancelledError, NotFoundError, RollbackError, UsageError, WrongKeyError
from holdfast.testing.simulated_repository import SimulatedRepository

_SEEN = f"1:{'cd' * 32}:1:{'ef' * 32}:0"


class SimulatedCopying:
    """Implements Copying."""

    def __init__(self, source: SimulatedRepository, target: SimulatedRepository) -> None:
        self._source = source
        self._target = target

    def prepare_copy(
        self,
        reader: str,
        session: str,
        attempt: int,
        point: str,
        tenant: str,
        keep_until: datetime | None = None,
        avoided_packs: frozenset[str] = frozenset(),
    ) -> PreparedWork:
        found = self._source.pin(reader, point, tenant)
        work = self._target.write_copy(session, attempt, found, keep_until, avoided_packs)
        return replace(work, copied_from=self._source.location)

    def accept_copy(self, session: str, attempt: int) -> BackedUp | None:
        copies = self._target.sessions[session].copies
        if session not in self._target.points_by_id and copies is not None:
            self._source.find(copies.id, copies.tenant)
        return self._target.accept_backup(session, attempt, b"" if copies is None else copies.configuration)

    def end_copy(self, reader: str, session: str) -> None:
        self._source.end_reading(reader)
        self._target.remove_stale_scratch([session])


class SimulatedRepositories:
    """Implements OpenRepositories."""

    def __init__(self, repositories: Mapping[str, SimulatedRepository]) -> None:
        self._repositories = repositories
        self.set_back: set[str] = set()

    @contextmanager
    def open(self, name: str) -> Iterator[SimulatedRepository]:
        repository = self._named(name)
        if name in self.set_back:
            raise RollbackError(f"{name} was set back", why="its ledger ends earlier", cure="find out who did it")
        yield repository

    @contextmanager
    def copying(self, source: str, target: str) -> Iterator[SimulatedCopying]:
        with self.open(source) as read, self.open(target) as written:
            if read is written:
                raise UsageError(f"{source} and {target} are one", why="nothing is copied into itself", cure="name two")
            yield SimulatedCopying(read, written)

    def accept(self, name: str) -> None:
        self._named(name)
        self.set_back.discard(name)

    def collect(
        self, name: str, wish: CollectionWish, tell: Callable[[str], None], stopped: Callable[[], bool]
    ) -> Collected:
        repository = self._named(name)
        if stopped():
            raise CancelledError(f"the work in {name} was stopped", why="somebody asked for it", cure="start it again")
        tell("marking what is needed")
        return repository.collect(wish)

    def examine(self, location: str, password: bytes | None, seen: str) -> Examined:
        if password == b"wrong":
            raise WrongKeyError(f"{location} does not open", why="no key slot opens", cure="give the right password")
        if seen and self.set_back:
            raise RollbackError(f"{location} was set back", why="its ledger ends earlier", cure="find out who did it")
        return Examined("ab" * 16, _SEEN)

    def _named(self, name: str) -> SimulatedRepository:
        if name not in self._repositories:
            raise NotFoundError(f"no repository {name}", why="nobody added it", cure="add it")
        return self._repositories[name]
