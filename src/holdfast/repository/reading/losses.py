"""What of a volume opens nowhere: refused, unless somebody salvages what there is."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from holdfast.domain.errors import HoldfastError, IntegrityError, ObjectNotFoundError, damaged_objects

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


class Losses:
    """What is lost of one volume. Neighbours of one object and reason are one, so a lost pack takes little memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lost: list[Lost] = []
        self._joined_at = _JOINED_FIRST_AT

    def add(self, missing: Missing) -> None:
        """From any thread, in any order. Raises the error of what is not damage: a newer version may read it."""
        error = missing.error
        if not isinstance(error, IntegrityError | ObjectNotFoundError):
            raise error
        lacking = (error.key,) if isinstance(error, ObjectNotFoundError) else damaged_objects(error)
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
