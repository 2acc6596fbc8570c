"""Waiting for the cloud, without holding a thread and with an ear for who cancels."""

from collections.abc import Callable

from holdfast.appliance.ports.cloud import Compute
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface


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
    """Until all snapshots are completed; `told` is told the percentage. Raises CancelledError, SourceGoneError,
    UnavailableError.
    """
    while True:
        book.check_cancelled(session_id)
        percent: int = await surface.surroundings.aside(compute.snapshots_percent, snapshot_ids)
        told(percent)
        if percent == 100:
            return
        await pause(surface, book, session_id, surface.patience.snapshot_poll_seconds)
