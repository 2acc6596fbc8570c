"""What a server forgets in time: its own sessions, closed rows of its ledger, tokens that open nothing any more.

What appliances have is mirrored: it goes here when it went there.
"""

import logging
import threading
from functools import partial

from holdfast.domain.errors import HoldfastError
from holdfast.domain.history import (
    LEDGER_ROWS_KEPT,
    ROWS_AT_ONCE,
    SESSIONS_AT_ONCE,
    TOKENS_KEPT,
    SessionHistory,
    in_portions,
)
from holdfast.server.ports.records import Records
from holdfast.server.ports.surroundings import Surroundings

PRUNED_EVERY_SECONDS = 3600.0

_log = logging.getLogger(__name__)


class Pruning:
    """`run` is done in a thread, `prune` is one turn of it."""

    def __init__(self, records: Records, surroundings: Surroundings, history: SessionHistory) -> None:
        self._records = records
        self._surroundings = surroundings
        self._history = history

    def start(self) -> None:
        """Do it in a thread until the server ends."""
        threading.Thread(target=self.run, name="pruning", daemon=True).start()

    def run(self) -> None:
        """Now and every hour; what fails is tried again then."""
        while True:
            try:
                self.prune()
            except HoldfastError as error:
                _log.warning("pruning: %s: %s", error.what, error.why)
            if self._surroundings.wait(PRUNED_EVERY_SECONDS):
                return

    def prune(self) -> None:
        """Forget what is old enough, in portions."""
        now = self._surroundings.now()
        in_portions(partial(self._records.tokens.forget, now - TOKENS_KEPT), ROWS_AT_ONCE)
        in_portions(partial(self._records.ledger.forget, now - LEDGER_ROWS_KEPT), ROWS_AT_ONCE)
        if self._history.age is not None:
            # What one of these has left is cleaned by what it was opened with.
            needed = {row.session_id for row in self._records.ledger.open_rows()}
            in_portions(partial(self._records.sessions.forget, now - self._history.age, needed), SESSIONS_AT_ONCE)
