"""After a rotation: all that packs hold is sealed under the newest key, and the old packs go by the ordinary rules.

What cannot be sealed anew, because it is written once under a name that counts, stays under the key that it had:
`config`, tenants, manifests, ledger, plans, retirements.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from holdfast.domain.errors import NeedsRetrievalError, ObjectNotFoundError, UsageError
from holdfast.repository.format import names
from holdfast.repository.format.epoch import FIRST_EPOCH
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.pack_directory import read_header
from holdfast.repository.progress import Progress
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.collect import Collection, CollectionOrder
from holdfast.repository.upkeep.collection.fence import OpenSession

# What a kill costs at most: with each plan the work before it is done for good.
AT_ONCE_BYTES = 4 * 1024**3


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """Sums over the rounds, and what packs hold under which epoch now. `waiting`: sessions that hold the rest up."""

    rounds: int
    repacked: int
    written_bytes: int
    deleted: int
    freed_bytes: int
    plan_epoch: int
    stored_bytes: Mapping[int, int]
    waiting: tuple[OpenSession, ...]


def rekey(
    repository: Repository,
    order: CollectionOrder,
    progress: Progress,
    pause: Callable[[float], None],
    at_once_bytes: int = AT_ONCE_BYTES,
) -> Rekeyed:
    """Collections, one after the other, until no point needs a pack under an older key, or running sessions hold the
    rest up. Killed anywhere, another run goes on. Raises what a collection raises, and UsageError where there is
    nothing to do or nothing can be done.
    """
    _check(repository)
    rounds: list[tuple[int, int, int, int]] = []
    while True:
        wish = replace(order, rekey_bytes=at_once_bytes)
        report = Collection(repository, wish, progress, pause).run()
        rounds.append((report.repacked, report.written_bytes, report.deleted, report.freed_bytes))
        if report.waiting or not report.repacked:
            break
    repacked, written, deleted, freed = (sum(column) for column in zip(*rounds, strict=True))
    stored = stored_by_epoch(repository)
    return Rekeyed(len(rounds), repacked, written, deleted, freed, report.epoch, stored, report.waiting)


def stored_by_epoch(repository: Repository) -> Mapping[int, int]:
    """Bytes of all packs by the key epoch under which they are sealed: as the index runs say, and for packs that none
    names by their clear headers.
    """
    packs = StandingPacks(repository.store).listed
    if repository.epochs.kids == (FIRST_EPOCH,):
        return {FIRST_EPOCH: sum(packs.values())}
    epochs = dict(_named(repository))
    unnamed = [pack for pack in packs if pack not in epochs]
    headers = repository.surroundings.transfer.map(lambda pack: _kid_of(repository, pack), unnamed)
    epochs.update(zip(unnamed, headers, strict=True))
    stored = Counter(dict.fromkeys(repository.epochs.kids, 0))
    for pack, size in packs.items():
        kid = epochs[pack]
        if kid is not None:
            stored[kid] += size
    return dict(sorted(stored.items()))


def _named(repository: Repository) -> dict[bytes, int | None]:
    found: dict[bytes, int | None] = {}
    for info in objects_under(repository.store, names.TENANTS):
        identifier = bytes.fromhex(info.key.removeprefix(names.TENANTS))
        access = repository.access_with(identifier, repository.tenant_by_id(identifier).keys)
        for key in access.index_runs():
            try:
                found.update((row.pack, row.kid) for row in access.read_index_run(key).packs)
            except ObjectNotFoundError:
                continue  # a collection has removed it; its packs say it themselves
    return found


def _kid_of(repository: Repository, pack: bytes) -> int | None:
    """None for one that is gone, and for one that is cold: of an archive only what no run names is not told."""
    try:
        return read_header(repository.store, pack).kid
    except (NeedsRetrievalError, ObjectNotFoundError):
        return None


def _check(repository: Repository) -> None:
    if repository.config.archive_class is not None:
        raise UsageError(
            "an archive is not sealed anew",
            why="its data is cold: moving it would mean retrieving all of it",
            cure="copy its points into a new archive (`holdfast repository copy`), then let this one go",
        )
    if repository.master.kid == FIRST_EPOCH:
        raise UsageError(
            "there is no older key",
            why="the repository is at its first key epoch",
            cure="begin a new one first: `holdfast repository key rotate`",
        )
