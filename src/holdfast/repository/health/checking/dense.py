"""Objects that must be there because of what is: of those that are numbered, every one below the highest."""

from collections.abc import Callable, Collection, Iterator
from itertools import pairwise

from holdfast.repository.object_store import ObjectStore
from holdfast.repository.trust.presence import is_there

# Somebody may put one under any number.
_NAMED_MISSING = 1000


def missing_numbers(
    store: ObjectStore, keys: Collection[str], prefix: str, first: int, name: Callable[[int], str]
) -> Iterator[str]:
    """Of `keys` those right under the prefix are numbered from `first` on; `name` makes one. A LIST does not say that
    something is missing, a HEAD does (rule 5).
    """
    numbers = sorted(int(key.removeprefix(prefix)) for key in keys if _is_numbered(key, prefix))
    for before, behind in pairwise([first - 1, *numbers]):
        for number in range(before + 1, behind)[:_NAMED_MISSING]:
            if not is_there(store, name(number)):
                yield name(number)


def _is_numbered(key: str, prefix: str) -> bool:
    return key.startswith(prefix) and "/" not in key.removeprefix(prefix)
