"""An immutable repository in a bucket with AWS's own rules, its time, and an attacker who does all that AWS allows."""

import copy
from datetime import timedelta

from holdfast.domain.errors import PermissionDeniedError
from holdfast.repository.keys.slots import Secret
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import Repository, create_repository, open_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import retire
from holdfast.repository.upkeep.collection.collect import Collection, CollectionOrder, CollectionReport
from holdfast.repository.upkeep.renewal.renew import RenewalReport, renew_locks
from holdfast.repository.writing.backup import BackupOrder, backup_volume
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume
from holdfast.testing.small_repository import restored
from holdfast.testing.strict_bucket import StrictBucket
from holdfast.testing.strict_store import StrictStore

KEEP = timedelta(days=30)


class Site:
    """An immutable repository in a strict bucket, and its time."""

    def __init__(self) -> None:
        self.clock = SteppableClock()
        self.bucket = StrictBucket(self.clock)
        self.store = StrictStore(self.bucket)
        self._seed = 0
        self.contents: dict[bytes, bytes] = {}
        new = create_repository(self.store, self.surroundings(), immutable=True)
        self.secret = Secret(text=new.recovery_code.encode())

    def surroundings(self):
        self._seed += 1
        return deterministic_surroundings(self._seed, self.clock)

    def open(self, store: ObjectStore | None = None) -> Repository:
        return open_repository(store or self.store, self.secret, self.surroundings())

    def copied(self) -> "Site":
        """The same repository in a bucket and a time of its own."""
        other = copy.copy(self)
        other.clock = SteppableClock(self.clock())
        other.bucket = self.bucket.copied(other.clock)
        other.store = StrictStore(other.bucket)
        return other

    def later(self, days: float) -> None:
        self.clock.step(days * 86400)

    def back_up(self, content: bytes, keep: timedelta | None = KEEP) -> bytes:
        until = None if keep is None else self.clock() + keep
        source = MemorySource(MemoryVolume.of(content))
        report = backup_volume(self.open(), source, BackupOrder("disk", keep_until=until), Silence())
        return report.finished.manifest.session

    def renew(self, **options) -> RenewalReport:
        return renew_locks(self.open(), Silence(), **options)

    def collect(self) -> CollectionReport:
        order = CollectionOrder(patience=timedelta(0))
        return Collection(self.open(), order, Silence(), lambda seconds: None).run()

    def retire(self, session: bytes) -> None:
        repository = self.open()
        [point] = [one for one in list_points(repository) if one.session == session]
        retire(repository, point.session, point.key)

    def locks(self, prefix: str = ""):
        return {one.key: one.locked_until for one in self.bucket.every_version() if one.key.startswith(prefix)}

    def attack(self) -> None:
        """Everything that may go is removed by version, and what is left is hidden behind markers."""
        for one in self.bucket.every_version():
            try:
                self.bucket.delete_version(one.key, one.id)
            except PermissionDeniedError:
                self.bucket.delete(one.key)

    def restores(self, contents: dict[bytes, bytes]) -> bool:
        repository = self.open()
        points = {point.session: point for point in list_points(repository)}
        return all(restored(repository, points[session]) == content for session, content in contents.items())
