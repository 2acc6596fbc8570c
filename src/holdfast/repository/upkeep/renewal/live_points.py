"""The points whose locks are renewed: what is damaged of them is noted, and the others are read all the same."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from holdfast.domain.errors import HoldfastError, IntegrityError, ObjectNotFoundError, UnsupportedFormatError
from holdfast.domain.time import parse_time
from holdfast.repository.format import names
from holdfast.repository.format.ledger import Record
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.opening.repository import Repository
from holdfast.repository.opening.unknown_points import unknown_point_error
from holdfast.repository.sessions.session import read_point
from holdfast.repository.trust.older_versions import all_keys

# What says that one object, or what it leads to, is not as it was written.
HURT = (IntegrityError, ObjectNotFoundError, UnsupportedFormatError)


@dataclass(frozen=True, slots=True)
class LivePoint:
    """A point's key and promise; no `manifest` where that cannot be read."""

    key: str
    promise: datetime | None
    manifest: Manifest | None


def read_live_points(
    repository: Repository, known: dict[str, Manifest], damage: list[HoldfastError]
) -> tuple[LivePoint, ...]:
    """Live ones and those of open sessions, as the ledger says now, and those that it does not know; of a damaged
    ledger all that stand, for it may hide some. `known` saves requests and grows.
    """
    unknown = dict(repository.ledger.unknown_points())
    damage += [one if isinstance(one, HoldfastError) else unknown_point_error(key) for key, one in unknown.items()]
    state = repository.ledger.refresh()
    damage += repository.ledger.damage
    live = {str(record["point"]): record for record in state.live.values()}
    opened: dict[str, Record] = {str(record["point"]): record for record in state.open.values()}
    standing: Iterable[str] = all_keys(repository.store, names.POINTS) if repository.ledger.damage else unknown
    keys = list(dict.fromkeys([*live, *opened, *standing]))

    def read(key: str) -> LivePoint | None:
        try:
            manifest = known.get(key) or read_point(repository, key)
            if manifest is None and key in live:
                raise ObjectNotFoundError(key, why="the ledger counts it as a restore point")
        except HURT as error:
            damage.append(error)
            return LivePoint(key, _promise(live.get(key, {}).get("keep_until")), None)
        if manifest is None:
            return None
        known[key] = manifest
        return LivePoint(key, _promise(manifest.keep_until), manifest)

    return tuple(point for point in repository.surroundings.transfer.map(read, keys) if point is not None)


def latest_promise(points: Iterable[LivePoint]) -> datetime | None:
    """Of all points; None where none has one."""
    return max((point.promise for point in points if point.promise is not None), default=None)


def _promise(text: object) -> datetime | None:
    return None if text is None else parse_time(str(text))
