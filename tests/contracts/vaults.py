"""A repository as an appliance has it, real and simulated, with points to make and to let go."""

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from holdfast.appliance.offices.infrastructure import PASSWORD_PURPOSE
from holdfast.appliance.ports.repositories import SourceVolume
from holdfast.domain.infrastructure import RepositoryDefinition
from holdfast.repository.delegation.backup_side import PreparedBackup, ordered_task
from holdfast.repository.format import names
from holdfast.repository.stores.directory import DirectoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.memory_records import memory_records
from holdfast.testing.simulated_repositories import SimulatedRepositories
from holdfast.testing.simulated_repository import SimulatedRepository
from holdfast.testing.simulated_site import OpenBox
from holdfast.testing.small_repository import make_small_repository
from holdfast.testing.virtual_time import BEGINNING
from holdfast.wiring.open_repositories import KeptOpenRepositories
from tests.unit.repository.delegation.delegated import Disks, work
from tests.unit.repository.delegation.delegated_copy import worker as copy_worker

NAME, TENANT, WORKLOAD = "vault", "123456789012", "ec2-instance/eu-central-1/i-1"
COPIES = "copies"


class Memory:
    """Implements LocationMemory."""

    def __init__(self):
        self.seen = {}

    def recall(self, location):
        return self.seen.get(location)

    def remember(self, location, seen):
        self.seen[location] = seen


class Vault:
    """What both can do, with a second repository, `COPIES`, beside it. `source` says what a worker reads, `work` does
    its task, `copy` an attempt of a copy into the second one.
    """

    repositories: Any  # implements OpenRepositories
    source: Callable[[int], dict[str, str]]
    work: Callable[[Any, str], None]
    copy: Callable[..., None]

    def prepare(self, number):
        """Open a backup; its session."""
        with self.repositories.open(NAME) as repository:
            volumes = [SourceVolume("/dev/xvda", self.source(number))]
            session = repository.new_session()
            return repository.prepare_backup(session, 1, TENANT, WORKLOAD, volumes, "default").session

    def finish(self, session):
        """Do the work of a backup and commit it."""
        with self.repositories.open(NAME) as repository:
            self.work(repository, session)
            assert repository.accept_backup(session, 1, b"{}") is not None
            repository.remove_stale_scratch([session])

    def back_up(self, number):
        """A point that shares nothing with one of another number; its id."""
        session = self.prepare(number)
        self.finish(session)
        return session

    def retire(self, point):
        """It is no more."""
        with self.repositories.open(NAME) as repository:
            repository.retire(point, TENANT)

    def abandon(self, session):
        """It is to have no point."""
        with self.repositories.open(NAME) as repository:
            repository.abandon(session)

    def points(self):
        """Ids of those that are left, oldest first."""
        with self.repositories.open(NAME) as repository:
            return [one["id"] for one in repository.points(TENANT)]


class RealVault(Vault):
    """In a folder, with packs so small that a point fills several."""

    def __init__(self, folder):
        around = deterministic_surroundings()
        self.small = make_small_repository(DirectoryStore(folder), around, 1000)
        self.copies = make_small_repository(DirectoryStore(folder.with_name(COPIES)), around, 1000)
        records, box = memory_records().repositories, OpenBox()
        for name, small in ((NAME, self.small), (COPIES, self.copies)):
            assert small.secret.text is not None
            place = str(folder.with_name(name))
            records.put(RepositoryDefinition(name, place), box.seal(small.secret.text, PASSWORD_PURPOSE))
        records.put(RepositoryDefinition("again", str(folder)), records.sealed_password(NAME))
        self.repositories = KeptOpenRepositories(records, box, Memory(), around, apart)
        self.disks = Disks()

    def content(self, number):
        return bytes([number]) * 5000 + number.to_bytes(3000)

    def source(self, number):
        return self.disks.snapshot(f"snap-{number}", self.content(number))

    def work(self, repository, session):
        with repository.turn() as inner:
            ordered = PreparedBackup(inner, ordered_task(inner, bytes.fromhex(session), 1))
            work(inner.store, ordered, self.disks)

    def copy(self, session, attempt=1):
        with self.repositories.open(COPIES) as repository, repository.turn() as inner:
            ordered = PreparedBackup(inner, ordered_task(inner, bytes.fromhex(session), attempt))
            copy_worker(self.small.store, inner.store, ordered, attempt)

    def pins(self):
        """Readers whose points are pinned."""
        with self.repositories.open(NAME) as repository, repository.turn() as inner:
            return {reader.hex() for reader in inner.ledger.state.pins}

    def examine(self, seen):
        """As an appliance does that was never here, with what the server remembers."""
        around = deterministic_surroundings()
        new = KeptOpenRepositories(memory_records().repositories, OpenBox(), Memory(), around, apart)
        return new.examine(self.small.store.location, self.small.secret.text, seen).seen

    def set_back(self):
        """Its ledger ends earlier than it did."""
        store = self.small.store
        store.delete(max(info.key for info in store.list(names.LEDGER)))

    def close(self):
        self.repositories.close()


class SimulatedVault(Vault):
    """Without bytes."""

    def __init__(self):
        vault = SimulatedRepository(lambda: BEGINNING, lambda snapshot: True)
        copies = SimulatedRepository(lambda: BEGINNING, lambda snapshot: True, "s3://bucket/copies")
        self.repositories = SimulatedRepositories({NAME: vault, "again": vault, COPIES: copies})

    def source(self, number):
        return {"kind": "ebs", "snapshot": f"snap-{number}"}

    def work(self, repository, session):
        repository.do_task(session, 1, lambda target: "snap")

    def copy(self, session, attempt=1):
        with self.repositories.open(COPIES) as repository:
            repository.do_task(session, attempt, lambda target: "snap")

    def pins(self):
        """The same."""
        with self.repositories.open(NAME) as repository:
            return set(repository.pins)

    def examine(self, seen):
        """The same."""
        return self.repositories.examine("s3://b/r", b"password", seen).seen

    def set_back(self):
        """Said so."""
        self.repositories.set_back.add(NAME)

    def close(self):
        """Nothing is open."""


@contextmanager
def apart():
    """Surroundings for one collection."""
    yield deterministic_surroundings(1)
