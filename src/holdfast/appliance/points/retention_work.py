"""What retention decided is done here: points go, and the snapshots that nothing else needs go with them.

A snapshot goes before the record that names it: cut short in between, the record leads back to it.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from holdfast.appliance.points.damaged_packs import remember_further_packs
from holdfast.appliance.points.snapshot_tags import GONE
from holdfast.appliance.policies.schedules import zone_of
from holdfast.appliance.ports.cloud import Compute
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface
from holdfast.domain.errors import HoldfastError, NotFoundError
from holdfast.domain.policy import Limit
from holdfast.domain.restore_point import Flag, PointKind, RestorePoint, SnapshotPlace
from holdfast.domain.retention import Verdict, base_snapshots_to_release, decide
from holdfast.domain.session import LogLevel, SessionKind
from holdfast.domain.tiers import archive_tiers, limits_of
from holdfast.domain.time import is_ahead
from holdfast.domain.workload import Workload
from holdfast.protocol.appliance_answers import StoredPolicy


class RetentionWork:
    """Removes points and frees snapshots."""

    def __init__(self, surface: Surface, book: SessionBook) -> None:
        self._surface = surface
        self._book = book
        self._turn = threading.Lock()

    def apply(self, policy_name: str, session_id: str) -> int:
        """Remove what the policy keeps no longer, and write down why and until when the others stay; how many points
        went. One that resists does not keep the others. The policy counts as it is now: it may have been changed since
        the run began, or be gone. Where it is changed meanwhile the rest is left to the next run.
        """
        removed = 0
        stored = self._policy(policy_name)
        for verdict in () if stored is None else self.verdicts(stored):
            if verdict.keep:
                self.write_down(verdict)
                continue
            point = verdict.point
            # There may be hundreds, each of which takes a while.
            if self._policy(policy_name) != stored:
                break
            if point.id in self._being_read():
                continue
            try:
                self.remove(point)
            except HoldfastError as error:
                self._book.warn(session_id, f"restore point {point.id} could not be removed: {error.what}: {error.why}")
                continue
            removed += 1
            message = f"restore point {point.id} of {point.workload.id} was removed: {verdict.why}"
            self._book.say(session_id, message, LogLevel.INFO)
        return removed

    def verdicts(self, stored: StoredPolicy, workload: Workload | None = None) -> list[Verdict]:
        """What would become of each point of the policy, or of one workload's. Points are older than their policy where
        an earlier one of its name was removed: these stay until a person removes them. (An archive is as old as the run
        that made it, whatever backup it is of.) So do those that lack a snapshot: they are no reason to remove whole
        ones. What is being copied or restored is not judged before that has ended, and what a clock that ran ahead has
        dated not before that time has come: it would be the newest one until then, and take a place by number.
        """
        now, verdicts = self._surface.surroundings.now(), list[Verdict]()
        policy, stock = stored.policy, self._surface.records.points
        every = stock.of_policy(policy.name) if workload is None else stock.of_workload(workload)
        known = [point for point in every if _appeared_at(point) >= stored.created_at]
        being_read = self._being_read()
        judged = (point for point in known if not point.missing and point.id not in being_read)
        points = [point for point in judged if not is_ahead(point.created_at, now)]
        snapshots = {} if policy.snapshot is None else {Flag.DAILY: Limit(keep=policy.snapshot.keep)}
        verdicts += decide(points, policy.name, PointKind.SNAPSHOT, snapshots, now)
        if policy.backup is not None:
            limits, zone = limits_of(policy.backup.retention), zone_of(policy.backup)
            verdicts += decide(points, policy.name, PointKind.IMAGE_BACKUP, limits, now, zone)
            if policy.archive is not None:
                archived = archive_tiers(policy.archive)
                verdicts += decide(points, policy.name, PointKind.ARCHIVE, archived, now, zone)
        return verdicts

    def lets_go(self, point: RestorePoint) -> bool:
        """Whether its policy, as it is now, would remove it by itself now."""
        stored = self._policy(point.policy)
        if stored is None or not stored.enabled:
            return False
        return any(one.point.id == point.id and not one.keep for one in self.verdicts(stored, point.workload))

    def _policy(self, name: str) -> StoredPolicy | None:
        try:
            return self._surface.records.policies.get(name)
        except NotFoundError:
            return None

    def _being_read(self) -> set[str]:
        """Points that somebody copies or restores: that may take days, and they would be missed in the middle of it."""
        records = self._surface.records
        copied = {one.copies.point for one in records.open_backups.all() if one.copies is not None}
        return copied | {one.subject for one in records.sessions.unfinished() if one.kind == SessionKind.RESTORE}

    def write_down(self, verdict: Verdict) -> None:
        """The flags of a point that stays, and until when; nothing where they are what they were, or where it was given
        others since they were judged.
        """

        def written(point: RestorePoint) -> RestorePoint:
            if point.flags != verdict.point.flags:
                return point
            return replace(point, flags=verdict.flags, keep_until=verdict.keep_until)

        self.change(verdict.point, written)

    def remove(self, point: RestorePoint) -> None:
        """Remove one point for good; asked again it goes on where it stopped."""
        if point.repository is not None:
            tenant = self._surface.tenant(point.workload.account)
            with self._surface.repositories.open(point.repository) as repository:
                repository.retire(point.id, tenant)
        self._free_of(point)
        if point.repository is None:
            self._forget_description(point)
        remember_further_packs(self._surface, point, ())
        self._surface.records.points.remove(point.id)

    def release_bases(self, workload: Workload) -> None:
        """The newest image backup in each repository keeps its base snapshots; older ones lose theirs."""
        points = self._surface.records.points.of_workload(workload)
        for repository in sorted({point.repository for point in points if point.repository}):
            chain = [point for point in points if point.repository == repository]
            for point in base_snapshots_to_release(chain):
                self._free_of(point)
                self.change(point, lambda one: replace(one, snapshots={}))

    def _free_of(self, point: RestorePoint) -> None:
        if point.session_id is not None:
            self.free(point.workload, set(point.snapshots.values()), but=point.id, place=point.place)

    def _forget_description(self, point: RestorePoint) -> None:
        """What stays of its snapshots serves another point, and says no more that it is this one's."""
        staying = set(point.snapshots.values()) & self._needed(point.workload, but=point.id)
        if staying and point.session_id is not None:
            with suppress(NotFoundError):  # whoever deleted it has taken the description with it
                self._compute(point.lies_in).tag_snapshots(tuple(sorted(staying)), GONE)

    def free(
        self, workload: Workload, snapshot_ids: Iterable[str], but: str = "", place: SnapshotPlace | None = None
    ) -> None:
        """Delete those of the snapshots that no point names, other than the point `but`, nor what may become one.
        `place` says where they lie, if not beside their volumes.
        """
        where = place or SnapshotPlace(workload.account, workload.region)
        free = tuple(sorted(set(snapshot_ids) - self._needed(workload, but)))
        if free:
            self._compute(where).delete_snapshots(free)

    def _needed(self, workload: Workload, but: str) -> set[str]:
        """Snapshots that a point names, other than the point `but`, or a backup that may become one."""
        points = self._surface.records.points.of_workload(workload)
        named = {one for point in points if point.id != but for one in point.snapshots.values()}
        return named | {one for backup in self._surface.records.open_backups.all() for one in backup.snapshots.values()}

    def _compute(self, where: SnapshotPlace) -> Compute:
        return self._surface.cloud.compute(self._surface.account(where.account), where.region)

    def change(self, known: RestorePoint, changed: Callable[[RestorePoint], RestorePoint]) -> None:
        """Of the point as it is now: who changes something else of it at the same time must not lose that."""
        points = self._surface.records.points
        with self._turn, suppress(NotFoundError):  # removed meanwhile
            before = points.get(known.id)
            after = changed(before)
            if after != before:
                points.put(after)


def _appeared_at(point: RestorePoint) -> datetime:
    """When the appliance came to have it. An archive bears the time of the backup that it is a copy of."""
    made_at = point.as_of if point.kind == PointKind.ARCHIVE else None
    return point.found_at or made_at or point.created_at
