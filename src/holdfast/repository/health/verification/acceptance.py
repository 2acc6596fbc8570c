"""The appliance judges what a verify worker says, and believes as little of it as it can (section 16).

What the worker calls bad is read here: whether it is, whom it hurts, and whether another copy opens. Of the packs that
it calls good some chunks are read here, which are drawn when the result stands. Running it again is safe.
"""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA
from holdfast.repository.delegation.orders import ordered
from holdfast.repository.delegation.results import ReadPack, VerifyResult
from holdfast.repository.delegation.tasks import PackOrder, VerifyTask
from holdfast.repository.format import names
from holdfast.repository.format.manifest import StoredPack
from holdfast.repository.health.checking.pack_check import PackFinding, read_packs
from holdfast.repository.health.verification.hurt_volumes import HurtObject, HurtVolumes
from holdfast.repository.health.verification.opening import open_to_others, untrue
from holdfast.repository.health.verification.preparing import verify_task
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.known_directories import KnownDirectories
from holdfast.repository.packs.pack_directory import read_directory
from holdfast.repository.reading.chunk_reader import ChunkReader
from holdfast.repository.reading.index_search import IndexSearch
from holdfast.repository.sessions.points import PointSummary, load_manifest

SAMPLED_CHUNKS = 32


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of a verification. `damage` that hurts no volume of the point: another copy is read. `opened_packs`:
    how many serve other workloads from now on.
    """

    packs: int
    chunks: int
    read_bytes: int
    damage: tuple[HurtObject, ...]
    opened_packs: int

    @property
    def hurt(self) -> tuple[HurtObject, ...]:
        """What the point cannot be restored whole for."""
        return tuple(one for one in self.damage if one.volumes)


def accept_verification(repository: Repository, point: PointSummary, result: VerifyResult) -> Verified:
    """What the result says of the point, as far as it can be believed. Raises IntegrityError where it is refused."""
    task = verify_task(ordered(repository, result.session, result.attempt))
    _check_whole(task, result)
    manifest = load_manifest(repository, point)
    access = repository.access(manifest.tenant)
    orders = {one.row.pack: one for one in task.packs}
    good = {one.pack: one for one in result.packs}
    directories = KnownDirectories(repository.surroundings.random_bytes(16))
    for pack in _sample(repository, access, good, directories):
        del good[pack]
    bad, whole = _looked_at(repository, [orders[one.pack] for one in result.damage])
    damage = HurtVolumes(access, frozenset(good) | whole, bad, directories).look(manifest.volumes)
    return Verified(
        packs=len(good),
        chunks=sum(one.chunks for one in result.packs),
        read_bytes=sum(one.size_bytes for one in result.packs),
        damage=damage,
        opened_packs=open_to_others(repository, manifest, [orders[pack] for pack in good], good),
    )


def _check_whole(task: VerifyTask, result: VerifyResult) -> None:
    told = [*(one.pack for one in result.packs), *(one.pack for one in result.damage)]
    if len(told) != len(task.packs) or set(told) != {one.row.pack for one in task.packs}:
        raise IntegrityError(
            "the result does not say of each pack of its task what became of it",
            why=f"{len(told)} of {len(task.packs)} are named",
            cure="verify the point again; find out what ran on that worker",
        )


def _looked_at(
    repository: Repository, accused: Iterable[PackOrder]
) -> tuple[dict[bytes, PackFinding], frozenset[bytes]]:
    """Packs that a worker calls bad, read here: what is wrong with them, and those that are whole all the same. What a
    collection has taken is neither: its chunks lie elsewhere.
    """
    packs = {names.pack(one.row.pack): one for one in accused}
    written = {
        key: StoredPack(one.row.pack, False, one.size_bytes, one.sha256) for key, one in packs.items() if one.recorded
    }
    condemned = newest_plan(repository.sealed).condemned
    bad, whole = {}, set()
    for key, finding in read_packs(repository, packs, written):
        pack = packs[key].row.pack
        if not finding.why:
            whole.add(pack)
        elif pack not in condemned:
            bad[pack] = finding
    return bad, frozenset(whole)


def _sample(
    repository: Repository, access: TenantAccess, good: Mapping[bytes, ReadPack], directories: KnownDirectories
) -> frozenset[bytes]:
    """Read some chunks of packs that are called good. They are drawn now, so no worker can have known them. Given back
    are packs that are not there: where a collection has taken them, what is needed of them lies elsewhere. Plans forget
    what is gone, so only a look for each chunk can tell. What their directories say, the maps are compared with.
    """
    if not good:
        return frozenset()
    gone: set[bytes] = set()
    dice = random.Random(repository.surroundings.random_bytes(16))  # noqa: S311 - seeded by what nobody can foresee
    reader = ChunkReader(access, CHUNK_TYPE_DATA, IndexSearch(access))
    for pack in dice.choices(sorted(good), k=SAMPLED_CHUNKS):
        try:
            directory = read_directory(access, pack)
        except ObjectNotFoundError:
            gone.add(pack)
            continue
        except IntegrityError as error:
            raise untrue(pack) from error
        directories.take(directory.header, directory.entries)
        chunks = directory.located()
        drawn = dice.choice(chunks) if chunks else None
        if len(chunks) != good[pack].chunks or (drawn and reader.open_at(drawn.id, drawn.place) is None):
            raise untrue(pack)
    return frozenset(gone)
