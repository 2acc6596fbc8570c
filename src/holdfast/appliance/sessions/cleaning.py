"""Undoing what a task had begun, after an error of ours. Never in `finally`: a stale execution must not end live work.

What cannot be undone now is said and left to the reaper, which finds it by the ledger and by its tags.
"""

from collections.abc import Callable
from typing import Any

from holdfast.appliance.ports.engine import Step
from holdfast.appliance.sessions.book import SessionBook
from holdfast.domain.errors import HoldfastError
from holdfast.domain.session import LogLevel


async def undone(
    step: Step,
    book: SessionBook,
    session_id: str,
    effect: Callable[..., Any],
    *arguments: Any,
    later: str = "it will be removed later",
) -> None:
    """Run the step that undoes something; its own failure becomes a line of the log, with what happens `later`."""
    try:
        await step(effect, *arguments)
    except HoldfastError as error:
        await step(_say, book, session_id, f"{error.what}: {error.why}; {later}")


def _say(book: SessionBook, session_id: str, message: str) -> None:
    book.say(session_id, message, LogLevel.WARNING)
