"""What came of reading a restore point back: which of its volumes lack something, and for which damaged objects."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

# So many damaged objects are named; how many there are is told beside them.
NAMED_LIMIT = 1000
# Who lack something where a point as a whole does not open.
ALL_VOLUMES = ("all",)
_PACKS = "packs/"


class Outcome(StrEnum):
    """`hurt`: a volume lacks something. `damaged`: there is damage, and all can be restored from other copies."""

    GOOD = "good"
    DAMAGED = "damaged"
    HURT = "hurt"


@dataclass(frozen=True, slots=True)
class DamagedObject:
    """An object of the repository, what is wrong with it, and which volumes (devices) of the point lack something."""

    object: str
    why: str
    volumes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verification:
    """The newest one of a point. `packs`, `chunks`, `read_bytes`: what was read and is good; nothing where damage
    showed in another way.
    """

    at: datetime
    outcome: Outcome
    packs: int
    chunks: int
    read_bytes: int
    damaged_objects: int = 0
    damage: tuple[DamagedObject, ...] = ()

    @classmethod
    def of(
        cls, damage: Iterable[DamagedObject], at: datetime, *, packs: int = 0, chunks: int = 0, read_bytes: int = 0
    ) -> "Verification":
        """What hurts is named first, where not all can be."""
        found = _hurting_first(damage)
        named = tuple(found[:NAMED_LIMIT])
        return cls(at, outcome_of(found), packs, chunks, read_bytes, len(found), named)

    @property
    def hurt_volumes(self) -> tuple[str, ...]:
        """Devices, in order."""
        return tuple(sorted({device for one in self.damage for device in one.volumes}))

    @property
    def damaged_packs(self) -> frozenset[str]:
        """The ids, hex, of those that are named."""
        return frozenset(pack_id(one.object) for one in self.damage if one.object.startswith(_PACKS))


def unnamed_packs(damage: Iterable[DamagedObject]) -> tuple[str, ...]:
    """The packs (objects) among what a Verification of that damage does not name."""
    return tuple(one.object for one in _hurting_first(damage)[NAMED_LIMIT:] if one.object.startswith(_PACKS))


def _hurting_first(damage: Iterable[DamagedObject]) -> list[DamagedObject]:
    return sorted(damage, key=lambda one: (not one.volumes, one.object))


def pack_id(object_name: str) -> str:
    """Of a pack, hex."""
    return object_name.rpartition("/")[2]


def outcome_of(damage: Iterable[DamagedObject]) -> Outcome:
    """What the damage comes to."""
    found = list(damage)
    if any(one.volumes for one in found):
        return Outcome.HURT
    return Outcome.DAMAGED if found else Outcome.GOOD
