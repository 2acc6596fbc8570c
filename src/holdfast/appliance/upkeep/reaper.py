"""Removes what no live session needs: found by our tags and by the ledger, so that nothing leaks unseen.

Never a snapshot that a restore point names or may come to name, never what was restored well, and never a snapshot, or
an old volume of an instance that was restored into, of which nobody here knows whose it was: that is told, for a person
to decide.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from holdfast.appliance.ports.cloud import OwnedObject, Ownership, RestoreSite
from holdfast.appliance.restores.old_volumes import STANDING, OldVolumes, StandingVolumes
from holdfast.appliance.surface import OWN_ACCOUNT, Surface
from holdfast.domain import ownership
from holdfast.domain.cloud_ledger import LedgerRow
from holdfast.domain.errors import HoldfastError, NotFoundError
from holdfast.domain.infrastructure import Account
from holdfast.domain.session import Session, State, Task, TaskResult

_PAGE = 500
# Kinds that are listed wherever they are: a row of one that is not seen is a row of one that is gone.
_LISTED_KINDS = frozenset(
    {
        "instance",
        "volume",
        "snapshot",
        "image",
        "network-interface",
        "security-group",
        "role",
        "instance-profile",
        "queue",
    }
)
_Pair = tuple[str, str]


@dataclass
class ReaperReport:
    """What was found: removed, left for a person to look at (`strange`), and what would not go."""

    removed: list[OwnedObject] = field(default_factory=list)
    strange: list[OwnedObject] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Round:
    """One look everywhere. `written` stands in the ledger; `pending` are snapshots whose points are not settled;
    `named` by any point at all, read once where it is asked for. Of restores into standing instances, `settled` are
    (task, instance), `undecided` the sessions of which old volumes could not be put back, `kept` the volumes that any
    of them keeps: one may have been made by a restore before.
    """

    report: ReaperReport
    written: frozenset[_Pair]
    pending: frozenset[str]
    named: Callable[[], frozenset[str]]
    settled: set[_Pair] = field(default_factory=set)
    undecided: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)


class Reaper:
    """Asked every few minutes, and once at the start."""

    def __init__(self, surface: Surface) -> None:
        self._surface = surface
        self._old = OldVolumes(surface)

    def reap(self) -> ReaperReport:
        """Look everywhere once."""
        report, seen = ReaperReport(), set[_Pair]()
        rows = self._surface.records.ledger.open_rows()
        pending = [one for each in self._surface.records.open_backups.all() for one in each.snapshots.values()]
        written = frozenset((row.kind, row.object_id) for row in rows)
        look = _Round(report, written, frozenset(pending), cache(self._named))
        looked_at: set[_Pair] = set()
        for account, region in self.places(rows):
            try:
                self._settle(account, region, rows, look)
                found = list(self._surface.cloud.belongings(account, region).owned())
            except HoldfastError as error:
                report.failed.append(f"{account.name or 'own account'} in {region}: {error.what}: {error.why}")
                continue
            looked_at.add((account.name, region))
            for one in found:
                if (one.kind, one.id) not in seen:
                    seen.add((one.kind, one.id))
                    self._judge(account, one, look)
        self._close_rows(rows, looked_at, seen)
        return report

    def _judge(self, account: Account, one: OwnedObject, look: _Round) -> None:
        owner, report = one.ownership, look.report
        if owner is None or owner.appliance_id != self._surface.appliance_id:
            return
        if owner.session_id in look.undecided or one.id in look.kept or not self._is_left_over(one.id, owner):
            return
        since = one.created_at
        if since is None and self._session(owner.session_id) is None:
            since = self._first_seen(account, one, owner)
        if not self._is_over(owner.session_id, owner.task_id, since):
            return
        try:
            if one.kind == "snapshot" and owner.purpose != ownership.RESTORE:
                if self._is_of_a_point(one.id, owner.task_id, look):
                    return
                # Sessions are forgotten in time. What stands in the ledger was made with the records that are here.
                if self._session(owner.session_id) is None and (one.kind, one.id) not in look.written:
                    report.strange.append(one)
                    return
            self._surface.cloud.belongings(account, one.region).remove(one)
            report.removed.append(one)
        except HoldfastError as error:
            report.failed.append(f"{one.kind} {one.id}: {error.what}: {error.why}")

    def _settle(self, account: Account, region: str, rows: Iterable[LedgerRow], look: _Round) -> None:
        """Standing instances that were restored into: put back, or their old volumes removed, where a task was cut off
        in that. Found by the volumes that are kept, and by what is written down before the first is.
        """
        site = self._surface.cloud.restore_site(account, region)
        groups: dict[_Pair, StandingVolumes] = {}
        for one in site.kept_volumes(self._surface.appliance_id):
            look.kept.add(one.volume_id)
            group = StandingVolumes(one.owner, one.instance_id)
            groups.setdefault((one.owner.task_id, one.instance_id), group).volumes.append(one)
        for row in rows:
            if (row.kind, row.account, row.region) == (STANDING, account.name, region):
                owner = self._surface.owner(row.session_id, row.task_id, row.purpose, row.attempt)
                groups.setdefault((row.task_id, row.object_id), StandingVolumes(owner, row.object_id))
        for pair, kept in groups.items():
            if pair not in look.settled:
                look.settled.add(pair)
                self._settle_one(site, region, kept, look)

    def _settle_one(self, site: RestoreSite, region: str, kept: StandingVolumes, look: _Round) -> None:
        owner, report = kept.owner, look.report
        session, task = self._session(owner.session_id), self._task(owner.task_id)
        if session is None or task is None:
            report.strange += [OwnedObject("volume", one.volume_id, region, owner) for one in kept.volumes]
            if self._old.remembered(owner.task_id) is not None:
                report.failed.append(f"{kept.instance_id} is not put back: session {owner.session_id} is not known")
            elif not kept.volumes:
                self._old.end(owner.session_id, owner.task_id)
        elif self._is_over(session.id, task.id, None):
            try:
                self._old.settle(site, kept, session, task)
            except HoldfastError as error:
                look.undecided.add(session.id)
                report.failed.append(
                    f"{kept.instance_id} is not put back, its old volumes stay: {str(kept) or 'none was taken off'}: "
                    f"{error.what}: {error.why}"
                )

    def _is_left_over(self, object_id: str, owner: Ownership) -> bool:
        """What passes by its purpose; and what a restore that failed has made and was not allowed to remove again."""
        if owner.purpose != ownership.RESTORED:
            return owner.purpose in ownership.PASSING
        task = self._task(owner.task_id)
        if task is None or task.state not in (State.FAILED, State.CANCELLED):
            return False
        return object_id not in [task.result.get("instance_id"), *_volumes(task.result)]

    def _first_seen(self, account: Account, one: OwnedObject, owner: Ownership) -> datetime:
        """Of what AWS tells no age of, by a row that is written now if there is none."""
        row = self._surface.intent(owner, one.kind, account.name, one.region, f"seen/{one.kind}/{one.id}", one.id)
        return self._surface.records.ledger.intend(row).intended_at

    def _is_over(self, session_id: str, task_id: str, created_at: datetime | None) -> bool:
        """A session that was broken off may have a task that goes on: what that one uses is in use."""
        now, patience, session = self._surface.surroundings.now(), self._surface.patience, self._session(session_id)
        if session is None:
            waited = timedelta(seconds=patience.stranger_grace_seconds)
            return created_at is not None and now - created_at >= waited
        waited = timedelta(seconds=patience.reaper_grace_seconds)
        task = self._task(task_id)
        ends = [session.ended_at, *([task.ended_at] if task is not None else [])]
        return session.state.final and all(end is not None and now - end >= waited for end in ends)

    def _is_of_a_point(self, snapshot_id: str, task_id: str, look: _Round) -> bool:
        """Only points of the task's workload can name it; of a task that nobody knows, any point."""
        task = self._task(task_id)
        named = look.named() if task is None else self._named(task.workload.id)
        return snapshot_id in named or snapshot_id in look.pending

    def _named(self, workload_id: str | None = None) -> frozenset[str]:
        points, before, named = self._surface.records.points, None, set[str]()
        while page := points.page(before=before, limit=_PAGE, workload_id=workload_id):
            named.update(one for point in page for one in point.snapshots.values())
            before = page[-1].id
        return frozenset(named)

    def _close_rows(self, rows: Iterable[LedgerRow], looked_at: set[_Pair], seen: set[_Pair]) -> None:
        """Rows of what is not there (any more) end, where the place could be looked at and the session is over. A
        volume that a restored instance has is not listed: it is its owner's from then on, and its row ends, too.
        """
        ledger, now = self._surface.records.ledger, self._surface.surroundings.now()
        for row in rows:
            there = (row.kind, row.object_id) in seen
            unlisted = bool(row.object_id) and row.kind not in _LISTED_KINDS
            # Most rows are of what is there: nothing is asked about these.
            if there or unlisted or (row.account, row.region) not in looked_at:
                continue
            if not self._is_over(row.session_id, row.task_id, row.intended_at):
                continue
            if row.object_id:
                ledger.gone(row.kind, row.object_id, now)
            else:
                ledger.dropped(row.id, now)

    def places(self, rows: Iterable[LedgerRow]) -> list[tuple[Account, str]]:
        """Every account and region in which we may have made something."""
        records = self._surface.records
        regions = {self._surface.region} | {row.region for row in rows}
        for stored in records.policies.all():
            regions |= set(stored.policy.regions)
        accounts = [OWN_ACCOUNT, *self._surface.accounts()]
        return [(account, region) for account in accounts for region in sorted(regions)]

    def _session(self, session_id: str) -> Session | None:
        try:
            return self._surface.records.sessions.get(session_id)
        except NotFoundError:
            return None

    def _task(self, task_id: str) -> Task | None:
        try:
            return self._surface.records.sessions.task(task_id)
        except NotFoundError:
            return None


def _volumes(result: TaskResult) -> list[str]:
    found = result.get("volumes")
    return list(found.values()) if isinstance(found, Mapping) else []
