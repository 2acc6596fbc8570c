"""Rule 9.1: what is locked, and how long from its own PUT on."""

from collections.abc import Callable
from datetime import datetime, timedelta

from holdfast.domain.errors import UsageError
from holdfast.repository.format import names
from holdfast.repository.object_store import ObjectStore

# Within it nothing that has been locked needs to be locked again.
GENERATION = timedelta(days=10)
# How long before a lock may end whoever opens the repository says that nobody renews them.
NOTICE = timedelta(hours=72)
# What was written so long before it is looked at need not be locked again for that alone.
A_LONG_SESSION = timedelta(days=1)

_NEVER_LOCKED = (names.SESSIONS, names.PLANS)


def is_lockable(key: str) -> bool:
    """Everything but what no point needs."""
    return not key.startswith(_NEVER_LOCKED)


def lock_end(promise: datetime | None, now: datetime) -> datetime:
    """A generation after the later of the promise and now."""
    return (now if promise is None else max(promise, now)) + GENERATION


def locking_from(now: Callable[[], datetime], promise: datetime | None = None) -> Callable[[], datetime]:
    """Of a session with that promise: until when what it writes now is locked."""
    return lambda: lock_end(promise, now())


def time_by(store: ObjectStore, clock: Callable[[], datetime]) -> datetime:
    """By what promises and locks are judged: the store's own clock where it tells the time, else the machine's."""
    return store.time() or clock()


def require_lockable(store: ObjectStore) -> None:
    """Raises UsageError where an immutable repository cannot be."""
    place = store.protection()
    if not (place.versions and place.locks):
        raise UsageError(
            f"{store.location} cannot hold an immutable repository",
            why="it has no versions and Object Lock",
            cure="name a bucket that was made with Object Lock (`aws s3api create-bucket "
            "--object-lock-enabled-for-bucket`), without a default retention",
        )
    if place.default_lock:
        raise UsageError(
            f"{store.location} cannot hold an immutable repository",
            why="its bucket has a default retention, which locks what must be free to go: scratch of sessions, plans",
            cure="remove the default retention (the bucket's Object Lock settings); Holdfast locks each object itself",
        )
