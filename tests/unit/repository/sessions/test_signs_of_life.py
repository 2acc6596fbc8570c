"""When a session that moves data says that it lives."""

from datetime import UTC, datetime, timedelta

from holdfast.repository.progress import Silence
from holdfast.repository.sessions.signs_of_life import LivingProgress

HOUR = timedelta(hours=1)
BEGAN = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def test_once_an_hour_by_the_clock_as_it_is():
    """One that was set back by days goes on from there: silent until then, its session would be ended meanwhile."""
    given, clock = [], [BEGAN]
    progress = LivingProgress(Silence(), b"s" * 16, lambda sign: given.append(sign.hour), lambda: clock[0])

    def moved(by):
        clock[0] += by
        progress.advance(1)
        progress.advance(1)
        return len(given)

    assert moved(timedelta(minutes=20)) == 0
    assert moved(HOUR) == 1
    assert moved(-HOUR) == 1, "a thread that asked in the hour before says nothing again"
    assert moved(HOUR) == 1
    assert moved(-100 * HOUR) == 2
    assert moved(HOUR) == 3
    assert given[2] == given[1] + 1 == given[0] - 99
