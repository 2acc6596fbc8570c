"""What reading every pack whole came to: which are sound, which are damaged, which are missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.repository.format import names
from holdfast.repository.format.manifest import StoredPack
from holdfast.repository.format.places import Located
from holdfast.repository.format.plan import Plan
from holdfast.repository.health.checking.pack_check import read_packs
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.known_directories import KnownDirectories
from holdfast.repository.progress import Progress
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.index_runs import IndexRuns


@dataclass(slots=True)
class PackHealth:
    """`damaged` and `missing` say why, by pack: missing are those that a run in force names and no plan condemns, and
    what turns out to be needed. `unnamed`: sound packs that no run in force names, with their tenants' ids: those
    that the plan condemns, and all where a run does not open. `directories`: of the sound ones.
    """

    plan: Plan
    packs: StandingPacks
    damaged: dict[bytes, str]
    missing: set[bytes]
    unnamed: Mapping[bytes, bytes]
    read_bytes: int
    directories: KnownDirectories
    _sound: dict[bytes, bool] = field(default_factory=dict)

    def is_sound(self, pack: bytes) -> bool:
        """Whether everything in it opens."""
        if pack not in self._sound:
            self._sound[pack] = pack not in self.damaged and self.packs.stands(pack)
        return self._sound[pack]

    def why(self, pack: bytes) -> str:
        """Why a point does not have of it what it needs."""
        if pack in self.damaged:
            return self.damaged[pack]
        if self.is_sound(pack):
            return "the plan condemns it, and what was to replace it is damaged"
        return "it is missing"

    def miss(self, pack: bytes) -> None:
        """A point needs it; it is missing unless it stands, or a collection has removed it."""
        if pack not in self.damaged and pack not in self.plan.condemned and not self.packs.stands(pack):
            self.missing.add(pack)

    def doubt(self, misnamed: Mapping[bytes, str]) -> None:
        """Packs of which a map names what does not lie there, and why: they count as damaged, so that all that points
        need of them gets other places, which who reads finds. A map cannot be changed.
        """
        for pack, why in misnamed.items():
            self.damaged.setdefault(pack, why)
            self._sound.pop(pack, None)

    def holds(self, chunk: Located, chunk_type: int) -> bool:
        """Whether nothing that was read says that it does not lie at that place."""
        return not self.directories.contradict(chunk, chunk_type)

    def may_be_relied_on(self, pack: bytes) -> bool:
        """Whether it may be named as a survivor (rule 4.4)."""
        return self.is_sound(pack) and pack not in self.plan.condemned

    def unnamed_of(self, *, relied_on: bool) -> dict[bytes, bytes]:
        """Unnamed packs with their tenants' ids: those that may be relied on, for a run to name; or the others, out of
        which what is needed is to be copied.
        """
        return {pack: one for pack, one in sorted(self.unnamed.items()) if self.may_be_relied_on(pack) == relied_on}


def read_health(
    repository: Repository, plan: Plan, runs: IndexRuns, written: Mapping[str, StoredPack], progress: Progress
) -> PackHealth:
    """Read every pack. `written`: what manifests recorded of them."""
    packs = StandingPacks(repository.store)
    named = runs.named
    damaged: dict[bytes, str] = {}
    unnamed: dict[bytes, bytes] = {}
    directories = KnownDirectories(repository.surroundings.random_bytes(16))
    read_bytes = 0
    progress.total(sum(packs.listed.values()))
    keys = {names.pack(pack): pack for pack in packs.listed}
    for key, finding in read_packs(repository, keys, written):
        pack = keys[key]
        progress.advance(packs.listed[pack])
        read_bytes += finding.size_bytes
        if finding.why:
            damaged[pack] = finding.why
            continue
        if finding.opened is not None:
            directories.take(finding.opened.header, finding.opened.entries)
        if pack not in named and finding.opened is not None and (runs.unreadable or pack in plan.condemned):
            unnamed[pack] = finding.tenant
    missing = {pack for pack in named - plan.condemned if not packs.stands(pack)}
    return PackHealth(plan, packs, damaged, missing, unnamed, read_bytes, directories)
