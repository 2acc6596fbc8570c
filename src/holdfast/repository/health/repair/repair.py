"""One repair, from reading everything to a plan by which nobody builds upon damage (rule 4.7). It only ever adds.

Killed anywhere, another one is safe: what this one wrote is then garbage that a collection finds.
"""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from holdfast.domain.errors import ConflictError, IntegrityError, ObjectNotFoundError
from holdfast.domain.numerals import counted
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest, StoredPack
from holdfast.repository.format.plan import Plan
from holdfast.repository.health.checking.check import Hurt, check_repository
from holdfast.repository.health.repair.agreement import Outcome, agree, replaced_runs
from holdfast.repository.health.repair.mending import Mender
from holdfast.repository.health.repair.pack_health import read_health
from holdfast.repository.health.repair.quarries import Quarries
from holdfast.repository.health.repair.recording import record_points
from holdfast.repository.health.repair.reinstating import reinstate
from holdfast.repository.health.repair.report import MendedPack, MendedRun, RepairReport
from holdfast.repository.health.repair.workshop import Workshop, overtaken
from holdfast.repository.opening.plans import newest_plan, plan_to_write_under
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.pack_directory import read_directory
from holdfast.repository.progress import Progress, Silence
from holdfast.repository.reading.reachability import Reachability
from holdfast.repository.sessions.recorded_packs import all_recorded_packs
from holdfast.repository.sessions.session import read_point
from holdfast.repository.trust.probe import require_conditional_writes
from holdfast.repository.upkeep.collection.index_runs import read_runs

_TRIES = 5


def repair(repository: Repository, quarries: Quarries, progress: Progress, *, rehearsal: bool = False) -> RepairReport:
    """Heal what can be healed. Raises the IntegrityError of a damaged ledger, plan or tenant, beside which nothing may
    be written, and ConflictError when collections were always quicker.
    """
    if not rehearsal:
        require_conditional_writes(repository.store, repository.surroundings, repository.config)
    points = record_points(repository, progress, rehearsal=rehearsal).points
    written = {names.pack(pack): one for pack, one in all_recorded_packs(repository).items()}
    reinstated = reinstate(repository, written, progress, rehearsal=rehearsal)
    for _try in range(_TRIES):
        reached = repository.ledger.state.plan_epoch
        plan = (newest_plan if rehearsal else plan_to_write_under)(repository.sealed, reached)
        try:
            report = _Repair(repository, plan, quarries, written, points, progress, rehearsal=rehearsal).run()
            return dataclasses.replace(report, reinstated=reinstated.done, covered=reinstated.covered, points=points)
        except (ConflictError, IntegrityError, ObjectNotFoundError):
            if newest_plan(repository.sealed).epoch == plan.epoch:
                raise
        progress.note("a collection was quicker: the repair begins again")
    raise overtaken()


class _Repair:
    """One try, under one plan."""

    def __init__(
        self,
        repository: Repository,
        plan: Plan,
        quarries: Quarries,
        written: Mapping[str, StoredPack],
        unknown: Sequence[str],
        progress: Progress,
        *,
        rehearsal: bool,
    ) -> None:
        self._repository = repository
        self._plan = plan
        self._quarries = quarries
        self._progress = progress
        self._rehearsal = rehearsal
        self._opened = frozenset(repository.ledger.whole().open)
        self._unknown = frozenset(names.retired(names.session_of_point(key)) for key in unknown)
        self._points = list(_readable_points(repository, unknown))
        newer = {key for point in self._points if point.plan_epoch >= plan.since for key in point.index_runs}
        self._runs = read_runs(repository, plan, self._opened, frozenset(newer))
        self._health = read_health(repository, plan, self._runs, written, progress)
        self._workshops: dict[str, Workshop] = {}
        self._menders: dict[str, Mender] = {}

    def run(self) -> RepairReport:
        """Look, mend, agree; in this order."""
        found = check_repository(self._repository, None, Silence())
        whys = {one.object: one.why for one in found.damage}
        try:
            self._doubt_packs()
            self._name_packs()
            lost = self._mend()
            made = [workshop.finish() for workshop in self._workshops.values()]
        finally:
            for workshop in self._workshops.values():
                workshop.abandon()
        hurt = self._health.damaged.keys() | self._health.missing | lost.keys() | self._healed_since()
        runs = frozenset[str]().union(*(one.index_runs for one in made))
        plan = self._plan
        if not self._rehearsal:
            survivors = {pack: self._survivors(pack) for pack in hurt}
            outcome = Outcome(survivors, runs)
            plan = agree(self._repository, plan, self._runs, self._points, self._opened, outcome)
        replaced = self._replaced(plan)
        return RepairReport(
            packs_read=len(self._health.packs.listed),
            read_bytes=self._health.read_bytes,
            written_packs=sum(one.packs for one in made),
            written_bytes=sum(one.stored_bytes for one in made),
            index_runs=tuple(sorted(runs)),
            epoch=plan.epoch if plan is not self._plan else 0,
            packs=tuple(self._mended(pack, lost.get(pack, {})) for pack in sorted(hurt)),
            runs=tuple(
                MendedRun(key, whys.get(key, "it does not open"), key in replaced)
                for key in sorted(self._runs.unreadable)
            ),
            others=tuple(
                one
                for one in found.damage
                if not one.object.startswith((names.PACKS, names.INDEX)) and one.object not in self._unknown
            ),
            rehearsal=self._rehearsal,
        )

    def _doubt_packs(self) -> None:
        """Before anything counts as settled: what maps say is compared with what the packs have."""
        walk = Reachability(self._repository, self._health.packs, self._health.directories)
        for manifest in self._points:
            for volume in manifest.volumes:
                walk.of_volume(manifest, volume)
        self._health.doubt(walk.misnamed)

    def _name_packs(self) -> None:
        """Where a run is lost: what the packs that no other names say themselves, for a run of this repair."""
        for pack, tenant in self._health.unnamed_of(relied_on=True).items():
            name = self._repository.tenant_by_id(tenant).name
            directory = read_directory(self._repository.access(name), pack)
            if directory.header.session in self._opened:
                continue
            for chunk in directory.located():
                self._workshop(name).name(chunk, directory.header.chunk_type)

    def _mend(self) -> dict[bytes, dict[bytes, set[Hurt]]]:
        """Mend what points need; what stays lost: by pack and chunk, whom that hurts."""
        volumes = [(manifest, volume) for manifest in self._points for volume in manifest.volumes]
        self._progress.note(f"walking the maps of {counted(len(self._points), 'restore point')}")
        for manifest, volume in volumes:
            self._mender(manifest.tenant).walk(volume, self._quarries(manifest, volume))
        lost: dict[bytes, dict[bytes, set[Hurt]]] = defaultdict(lambda: defaultdict(set))
        for manifest, volume in volumes:
            hurt = Hurt(manifest.session.hex(), manifest.workload, (volume.name,))
            for pack, chunks in self._mender(manifest.tenant).walk(volume, ()).items():
                for chunk in chunks:
                    lost[pack][chunk].add(hurt)
        return lost

    def _workshop(self, tenant: str) -> Workshop:
        if tenant not in self._workshops:
            self._workshops[tenant] = Workshop(self._repository, tenant, self._plan, self._rehearsal)
        return self._workshops[tenant]

    def _mender(self, tenant: str) -> Mender:
        if tenant not in self._menders:
            self._menders[tenant] = Mender(self._repository, self._health, self._workshop(tenant), self._runs.usable)
        return self._menders[tenant]

    def _healed_since(self) -> set[bytes]:
        """Packs that are gone, and condemned as such perhaps, of which some chunk is found by runs alone that the plan
        does not name: a backup's since, or this repair's. No collection goes by them before a plan does (rule 4.3).
        """
        in_plan = [facts.packs for key, facts in self._runs.usable.items() if key in self._plan.index_runs]
        told = frozenset[bytes]().union(*in_plan)
        found = [mender.survivors.items() for mender in self._menders.values()]
        return {pack for survivors in found for pack, others in survivors if not others <= told}

    def _survivors(self, pack: bytes) -> frozenset[bytes]:
        return frozenset[bytes]().union(*(mender.survivors.get(pack, ()) for mender in self._menders.values()))

    def _replaced(self, plan: Plan) -> frozenset[str]:
        """Unreadable runs that are in force no more; in a rehearsal, those that would not be."""
        if not self._rehearsal:
            in_force = plan.index_runs if plan.since else self._runs.lost
            return self._runs.unreadable - in_force
        known = self._runs.named.union(self._health.unnamed, self._health.damaged, self._plan.condemned)
        merged = frozenset(self._plan.merged)
        return replaced_runs(self._repository, self._health.packs, self._runs.unreadable, known, merged)

    def _mended(self, pack: bytes, lost: dict[bytes, set[Hurt]]) -> MendedPack:
        volumes: dict[tuple[str, str], set[str]] = defaultdict(set)
        for hurt in frozenset[Hurt]().union(*lost.values()):
            volumes[hurt.point_id, hurt.workload].update(hurt.volumes)
        return MendedPack(
            object=names.pack(pack),
            why=self._health.why(pack),
            mended_chunks=sum(len(mender.mended.get(pack, ())) for mender in self._menders.values()),
            lost_chunks=len(lost),
            hurt=tuple(Hurt(*point, tuple(sorted(named))) for point, named in sorted(volumes.items())),
        )


def _readable_points(repository: Repository, unknown: Iterable[str]) -> Iterator[Manifest]:
    """Restore points whose manifests open; a check names the others, and of these nothing can be looked at."""
    state = repository.ledger.state
    known = (str(record["point"]) for record in [*state.live.values(), *state.open.values()])
    for key in dict.fromkeys([*known, *unknown]):
        try:
            manifest = read_point(repository, key)
        except IntegrityError:
            continue
        if manifest is not None:
            yield manifest
