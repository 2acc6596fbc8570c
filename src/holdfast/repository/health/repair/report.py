"""What a repair says in the end."""

from dataclasses import dataclass

from holdfast.repository.health.checking.check import Damage, Hurt
from holdfast.repository.health.checking.misplaced import Misplaced


@dataclass(frozen=True, slots=True)
class MendedPack:
    """A damaged or missing pack: how many chunks of it points need that lie elsewhere by now (or would, in a
    rehearsal), how many are lost, and whom that hurts.
    """

    object: str
    why: str
    mended_chunks: int
    lost_chunks: int
    hurt: tuple[Hurt, ...]


@dataclass(frozen=True, slots=True)
class MendedRun:
    """A damaged or missing index run. `replaced`: other runs name all that it named, and nobody needs it."""

    object: str
    why: str
    replaced: bool


@dataclass(frozen=True, slots=True)
class RepairReport:
    """What was read, what was written, and every damaged object. `epoch`: of the plan that was published, 0 for none.
    `others`: damage that no repair can mend, as a check names it. `reinstated`: what stood behind delete markers
    or other versions; `covered`: what stays there, for it is cold; `points`: those that the ledger was told of again.
    """

    rehearsal: bool
    packs_read: int = 0
    read_bytes: int = 0
    written_packs: int = 0
    written_bytes: int = 0
    index_runs: tuple[str, ...] = ()
    epoch: int = 0
    packs: tuple[MendedPack, ...] = ()
    runs: tuple[MendedRun, ...] = ()
    others: tuple[Damage, ...] = ()
    reinstated: tuple[Misplaced, ...] = ()
    covered: tuple[Misplaced, ...] = ()
    points: tuple[str, ...] = ()

    @property
    def left(self) -> tuple[str, ...]:
        """Objects that still hurt somebody, or may."""
        return (
            *(one.object for one in self.packs if one.lost_chunks),
            *(one.object for one in self.runs if not one.replaced),
            *(one.object for one in self.others),
            *(one.object for one in self.covered),
        )
