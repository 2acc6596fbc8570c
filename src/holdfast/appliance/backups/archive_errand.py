"""The copy of one image backup into an archive, as the fleet sees it, and as it becomes a restore point."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from holdfast.appliance.backups.point_making import in_session
from holdfast.appliance.points.damage import remark_on
from holdfast.appliance.points.damaged_packs import damaged_packs
from holdfast.appliance.ports.cloud import CopiedRepository, Ownership, WorkerOrder
from holdfast.appliance.ports.records import OpenBackup, OpenCopy, SetAside
from holdfast.appliance.ports.repositories import BackedUp, PreparedWork
from holdfast.appliance.surface import Surface
from holdfast.appliance.workers.errands import ErrandFacts, lock_days
from holdfast.appliance.workers.fleet import ATTEMPTS
from holdfast.domain.errors import HoldfastError, WorkerLostError
from holdfast.domain.policy import Ec2Policy
from holdfast.domain.restore_point import RestorePoint
from holdfast.protocol.encoding import from_document, to_document


@dataclass(frozen=True, slots=True)
class Archived:
    """What an archive is made of and as, as it is decided once. `backup.work` is the session in the archive, its
    `copies` says what is read; `keep_until` is promised where the archive is immutable; `first_attempt` is the first of
    this run in that session.
    """

    backup: OpenBackup
    size_bytes: int
    tenant: str
    keep_until: datetime | None = None
    first_attempt: int = 1

    def remembered(self) -> dict[str, Any]:
        """For a step."""
        document: dict[str, Any] = to_document(self)
        return document

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Archived":
        """The reverse."""
        return from_document(cls, document, "an archive that is under way")


class ArchiveErrand:
    """Reads the standard repository, and writes the archive."""

    def __init__(self, surface: Surface, facts: ErrandFacts, what: Archived, policy: Ec2Policy) -> None:
        if what.backup.copies is None:
            raise ValueError("an archive is a copy")
        self._surface = surface
        self._facts = facts
        self._what = what
        self._policy = policy
        self._copies: OpenCopy = what.backup.copies

    @property
    def facts(self) -> ErrandFacts:
        """As given."""
        return self._facts

    def in_session(self, work: str) -> "ArchiveErrand":
        """In that one of the archive."""
        what = replace(self._what, backup=replace(self._what.backup, work=work))
        return ArchiveErrand(self._surface, replace(self._facts, work=work), what, self._policy)

    def open(self) -> PreparedWork:
        """Pin the backup, and open the session with its first attempt."""
        return self._prepared(self._facts.first_attempt)

    def open_backup(self) -> OpenBackup:
        """As it is written down until its end was seen."""
        return self._what.backup

    def remarks(self) -> tuple[str, ...]:
        """What it avoids."""
        return remark_on(self._damaged_packs())

    def prepare(self, attempt: int) -> PreparedWork:
        """In the session that was opened, and no other; chunks are looked for where they lie now."""
        return in_session(self._prepared(attempt), self._facts.work)

    def order(self, owner: Ownership, work: PreparedWork) -> WorkerOrder:
        """A worker in the workload's region that may read the one repository, and add to the other."""
        choice = self._policy.worker
        return WorkerOrder(
            owner=owner,
            repository_location=work.location,
            repository_session=work.session,
            reads_versions=work.reads_versions,
            copies_from=CopiedRepository(work.copied_from, self._copies.reader),
            instance_type=choice.instance_type,
            volume_bytes=self._what.size_bytes,
            lock_days=lock_days(work, self._surface.surroundings.now()),
            subnet_id=choice.subnet_id,
            security_group_ids=choice.security_group_ids,
            tags=choice.tags,
        )

    def finished(self, attempt: int) -> bool:
        """A result that is there is committed at once: asked again it is the same."""
        return self.accept(attempt) is not None

    def accept(self, attempt: int) -> BackedUp | None:
        """Check and commit."""
        with self._surface.repositories.copying(self._copies.repository, self._what.backup.repository) as copying:
            return copying.accept_copy(self._facts.work, attempt)

    def abandon(self) -> str | None:
        """The session is ended, and the backup unpinned."""
        with self._surface.repositories.open(self._what.backup.repository) as archive:
            committed = archive.abandon(self._facts.work)
        if committed is None:
            self.clean()
        return committed

    def set_aside(self, error: HoldfastError) -> OpenBackup | None:
        """Where every worker was lost: nobody commits what is left but who goes on with it. The backup is unpinned."""
        if not isinstance(error, WorkerLostError):
            return None
        with self._surface.repositories.open(self._copies.repository) as source:
            source.end_reading(self._copies.reader)
        attempts = self._facts.first_attempt + ATTEMPTS - 1
        aside = SetAside(self._surface.surroundings.now(), attempts, self._what.keep_until)
        return replace(self._what.backup, set_aside=aside)

    def clean(self) -> None:
        """Unpin the backup; the task and its result go."""
        with self._surface.repositories.copying(self._copies.repository, self._what.backup.repository) as copying:
            copying.end_copy(self._copies.reader, self._facts.work)

    def sealed_configuration(self) -> bytes:
        """The backup's own."""
        return self._surface.records.points.sealed_configuration(self._copies.point)

    def _prepared(self, attempt: int) -> PreparedWork:
        with self._surface.repositories.copying(self._copies.repository, self._what.backup.repository) as copying:
            return copying.prepare_copy(
                self._copies.reader,
                self._facts.work,
                attempt,
                self._copies.point,
                self._what.tenant,
                self._what.keep_until,
                self._damaged_packs(),
            )

    def _damaged_packs(self) -> frozenset[str]:
        """What earlier archives of this workload are known to lack."""
        backup = self._what.backup
        points = self._surface.records.points.of_workload(backup.workload)
        return damaged_packs(self._surface, points, backup.repository)


def backup_of(point: RestorePoint) -> str:
    """The backup that a point is, or is a copy of."""
    return point.copy_of or point.id
