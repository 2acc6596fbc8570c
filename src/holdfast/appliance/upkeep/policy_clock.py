"""What policies do by themselves falls due, in this order: what follows runs, then the runs.

Of a policy whose runs come one upon the other, nothing runs at this one moment alone. What follows runs goes first, and
is not too early all the same: it waits for what had fallen due when it did (`after_runs.py`).
"""

from contextlib import ExitStack

from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface
from holdfast.appliance.upkeep import archive_clock, health_checks, scheduler


class PolicyClock:
    """Asked every few seconds. The starts are of a run, a health check, and an archive."""

    def __init__(
        self,
        surface: Surface,
        book: SessionBook,
        start_run: scheduler.Start,
        start_check: health_checks.Start,
        start_archive: archive_clock.Start,
    ) -> None:
        self._scheduler = scheduler.Scheduler(surface, book, start_run)
        self._checks = health_checks.HealthChecks(surface, book, start_check, self._scheduler.owes)
        self._archives = archive_clock.ArchiveClock(surface, book, start_archive, self._scheduler.owes)

    def tick(self) -> list[str]:
        """Start what is due now; the ids of the sessions. One that fails keeps no other from its turn."""
        started = list[str]()
        with ExitStack() as turns:
            # The last one first, whatever came of it.
            turns.callback(lambda: started.extend(self._scheduler.tick()))
            turns.callback(lambda: started.extend(self._checks.tick()))
            turns.callback(lambda: started.extend(self._archives.tick()))
        return started
