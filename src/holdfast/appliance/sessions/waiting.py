"""Waiting for the cloud, without holding a thread and with an ear for who cancels."""

from collections.abc import Callable

from holdfast.appliance.ports.cloud import Compute
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface
from holdfast.domain.errors import SourceGoneError

# What was just made may not be known everywhere in EC2 ("Eventual consistency" in the EC2 developer guide).
SHOWN_AFTER_SECONDS = 180.0


async def pause(surface: Surface, book: SessionBook, session_id: str, seconds: float) -> float:
    """Let so many seconds pass, a second at a time, or a sixtieth of them. Raises CancelledError when the session is
    cancelled meanwhile.
    """
    nap_seconds = max(min(1.0, seconds), seconds / 60)
    for _ in range(max(int(seconds / nap_seconds), 1)):
        book.check_cancelled(session_id)
        await surface.surroundings.sleep(nap_seconds)
    return seconds


async def until_completed(
    surface: Surface,
    book: SessionBook,
    session_id: str,
    compute: Compute,
    snapshot_ids: tuple[str, ...],
    told: Callable[[int], None],
) -> None:
    """Until all snapshots are completed; `told` is told the percentage. Raises CancelledError, SourceGoneError where
    one is gone, or is not shown even after a while, UnavailableError.
    """
    waited_seconds = 0.0
    while True:
        book.check_cancelled(session_id)
        percent = 0
        try:
            percent = await surface.surroundings.aside(compute.snapshots_percent, snapshot_ids)
        except SourceGoneError:
            if waited_seconds >= SHOWN_AFTER_SECONDS:
                raise
        told(percent)
        if percent == 100:
            return
        waited_seconds += await pause(surface, book, session_id, surface.patience.snapshot_poll_seconds)
