"""What of a volume opens nowhere: refused, unless somebody salvages what there is."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from holdfast.domain.errors import (
    HoldfastError,
    IntegrityError,
    NeedsRetrievalError,
    ObjectNotFoundError,
    damaged_objects,
)

_JOINED_FIRST_AT = 4096


@dataclass(frozen=True, slots=True)
class Missing:
    """A stretch of the volume of which nothing opens, and the error that says so."""

    offset: int
    length: int
    error: HoldfastError


@dataclass(frozen=True, slots=True)
class Lost:
    """A stretch that a salvage left as zeros: the object that lacks it, and why."""

    offset: int
    length: int
    object: str
    why: str


Lose = Callable[[Missing], None]


def refuse(missing: Missing) -> None:
    """Nothing may be lost."""
    raise salvageable(missing.error)


def salvageable(error: HoldfastError) -> HoldfastError:
    """The same error, whose cure says how to have all else."""
    error.cure = f"{error.cure}; `holdfast image restore --salvage` restores all else"
    return error


class ColdCopies:
    """Packs of an archive that have the only other copies of what does not open. Who reads goes on past them, so that
    all are named at once: each retrieval takes hours.
    """

    def __init__(self, lose: Lose) -> None:
        self._lose = lose
        self._lock = threading.Lock()
        self._first: NeedsRetrievalError | None = None
        self._packs: set[str] = set()

    def lose(self, missing: Missing) -> None:
        """Tell it to `lose`, and remember what that would have retrieved. From any thread; raises all other errors."""
        try:
            self._lose(missing)
        except NeedsRetrievalError as error:
            with self._lock:
                self._first = self._first or error
                self._packs.update(error.packs)

    def require_none(self) -> None:
        """Raises the NeedsRetrievalError of the first, which names the packs of all."""
        if self._first is not None:
            self._first.packs = tuple(sorted(self._packs))
            raise self._first


class Losses:
    """What is lost of one volume. Neighbours of one object and reason are one, so a lost pack takes little memory.
    `cold_too`: nobody retrieves anything, so what has but a cold copy is lost.
    """

    def __init__(self, *, cold_too: bool) -> None:
        self._cold_too = cold_too
        self._lock = threading.Lock()
        self._lost: list[Lost] = []
        self._joined_at = _JOINED_FIRST_AT

    def add(self, missing: Missing) -> None:
        """From any thread, in any order. Raises the error of what is not damage: a newer version may read it, or who
        retrieves it.
        """
        error = missing.error
        if isinstance(error, ObjectNotFoundError):
            lacking: tuple[str, ...] = (error.key,)
        elif isinstance(error, NeedsRetrievalError) and self._cold_too:
            lacking = error.packs
        elif isinstance(error, IntegrityError):
            lacking = damaged_objects(error)
        else:
            raise error
        with self._lock:
            self._lost.append(Lost(missing.offset, missing.length, ", ".join(lacking), error.why))
            if len(self._lost) >= self._joined_at:
                self._lost = _joined(self._lost)
                self._joined_at = max(_JOINED_FIRST_AT, 2 * len(self._lost))

    def found(self) -> tuple[Lost, ...]:
        """All of it, ascending."""
        with self._lock:
            return tuple(_joined(self._lost))


def _joined(lost: Iterable[Lost]) -> list[Lost]:
    joined: list[Lost] = []
    for one in sorted(lost, key=lambda one: one.offset):
        last = joined[-1] if joined else None
        if last is not None and (last.offset + last.length, last.object, last.why) == (one.offset, one.object, one.why):
            joined[-1] = replace(last, length=last.length + one.length)
        else:
            joined.append(one)
    return joined
