"""Work that waits for the store, a few items at a time, in the order of the items."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from holdfast.repository.object_store import ObjectStore
from holdfast.repository.surroundings import Surroundings

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def few_at_once(
    surroundings: Surroundings, work: Callable[[Item], Outcome], items: Iterable[Item]
) -> Iterator[tuple[Item, Outcome]]:
    """Each item with what `work` made of it; at most `transfer_width` are under way. Raises what `work` does."""
    under_way: deque[tuple[Item, Future[Outcome]]] = deque()
    try:
        for item in items:
            if len(under_way) >= surroundings.transfer_width:
                oldest, future = under_way.popleft()
                yield oldest, future.result()
            under_way.append((item, surroundings.transfer.submit(work, item)))
        while under_way:
            oldest, future = under_way.popleft()
            yield oldest, future.result()
    finally:
        for _item, future in under_way:
            future.cancel()


def delete_all(surroundings: Surroundings, store: ObjectStore, keys: Iterable[str]) -> None:
    """Delete them; what is not there, or is locked, does not matter. Raises what the store raises."""
    for _key, _is_gone in few_at_once(surroundings, store.delete, keys):
        pass
