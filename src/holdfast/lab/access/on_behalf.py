"""What a service does on behalf of whoever called it: it asks IAM as the caller, while the request is served."""

from collections.abc import Callable
from contextvars import ContextVar

from holdfast.lab.access.evaluator import Demand

# Set by the gate for requests that lead to others; None where nobody has to be asked.
ASKING: ContextVar[Callable[[Demand], None] | None] = ContextVar("ASKING", default=None)


class NotAllowedError(ValueError):
    """The caller may not do what the service would do for it; in the words of AWS."""


def ask(demand: Demand) -> None:
    """Raises NotAllowedError where the caller of the request that is being served may not have that."""
    asking = ASKING.get()
    if asking is not None:
        asking(demand)
