"""Whatever happens in an immutable repository in whatever order: an attacker takes no restore point away (rule 9.3)."""

import os
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from holdfast.repository.sessions.points import list_points
from holdfast.repository.upkeep.renewal.notice import is_overdue
from tests.faults.immutable_site import Site

RUNS = int(os.environ.get("LOCKS_RUNS", "25"))
STEPS = int(os.environ.get("LOCKS_STEPS", "15"))
# Within it a renewal has run: whoever opens the repository hears it from the seventh day on.
LONGEST_DAYS = 9.5


class LocksMachine(RuleBasedStateMachine):
    """The model: what each live point gives back, what it was promised, and when locks were last renewed."""

    @initialize()
    def make(self):
        self.site = Site()
        self.contents = {}
        self.promises = {}
        self.since_days = 0.0

    @rule(seeds=st.lists(st.integers(1, 3), min_size=1, max_size=2), keep=st.sampled_from([None, 2, 30, 400]))
    def back_up(self, seeds, keep):
        content = b"".join(bytes([seed]) * 600 for seed in seeds)
        session = self.site.back_up(content, None if keep is None else timedelta(days=keep))
        self.contents[session] = content
        self.promises[session] = None if keep is None else self.site.clock() + timedelta(days=keep)

    @precondition(lambda self: self.contents)
    @rule(data=st.data())
    def retire(self, data):
        now = self.site.clock()
        free = [session for session, promise in self.promises.items() if promise is None or promise < now]
        if free:
            session = data.draw(st.sampled_from(sorted(free)))
            self.site.retire(session)
            del self.contents[session], self.promises[session]

    @rule()
    def collect(self):
        self.site.collect()

    @rule()
    def renew(self):
        self.site.renew()
        self.since_days = 0.0
        self.everything_lasts_to_its_promise()

    @rule(days=st.sampled_from([0.5, 3, 6, 9]))
    def days_go_by(self, days):
        if self.since_days + days > LONGEST_DAYS:
            self.renew()
        self.site.later(days)
        self.since_days += days
        assert is_overdue(self.site.open()) == (bool(self.contents) and self.since_days >= 7)

    def everything_lasts_to_its_promise(self):
        """Nobody renews any more, and an attack comes in the last second of each promise."""
        for session, promise in self.promises.items():
            if promise is not None and promise > self.site.clock():
                other = self.site.copied()
                other.clock.step((promise - other.clock()).total_seconds() - 2)
                other.attack()
                assert other.restores({session: self.contents[session]})

    @invariant()
    def an_attacker_takes_nothing(self):
        other = self.site.copied()
        other.attack()
        assert {point.session for point in list_points(other.open())} == set(self.contents)
        assert other.restores(self.contents)


def test_no_point_is_taken_away():
    run_state_machine_as_test(
        LocksMachine,
        settings=settings(
            max_examples=RUNS,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
        ),
    )
