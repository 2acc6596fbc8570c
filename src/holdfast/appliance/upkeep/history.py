"""How long an appliance keeps history, and the forgetting of what is older. Restore points live by their own rules.

The newest session of each policy stays however old it is: it says how the policy stands. So does a restore of which
something is still to be put back or removed: the reaper goes by what its session says.
"""

from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from holdfast.appliance.desk.desk import Desk
from holdfast.appliance.ports.records import Records
from holdfast.appliance.restores.old_volumes import STANDING
from holdfast.appliance.surface import Surface
from holdfast.domain.errors import NotFoundError
from holdfast.domain.history import (
    LEDGER_ROWS_KEPT,
    REMOVALS_TOLD,
    ROWS_AT_ONCE,
    SESSIONS_AT_ONCE,
    SessionHistory,
    in_portions,
)
from holdfast.domain.ownership import RESTORED
from holdfast.domain.session import SessionKind, State
from holdfast.domain.time import format_time, parse_time
from holdfast.protocol.encoding import from_document, to_document

_SETTING = "session-history"
# The numbers that changes had reached at some moments, a day apart, oldest first: [[time, number], …].
_MARKS, _MARKED_EVERY = "change-marks", timedelta(days=1)
# Longer than a schedule reaches back: an id that could come again is still known.
_WORKFLOWS_KEPT = timedelta(days=7)


class History(Desk):
    """The setting."""

    def get_history(self) -> SessionHistory:
        """As it was set, or as it is where nobody set it."""
        return _history_of(self._records)

    def put_history(self, history: SessionHistory) -> SessionHistory:
        """From now on; what is older goes within the hour."""
        self._records.settings.put(_SETTING, to_document(history))
        return history


class Pruning:
    """Asked every hour."""

    def __init__(self, surface: Surface) -> None:
        self._surface = surface

    def prune(self) -> int:
        """Forget what is old enough, in portions; how many sessions went."""
        records, now = self._surface.records, self._surface.surroundings.now()
        self._surface.engine().prune(now - _WORKFLOWS_KEPT)
        in_portions(partial(records.ledger.forget, now - LEDGER_ROWS_KEPT), ROWS_AT_ONCE)
        self._forget_removals(now)
        age = _history_of(records).age
        if age is None:
            return 0
        spared = {*self._newest_runs(), *self._open_restores()}
        return in_portions(partial(records.sessions.forget, now - age, spared), SESSIONS_AT_ONCE)

    def _forget_removals(self, now: datetime) -> None:
        """Once a day: those up to the last number that was reached long enough ago."""
        records = self._surface.records
        marks = [(parse_time(time), int(number)) for time, number in records.settings.get(_MARKS) or []]
        if marks and now - marks[-1][0] < _MARKED_EVERY:
            return
        old = [mark for mark in marks if now - mark[0] >= REMOVALS_TOLD]
        if old:
            records.changes.forget_removals(old[-1][1])
        kept = [*marks[len(old) :], (now, records.changes.newest())]
        records.settings.put(_MARKS, [[format_time(time), number] for time, number in kept])

    def _newest_runs(self) -> list[str]:
        """Of each policy, and the newest collection of each repository: the next one follows from it."""
        records = self._surface.records
        looked_for = [(SessionKind.POLICY, stored.policy.name) for stored in records.policies.all()]
        looked_for += [(SessionKind.COLLECT_GARBAGE, repository.name) for repository in records.repositories.all()]
        return [
            session.id
            for kind, subject in looked_for
            for session in records.sessions.page(before=None, limit=1, kind=kind, subject=subject)
        ]

    def _open_restores(self) -> set[str]:
        """Those that have an instance to put back, keep old volumes, or failed and have not removed what they made."""
        records, ids = self._surface.records, set[str]()
        for row in records.ledger.open_rows():
            if row.kind == STANDING:
                ids.add(row.session_id)
            elif row.purpose == RESTORED:
                with suppress(NotFoundError):
                    if records.sessions.task(row.task_id).state in (State.FAILED, State.CANCELLED):
                        ids.add(row.session_id)
        return ids


def _history_of(records: Records) -> SessionHistory:
    document = records.settings.get(_SETTING)
    return SessionHistory() if document is None else from_document(SessionHistory, document, "the session history")
