"""Collecting garbage in a repository: what is wished, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.domain.errors import UsageError

_LONGEST_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class CollectionWish:
    """`wait_minutes`: how long running backups are waited for; `repack`: whether live chunks are moved out of mostly
    dead packs; `dry_run`: only say what would go.
    """

    wait_minutes: int = 10
    repack: bool = True
    dry_run: bool = False

    def __post_init__(self) -> None:
        """Raises UsageError."""
        if not 0 <= self.wait_minutes <= _LONGEST_MINUTES:
            raise UsageError(
                f"running backups cannot be waited for {self.wait_minutes} minutes",
                why=f"it is 0 to {_LONGEST_MINUTES} minutes: what is left over is done by the next collection",
                cure="choose another number",
            )


@dataclass(frozen=True, slots=True)
class Collected:
    """What was found and done: `packs` and `stored_bytes` before, `kept_packs` are condemned and still there,
    `locked_packs` of them by Object Lock alone, `young_packs` lie in an archive class, are needed by nothing and cost
    as much deleted as kept, `unfinished_packs` are of sessions that are open, at work or dead for less than a day;
    `renewed_locks` objects were locked longer, `not_renewed` are damaged or missing and could not be.
    `waiting`: sessions of the repository that hold the rest up, each with the time since when it is open.
    """

    plan: int
    restore_points: int
    packs: int
    stored_bytes: int
    condemned_packs: int
    condemned_bytes: int
    repacked_packs: int
    written_bytes: int
    deleted_packs: int
    freed_bytes: int
    kept_packs: int
    waiting: Mapping[str, str] = field(default_factory=dict)
    merged_index_runs: int = 0
    young_packs: int = 0
    young_bytes: int = 0
    unfinished_packs: int = 0
    unfinished_bytes: int = 0
    locked_packs: int = 0
    renewed_locks: int = 0
    not_renewed: tuple[str, ...] = ()
