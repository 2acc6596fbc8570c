"""What the work of a session waits for stands in its log: an endpoint that does not answer is tried for minutes."""

import logging
from typing import Any

from holdfast.appliance.ports.engine import Step, Workflow
from holdfast.appliance.sessions.book import SessionBook
from holdfast.appliance.surface import Surface
from holdfast.domain.errors import HoldfastError, NotFoundError
from holdfast.domain.session import LogLevel
from holdfast.patience import told_to

_log = logging.getLogger(__name__)


def spoken_for(surface: Surface, book: SessionBook, workflow: Workflow) -> Workflow:
    """The workflow, of whose waiting its session is told. The last of its ids is its task's, or its session's."""

    async def spoken(step: Step, *ids: Any) -> None:
        def tell(text: str) -> None:
            try:
                session_id, task_id = _whose(surface, str(ids[-1]))
                book.say(session_id, text, LogLevel.WARNING, task_id)
            except HoldfastError as error:  # what waits goes on waiting, though nobody can be told
                _log.warning("%s (which the log of %s could not be told: %s)", text, ids[-1], error)

        with told_to(tell):
            await workflow(step, *ids)

    return spoken


def _whose(surface: Surface, identifier: str) -> tuple[str, str | None]:
    try:
        task = surface.records.sessions.task(identifier)
    except NotFoundError:
        return identifier, None
    return task.session_id, task.id
