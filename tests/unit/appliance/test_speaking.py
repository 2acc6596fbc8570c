"""A session's log that cannot be written keeps nothing from going on."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

from holdfast.appliance.sessions.speaking import spoken_for
from holdfast.domain.errors import NotFoundError, UnavailableError
from holdfast.patience import Patience, RetryPolicy, Waiting

NO_ANSWER = UnavailableError("the store does not answer", why="a fault", cure="wait")


class Shut:
    """Records whose database does not answer."""

    def task(self, identifier):
        raise NotFoundError("no such task", why="none", cure="none")

    def say(self, *words):
        raise UnavailableError("the database does not answer", why="a fault", cure="wait")


def test_a_note_that_cannot_be_written_ends_nothing(caplog):
    passed = [0.0]
    waiting = Waiting(
        monotonic=lambda: passed[0],
        sleep=lambda seconds: passed.__setitem__(0, passed[0] + seconds),
        uniform=lambda: 1.0,
    )
    tried = []

    async def workflow(step, *ids):
        patience = Patience(RetryPolicy(), waiting)
        for _attempt in range(3):
            tried.append(passed[0])
            passed[0] += 30
            patience.wait_or_raise(NO_ANSWER)

    surface: Any = SimpleNamespace(records=SimpleNamespace(sessions=Shut()))
    book: Any = Shut()
    with caplog.at_level(logging.WARNING):
        asyncio.run(spoken_for(surface, book, workflow)(None, "session"))
    assert len(tried) == 3
    [line] = [record.getMessage() for record in caplog.records]
    assert "the store does not answer" in line
    assert "the database does not answer" in line
