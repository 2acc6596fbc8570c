"""The port to durable execution. `engine/` implements it on DBOS; tests hand in a plain call.

A workflow is an async function `(step, *ids)`. It has no effect of its own: each effect is a step, run at least once,
its small JSON answer remembered, so that after a crash the workflow goes on behind the last step that answered.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

# What a step does: a plain function, run in a thread, or a coroutine function that waits without holding one.
Step = Callable[..., Awaitable[Any]]
Workflow = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Lane:
    """Where a workflow waits for its turn. `queue` has a limit of its own; within it at most as many run for one
    `partition` (a repository, an account and region) as that partition allows.
    """

    queue: str
    partition: str


class Engine(Protocol):
    """Runs workflows to their end, whatever is killed meanwhile."""

    def start(self, workflow: str, workflow_id: str, arguments: tuple[str, ...], lane: Lane | None = None) -> None:
        """Start it, or put it into its lane; one with that id that is there already is left alone."""

    def running(self, workflow_id: str) -> bool:
        """Whether it is queued or running."""

    def drop_queued(self, workflow_id: str) -> bool:
        """Take it out of its lane before it has begun; False when it has begun."""
