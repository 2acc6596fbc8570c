"""Sessions that look after what a policy's runs have made: once for each moment that falls due, and after the runs.

A policy that runs is waited for, and so is what of it had fallen due when this was noticed: what these runs make is
what is looked after. What falls due later comes later, so that a policy that runs without a pause is looked after
between two runs. A session that still goes on is not begun a second time: what fell due meanwhile is left out, and
told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from holdfast.appliance.desk.desk import LEAVING
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface, derived_id
from holdfast.appliance.upkeep.scheduler import TRIGGER
from holdfast.domain.policy import Ec2Policy
from holdfast.domain.session import LogLevel, Session, SessionKind
from holdfast.domain.time import format_time
from holdfast.protocol.appliance_answers import StoredPolicy

# What has fallen due of a policy: by the names under which it is remembered, the moments.
Due = Callable[[StoredPolicy], Mapping[str, datetime]]
# Whether a run of the policy has fallen due by then and was not started yet.
Owes = Callable[[StoredPolicy, datetime], bool]


@dataclass(frozen=True, slots=True)
class AfterRuns:
    """Starts sessions of one kind. `name` is what their ids follow from, `what` how a person calls one; `start` opens
    and starts a session of that id, and gives None where there is nothing to do; `owes` is the scheduler's. `noticed`
    is since when each policy waits: forgotten with the process, it waits for a little more.
    """

    surface: Surface
    book: SessionBook
    kind: SessionKind
    name: str
    what: str
    start: Callable[[str, Ec2Policy, str], Session | None]
    owes: Owes
    noticed: dict[str, datetime] = field(default_factory=dict)

    def tick(self, due_of: Due) -> list[str]:
        """Start what is due now; the ids of the sessions."""
        started, now = list[str](), self.surface.surroundings.now()
        if self.surface.records.settings.get(LEAVING):
            return started
        for stored in self.surface.records.policies.all():
            due = due_of(stored)
            if not due:
                self.noticed.pop(stored.policy.name, None)
                continue
            since = self.noticed[stored.policy.name] = min(self.noticed.get(stored.policy.name, now), now)
            if not self.owes(stored, since):
                started += self._take(stored.policy, due)
        return started

    def _take(self, policy: Ec2Policy, due: Mapping[str, datetime]) -> list[str]:
        moment, started = format_time(max(due.values())), list[str]()
        session_id = derived_id(self.name, policy.name, moment)
        running = [one for one in self.surface.records.sessions.unfinished() if one.subject == policy.name]
        if any(one.kind == SessionKind.POLICY for one in running):
            return started
        before = [one for one in running if one.kind == self.kind and one.id != session_id]
        if before:
            what = f"{self.what} that fell due at {moment} was left out: this one still runs"
            self.book.say(before[0].id, what, LogLevel.WARNING)
        elif (session := self.start(session_id, policy, TRIGGER)) is not None:
            started.append(session.id)
        now = self.surface.surroundings.now()
        for key, fell_due in due.items():
            self.surface.records.policies.remember_due(policy.name, key, fell_due, now)
        return started
