"""The first 8 bytes of many ids, each with a number: what a chunk may be, at 12 bytes for each."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# So many are not joined with more any more: that would need as much memory again.
_JOINED = 1 << 20


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Ascending by prefix."""

    prefixes: npt.NDArray[np.uint64]
    numbers: npt.NDArray[np.uint32]

    def joined(self, other: "_Stretch") -> "_Stretch":
        prefixes = np.concatenate([self.prefixes, other.prefixes])
        order = np.argsort(prefixes, kind="stable")
        prefixes = prefixes[order]  # what was not in order is let go before the numbers are put together
        return _Stretch(prefixes, np.concatenate([self.numbers, other.numbers])[order])


class Begins:
    """One thread adds, any thread asks."""

    def __init__(self) -> None:
        self._stretches: tuple[_Stretch, ...] = ()

    def add(self, prefixes: npt.NDArray[np.uint64], numbers: npt.NDArray[np.uint32]) -> None:
        """Ascending prefixes. Few stretches stay, for a chunk is looked for in each."""
        found = [*self._stretches, _Stretch(prefixes, numbers)]
        while len(found) > 1 and len(found[-2].numbers) <= len(found[-1].numbers) < _JOINED:
            found[-2:] = [found[-2].joined(found[-1])]
        self._stretches = tuple(found)

    def numbers_with(self, prefix: np.uint64) -> list[int]:
        """The numbers of all ids that begin so."""
        numbers: list[int] = []
        for stretch in self._stretches:
            at = int(stretch.prefixes.searchsorted(prefix))
            if at < len(stretch.prefixes) and stretch.prefixes[at] == prefix:
                numbers += stretch.numbers[at : int(stretch.prefixes.searchsorted(prefix, "right"))].tolist()
        return numbers

    def ascending(self, about: int) -> Iterator[npt.NDArray[np.uint32]]:
        """All numbers, a range of prefixes after the other: about so many each, more only where ids begin alike."""
        left = [(stretch.prefixes, stretch.numbers) for stretch in self._stretches]
        while left:
            upcoming = np.sort(np.concatenate([prefixes[:about] for prefixes, _numbers in left]))
            last = upcoming[min(about, len(upcoming)) - 1]
            ends = [int(prefixes.searchsorted(last, "right")) for prefixes, _numbers in left]
            yield np.concatenate([numbers[:end] for (_prefixes, numbers), end in zip(left, ends, strict=True)])
            rest = ((prefixes[end:], numbers[end:]) for (prefixes, numbers), end in zip(left, ends, strict=True))
            left = [one for one in rest if len(one[1])]
