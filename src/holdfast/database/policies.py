"""Policies, and for which moments their schedules started them."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, or_, select, update

from holdfast.database import tables
from holdfast.database.connection import Database
from holdfast.database.statements import add_row, count_change, missing, put_row
from holdfast.domain.policy import Ec2Policy
from holdfast.domain.tiers import timing_of
from holdfast.domain.time import AHEAD
from holdfast.protocol.appliance_answers import StoredPolicy
from holdfast.protocol.encoding import from_json, to_json

_POLICIES = tables.policies
_DUE = tables.due_moments


class PoliciesTable:
    """`Policies` in SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, policy: Ec2Policy, now: datetime) -> None:
        """Add (enabled) or replace (as it was)."""
        row = {
            "name": policy.name,
            "priority": policy.priority,
            "enabled": True,
            "created_at": now,
            "changed_at": now,
            "document": to_json(policy).decode(),
            "in_force_since": now,
        }
        with self._database.writing() as connection:
            before = connection.execute(select(_POLICIES).where(_POLICIES.c.name == policy.name)).first()
            if before is not None and timing_of(stored_policy(before).policy) == timing_of(policy):
                row["in_force_since"] = before.in_force_since
            put_row(connection, _POLICIES, row, keep=frozenset({"enabled", "created_at"}))
            count_change(connection, "policy", policy.name)

    def get(self, name: str) -> StoredPolicy:
        """Raises NotFoundError."""
        with self._database.reading() as connection:
            row = connection.execute(select(_POLICIES).where(_POLICIES.c.name == name)).first()
        if row is None:
            raise missing("policy", name)
        return stored_policy(row)

    def all(self) -> list[StoredPolicy]:
        """By priority, then age."""
        order = (_POLICIES.c.priority, _POLICIES.c.created_at, _POLICIES.c.name)
        with self._database.reading() as connection:
            return [stored_policy(row) for row in connection.execute(select(_POLICIES).order_by(*order))]

    def enable(self, name: str, enabled: bool, now: datetime) -> None:
        """Raises NotFoundError."""
        one = _POLICIES.c.name == name
        with self._database.writing() as connection:
            if connection.execute(update(_POLICIES).where(one).values(changed_at=now)).rowcount == 0:
                raise missing("policy", name)
            switched = update(_POLICIES).where(one, _POLICIES.c.enabled != enabled)
            connection.execute(switched.values(enabled=enabled, in_force_since=now))
            count_change(connection, "policy", name)

    def remove(self, name: str) -> None:
        """Raises NotFoundError."""
        with self._database.writing() as connection:
            if connection.execute(delete(_POLICIES).where(_POLICIES.c.name == name)).rowcount == 0:
                raise missing("policy", name)
            connection.execute(delete(_DUE).where(_DUE.c.policy == name))
            count_change(connection, "policy", name)

    def fell_due(self, name: str, target: str) -> datetime | None:
        """The moment for which the target (`snapshot`, `backup`) was last started by its schedule."""
        asked = select(_DUE.c.moment).where(_DUE.c.policy == name, _DUE.c.target == target)
        with self._database.reading() as connection:
            moment: datetime | None = connection.execute(asked).scalar()
        return moment

    def remember_due(self, name: str, target: str, moment: datetime, now: datetime) -> bool:
        """Say that it was started for that moment; False when somebody said so before for it or a later one, and it was
        no clock that ran ahead, seen from `now`.
        """
        outdated = or_(_DUE.c.moment < moment, _DUE.c.moment > now + AHEAD)
        later = update(_DUE).where(_DUE.c.policy == name, _DUE.c.target == target, outdated)
        with self._database.writing() as connection:
            if connection.execute(later.values(moment=moment)).rowcount == 1:
                return True
            return add_row(connection, _DUE, {"policy": name, "target": target, "moment": moment})


def stored_policy(row: Row[Any]) -> StoredPolicy:
    """A row of the table."""
    policy = from_json(Ec2Policy, row.document, "policy")
    return StoredPolicy(policy, row.enabled, row.created_at, row.changed_at, row.in_force_since)
