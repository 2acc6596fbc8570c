"""Long work says once an hour that it is alive, so that no collection takes it for dead (rules 4 and 7)."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

from holdfast.domain.errors import HoldfastError, ObjectExistsError
from holdfast.domain.time import parse_time
from holdfast.repository.format import alive as alive_form
from holdfast.repository.format import names
from holdfast.repository.format.alive import Alive
from holdfast.repository.format.envelope import Kind
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Progress

HOUR_SECONDS = 3600
A_DAY = timedelta(days=1)


def hour_of(moment: datetime) -> int:
    """Hours since 1970 in UTC."""
    return int(moment.timestamp()) // HOUR_SECONDS


def last_sign(store: ObjectStore, session: bytes, since: str, now: datetime) -> datetime:
    """When a session or reader that was opened at `since` was last heard of: by the clock of the store, where it has
    one, and by its own. Clocks may be wrong: that costs a backup, never data.

    One that is dated ahead goes by signs that are not, where there are any: or it would live for years after its death.
    """
    opened = parse_time(since)
    if is_ahead(opened, now):
        return max(_signs_until(store, session, now), default=opened)
    return max([opened, *(moment for _taken, moment in _signs(store, session, now))])


def begin_its_day(repository: Repository, session: bytes, since: str) -> None:
    """Where there is nothing to go by but a beginning that is dated ahead, leave a sign of life in its stead, now."""
    now = repository.surroundings.now()
    if is_ahead(parse_time(since), now) and not any(_signs_until(repository.store, session, now)):
        with suppress(ObjectExistsError):  # somebody else who has met it did
            _leave(repository, Alive(session, hour_of(now)))


def _signs_until(store: ObjectStore, session: bytes, now: datetime) -> Iterator[datetime]:
    """But for those that the store has taken when its clock ran ahead, too."""
    return (moment for taken, moment in _signs(store, session, now) if not is_ahead(taken, now))


def _signs(store: ObjectStore, session: bytes, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """When the store took each sign, and when it is of. Whoever may write in the session's scratch can leave a sign of
    any hour: one that lies in the future, seen from when the store took it, or from `now` where the store has no clock,
    is none: or the session would live for ever.
    """
    prefix = names.scratch(session)
    for info in store.list(prefix):
        taken = now if info.modified is None else info.modified
        if info.modified is not None:
            yield taken, taken
        if names.is_object(info.key) and info.key.startswith(prefix + names.ALIVE):
            hour = int(info.key.removeprefix(prefix + names.ALIVE))
            if hour <= hour_of(taken):
                yield taken, datetime.fromtimestamp(hour * HOUR_SECONDS, UTC)


def is_ahead(moment: datetime, now: datetime) -> bool:
    """Whether a clock ran ahead then by more than a day, or is behind now."""
    return moment > now + A_DAY


class LivingProgress:
    """Progress as the listener is told it; where an hour has gone by since the last one, a sign of life goes with it.

    `give` leaves the sign in the session's scratch. One that cannot be left is noted; the next hour has another.
    """

    def __init__(
        self, listener: Progress, session: bytes, give: Callable[[Alive], None], now: Callable[[], datetime]
    ) -> None:
        self._listener = listener
        self._session = session
        self._give = give
        self._now = now
        self._hour = hour_of(now())
        self._lock = threading.Lock()

    def total(self, size_bytes: int | None) -> None:
        """Passed on."""
        self._listener.total(size_bytes)

    def advance(self, size_bytes: int) -> None:
        """Passed on, with a sign of life where one is due."""
        self._listener.advance(size_bytes)
        self._sign_if_due()

    def skip(self, size_bytes: int) -> None:
        """The same."""
        self._listener.skip(size_bytes)
        self._sign_if_due()

    def note(self, text: str) -> None:
        """Passed on."""
        self._listener.note(text)

    def _sign_if_due(self) -> None:
        hour = hour_of(self._now())
        with self._lock:
            # Another thread may have asked in the hour before; a clock that was set back goes on from where it is now.
            due = not self._hour - 1 <= hour <= self._hour
            if due:
                self._hour = hour
        if due:
            self._say_so(hour)

    def _say_so(self, hour: int) -> None:
        try:
            self._give(Alive(self._session, hour))
        except ObjectExistsError:
            pass  # another attempt of this session gave it
        except HoldfastError as error:
            self._listener.note(f"no sign of life could be left: {error}")


def living(repository: Repository, session: bytes, progress: Progress) -> LivingProgress:
    """Progress that leaves a session's or reader's signs of life, for who holds the master key."""

    return LivingProgress(progress, session, partial(_leave, repository), repository.surroundings.now)


def _leave(repository: Repository, alive: Alive) -> None:
    repository.sealed.write(Kind.ALIVE, names.alive(alive.session, alive.hour), alive_form.encode(alive))
