"""A look at one restore point, as a check has it: its maps are walked, and the store is asked for each of its packs.

Only suspected packs are read, and those not where they are cold (section 17): then the suspicion stands.
"""

from collections.abc import Mapping

from holdfast.domain.errors import ObjectNotFoundError
from holdfast.repository.delegation.tasks import PackOrder
from holdfast.repository.format import names
from holdfast.repository.format.manifest import StoredPack
from holdfast.repository.health.checking.pack_check import PackFinding, as_stored
from holdfast.repository.health.verification.hurt_volumes import HurtObject, HurtVolumes
from holdfast.repository.health.verification.preparing import packs_of
from holdfast.repository.opening.repository import Repository
from holdfast.repository.sessions.points import PointSummary, load_manifest
from holdfast.repository.trust.few_at_once import few_at_once


class PointLook:
    """Made of the repository as it is now; what it finds takes as long as there are packs, and changes nothing, so that
    others may use the repository meanwhile. Raises IntegrityError for a point that does not open, NotFoundError for one
    that is no more.
    """

    def __init__(self, repository: Repository, point: PointSummary) -> None:
        self._repository = repository
        self._manifest = load_manifest(repository, point)
        self._access = repository.access(self._manifest.tenant)

    def damage(self, suspected: Mapping[str, str]) -> tuple[HurtObject, ...]:
        """What is missing or not as it was written, and whom it hurts. `suspected`: objects, and why."""
        orders = packs_of(self._repository, self._access, self._manifest)
        packs = {names.pack(one.row.pack): one for one in orders}
        good, bad = set(), {}
        for key, finding in few_at_once(self._repository.surroundings, lambda key: self._found(key, packs[key]), packs):
            why = finding.why or suspected.get(key, "")
            pack = packs[key].row.pack
            if why:
                bad[pack] = PackFinding(why)
            else:
                good.add(pack)
        return HurtVolumes(self._access, frozenset(good), bad).look(self._manifest.volumes)

    def _found(self, key: str, order: PackOrder) -> PackFinding:
        try:
            return as_stored(self._repository, key, _written(order))
        except ObjectNotFoundError as error:
            return PackFinding(error.why)


def _written(order: PackOrder) -> StoredPack | None:
    return StoredPack(order.row.pack, False, order.size_bytes, order.sha256) if order.recorded else None
