"""The appliance's records in memory: the same promises as the database, but that it ends with the process."""

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from holdfast.appliance.ports.records import OpenBackup, Records
from holdfast.domain.cloud_ledger import LedgerRow
from holdfast.domain.errors import UsageError
from holdfast.domain.infrastructure import Account, RepositoryDefinition
from holdfast.domain.policy import Ec2Policy
from holdfast.domain.restore_point import RestorePoint
from holdfast.domain.tiers import timing_of
from holdfast.domain.time import is_ahead
from holdfast.domain.workload import Workload
from holdfast.protocol.appliance_answers import StoredPolicy
from holdfast.testing.memory_changes import MemoryChanges, missing
from holdfast.testing.memory_sessions import MemorySessions


class _Accounts:
    def __init__(self, changes: MemoryChanges) -> None:
        self._changes = changes
        self._rows: dict[str, Account] = {}

    def put(self, account: Account) -> None:
        self._rows[account.name] = account
        self._changes.note("account", account.name, account)

    def get(self, name: str) -> Account:
        if name not in self._rows:
            raise missing("account", name)
        return self._rows[name]

    def all(self) -> list[Account]:
        return [self._rows[name] for name in sorted(self._rows)]

    def remove(self, name: str) -> None:
        self.get(name)
        del self._rows[name]
        self._changes.note("account", name, None)


class _Repositories:
    def __init__(self, changes: MemoryChanges) -> None:
        self._changes = changes
        self._rows: dict[str, tuple[RepositoryDefinition, bytes | None]] = {}

    def put(self, repository: RepositoryDefinition, sealed_password: bytes | None) -> None:
        kept = sealed_password
        if kept is None and repository.name in self._rows:
            kept = self._rows[repository.name][1]
        self._rows[repository.name] = (repository, kept)
        self._changes.note("repository", repository.name, repository)

    def get(self, name: str) -> RepositoryDefinition:
        if name not in self._rows:
            raise missing("repository", name)
        return self._rows[name][0]

    def sealed_password(self, name: str) -> bytes | None:
        self.get(name)
        return self._rows[name][1]

    def all(self) -> list[RepositoryDefinition]:
        return [self._rows[name][0] for name in sorted(self._rows)]

    def remove(self, name: str) -> None:
        self.get(name)
        del self._rows[name]
        self._changes.note("repository", name, None)


class _Policies:
    def __init__(self, changes: MemoryChanges) -> None:
        self._changes = changes
        self._rows: dict[str, StoredPolicy] = {}
        self._due: dict[tuple[str, str], datetime] = {}

    def put(self, policy: Ec2Policy, now: datetime) -> None:
        before = self._rows.get(policy.name)
        if before is None:
            self._keep(StoredPolicy(policy, True, now, now, now))
            return
        since = before.in_force_since if timing_of(before.policy) == timing_of(policy) else now
        self._keep(replace(before, policy=policy, changed_at=now, in_force_since=since))

    def get(self, name: str) -> StoredPolicy:
        if name not in self._rows:
            raise missing("policy", name)
        return self._rows[name]

    def all(self) -> list[StoredPolicy]:
        return sorted(self._rows.values(), key=lambda stored: (stored.policy.priority, stored.created_at))

    def enable(self, name: str, enabled: bool, now: datetime) -> None:
        before = self.get(name)
        since = before.in_force_since if before.enabled == enabled else now
        self._keep(replace(before, enabled=enabled, changed_at=now, in_force_since=since))

    def remove(self, name: str) -> None:
        self.get(name)
        del self._rows[name]
        self._changes.note("policy", name, None)

    def fell_due(self, name: str, target: str) -> datetime | None:
        return self._due.get((name, target))

    def remember_due(self, name: str, target: str, moment: datetime, now: datetime) -> bool:
        before = self._due.get((name, target))
        if before is not None and before >= moment and not is_ahead(before, now):
            return False
        self._due[name, target] = moment
        return True

    def _keep(self, stored: StoredPolicy) -> None:
        self._rows[stored.policy.name] = stored
        self._changes.note("policy", stored.policy.name, stored)


class _Points:
    def __init__(self, changes: MemoryChanges) -> None:
        self._changes = changes
        self._rows: dict[str, tuple[RestorePoint, bytes]] = {}

    def add(self, point: RestorePoint, sealed_configuration: bytes) -> None:
        if point.id not in self._rows:
            self._rows[point.id] = (point, sealed_configuration)
            self._changes.note("point", point.id, point)

    def put(self, point: RestorePoint) -> None:
        self._rows[point.id] = (point, self._rows[self.get(point.id).id][1])
        self._changes.note("point", point.id, point)

    def get(self, point_id: str) -> RestorePoint:
        found = [key for key in self._rows if key.startswith(point_id)]
        if not found or not point_id:
            raise missing("restore point", point_id)
        if len(found) > 1:
            raise UsageError(f"{point_id} begins several ids", why=", ".join(sorted(found)), cure="write more of it")
        return self._rows[found[0]][0]

    def sealed_configuration(self, point_id: str) -> bytes:
        return self._rows[self.get(point_id).id][1]

    def of_workload(self, workload: Workload) -> list[RestorePoint]:
        wanted = (workload.account, workload.region, workload.id)
        return [
            point
            for point in self._oldest_first()
            if (point.workload.account, point.workload.region, point.workload.id) == wanted
        ]

    def page(self, *, before: str | None, limit: int, workload_id: str | None = None) -> list[RestorePoint]:
        chosen = [point for point in self._oldest_first() if workload_id in (None, point.workload.id)][::-1]
        if before is not None:
            chosen = chosen[[point.id for point in chosen].index(before) + 1 :]
        return chosen[:limit]

    def of_policy(self, policy: str) -> list[RestorePoint]:
        return [point for point in self._oldest_first() if point.policy == policy]

    def policies_with_expired(self, now: datetime) -> list[str]:
        expired = (point for point in self._oldest_first() if point.keep_until is not None and point.keep_until <= now)
        return sorted({point.policy for point in expired if point.policy})

    def count_naming(self, *, account: str | None = None, repository: str | None = None) -> int:
        return sum(
            account in (None, point.workload.account, point.lies_in.account) and repository in (None, point.repository)
            for point, _ in self._rows.values()
        )

    def remove(self, point_id: str) -> None:
        if self._rows.pop(point_id, None) is not None:
            self._changes.note("point", point_id, None)

    def forget_in(self, repository: str, limit: int) -> int:
        ids = [key for key, (point, _) in self._rows.items() if point.repository == repository][:limit]
        for point_id in ids:
            self.remove(point_id)
        return len(ids)

    def _oldest_first(self) -> list[RestorePoint]:
        return sorted((point for point, _ in self._rows.values()), key=lambda point: (point.created_at, point.id))


class _OpenBackups:
    def __init__(self) -> None:
        self._rows: dict[str, OpenBackup] = {}

    def put(self, backup: OpenBackup) -> None:
        self._rows[backup.work] = backup

    def all(self) -> list[OpenBackup]:
        return [self._rows[work] for work in sorted(self._rows)]

    def remove(self, work: str) -> None:
        self._rows.pop(work, None)


class MemoryLedger:
    """The write-ahead ledger; `runs` says of a session's id whether it has not ended."""

    def __init__(self, runs: Callable[[str], bool]) -> None:
        self._runs = runs
        self.rows: dict[str, LedgerRow] = {}

    def intend(self, row: LedgerRow) -> LedgerRow:
        known = next((one for one in self.rows.values() if one.token == row.token and one.kind == row.kind), None)
        if known is None:
            known = self.rows[row.id] = row
        return known

    def created(self, row_id: str, object_id: str, now: datetime) -> None:
        if row_id not in self.rows:
            raise missing("ledger row", row_id)
        self.rows[row_id] = replace(self.rows[row_id], object_id=object_id, created_at=now)

    def gone(self, kind: str, object_id: str, now: datetime) -> None:
        for row in list(self.rows.values()):
            if (row.kind, row.object_id) == (kind, object_id) and row.gone_at is None:
                self.rows[row.id] = replace(row, gone_at=now)

    def dropped(self, row_id: str, now: datetime) -> None:
        self.rows[row_id] = replace(self.rows[row_id], gone_at=now)

    def forget(self, gone_before: datetime, limit: int) -> int:
        old = [row for row in self.rows.values() if row.gone_at is not None and row.gone_at < gone_before]
        ids = [row.id for row in old if not self._runs(row.session_id)][:limit]
        for row_id in ids:
            del self.rows[row_id]
        return len(ids)

    def open_rows(self, *, session_id: str | None = None) -> list[LedgerRow]:
        rows = [row for row in self.rows.values() if row.gone_at is None]
        return [row for row in rows if session_id in (None, row.session_id)]


class _Settings:
    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._sealed: dict[str, bytes] = {}

    def get(self, name: str) -> Any:
        return copy.deepcopy(self._values.get(name))

    def put(self, name: str, value: Any) -> None:
        self._values[name] = copy.deepcopy(value)

    def sealed(self, name: str) -> bytes | None:
        return self._sealed.get(name)

    def put_sealed(self, name: str, value: bytes | None) -> None:
        if value is None:
            self._sealed.pop(name, None)
        else:
            self._sealed[name] = value


def memory_records() -> Records:
    """A set of records that is empty."""
    changes = MemoryChanges()
    sessions = MemorySessions(changes)
    return Records(
        accounts=_Accounts(changes),
        repositories=_Repositories(changes),
        policies=_Policies(changes),
        sessions=sessions,
        points=_Points(changes),
        open_backups=_OpenBackups(),
        ledger=MemoryLedger(lambda session_id: session_id in {one.id for one in sessions.unfinished()}),
        changes=changes,
        settings=_Settings(),
    )
