"""The port to durable execution. `engine/` implements it on DBOS; tests hand in a plain call.

A workflow is an async function `(step, *ids)`. It has no effect of its own: each effect is a step, run at least once,
its small JSON answer remembered, so that after a crash the workflow goes on behind the last step that answered.
"""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from holdfast.protocol.appliance_answers import LaneState

# `await step(effect, *arguments)`: the effect is a plain function, run in a thread, or a coroutine function that waits
# without holding one. Its answer is JSON; an error of domain/errors.py is remembered and raised again like an answer.
Step = Callable[..., Awaitable[Any]]
Workflow = Callable[..., Coroutine[Any, Any, Any]]


@dataclass(frozen=True, slots=True)
class Lane:
    """Where a workflow waits for its turn: at most as many run in a `queue`, and in one `partition` of it, as `limit`
    said. A queue without a limit for partitions has the one partition "".
    """

    queue: str
    partition: str = ""


class Engine(Protocol):
    """Runs workflows to their end, whatever is killed meanwhile."""

    def start(self, workflow: str, workflow_id: str, arguments: tuple[str, ...], lane: Lane | None = None) -> None:
        """Start it, or put it into its lane; one with that id that is there already is left alone."""

    def running(self, workflow_id: str) -> bool:
        """Whether it is queued or running."""

    def drop_queued(self, workflow_id: str) -> bool:
        """Take it out of its lane before it has begun; False when it has begun."""

    def limit(self, queue: str, limit: int, partition_limit: int | None = None) -> None:
        """From now on at most `limit` run in that queue, and at most `partition_limit` in each partition of it. A lane
        that is used before its queue has a limit is an error of the program.
        """

    def lane_states(self) -> list[LaneState]:
        """Each limit, and what runs and waits under it; the total of a queue has the partition ""."""

    def prune(self, ended_before: datetime) -> int:
        """Forget workflows that ended before that moment; how many. One of such an id could be started anew."""
