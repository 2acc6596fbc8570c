"""Everything that may befall a request, and how much of it a run tries.

Most campaigns hit every request with everything. Those that would take minutes take a share of that, unless
`CRASH_POINTS=all` asks for the whole.
"""

import itertools
import os
from collections.abc import Iterable, Sequence

from holdfast.repository.object_store import ObjectStore
from holdfast.testing.faulty_store import Fault, FaultyStore, Request
from holdfast.testing.misleading_store import FITTING, Lie, MisleadingStore

Mishap = Fault | Lie
Case = tuple[Request, Mishap]
WHOLE = os.environ.get("CRASH_POINTS") == "all"


def mishaps(requests: Iterable[Request]) -> list[Case]:
    """Each request with each fault, and with each lie that its answer may tell."""
    pairs = itertools.product(requests, [*Fault, *Lie])
    return [(request, one) for request, one in pairs if isinstance(one, Fault) or request.kind in FITTING[one]]


def share(cases: Sequence[Case], one_in: int) -> Sequence[Case]:
    """All of them when the whole is asked for, else one in so many, the first among them."""
    return cases if WHOLE else cases[::one_in]


def befallen(store: ObjectStore, request: Request, mishap: Mishap) -> FaultyStore | MisleadingStore:
    """The store in which that befalls the request of that number."""
    if isinstance(mishap, Fault):
        return FaultyStore(store, {request.number: mishap})
    return MisleadingStore(store, {request.number: mishap})
