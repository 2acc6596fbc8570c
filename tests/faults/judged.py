"""States of stores that a campaign has judged already.

Most faults leave a store as some other fault has left it: an error at any read as the write before it did. What a new
process makes of a store follows from the bytes in it and from the seed, so the same state is judged once and counted
as often as it came.
"""

from collections.abc import Hashable

from holdfast.repository.object_store import ObjectStore


class Judged:
    """Remembers states; one for each test, whose judgement is a function of them."""

    def __init__(self) -> None:
        self._states: set[Hashable] = set()

    def is_new(self, *known: Hashable, stores: tuple[ObjectStore, ...]) -> bool:
        """Whether such a state comes for the first time. `known`: whatever else the judgement depends on. Of each
        object the SHA-256 stands for its bytes; the stores check it when they take an object.
        """
        state = (*known, *map(_contents, stores))
        if state in self._states:
            return False
        self._states.add(state)
        return True


def _contents(store: ObjectStore) -> Hashable:
    found = frozenset((info.key, info.sha256) for info in store.list(""))
    assert all(sha256 is not None for _key, sha256 in found)
    return found
