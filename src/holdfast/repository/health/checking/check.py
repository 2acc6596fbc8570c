"""Check a repository: every small object opened, every map walked, packs read on demand; damage named with whom it
hurts.

Read only. What is counted as looked at was looked at: a map that cannot be walked to its end is damage, never a
smaller count.
"""

import functools
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from holdfast.domain.errors import HoldfastError, IntegrityError, ObjectNotFoundError
from holdfast.repository.format import names
from holdfast.repository.format.manifest import Manifest, StoredPack, VolumeMap
from holdfast.repository.health.checking.dense import missing_numbers
from holdfast.repository.health.checking.misplaced import misplaced
from holdfast.repository.health.checking.object_check import check_small_object, runs_that_count
from holdfast.repository.health.checking.pack_check import read_packs
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.opening.repository import Repository
from holdfast.repository.packs.known_directories import KnownDirectories
from holdfast.repository.progress import Progress
from holdfast.repository.reading.reachability import Reachability, Reachable
from holdfast.repository.sessions.session import is_retired, read_point, retired_of
from holdfast.repository.trust.few_at_once import few_at_once
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.older_versions import NOT_IT, UNSEEN, as_damage
from holdfast.repository.trust.presence import is_there
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.trust.vouching import Vouching

_SMALL = (
    names.KEYS,
    names.EPOCHS,
    names.TENANTS,
    names.INDEX,
    names.LEDGER,
    names.PLANS,
    names.RETIRED,
    names.SESSIONS,
    names.LEASES,
)
_TRIES = 3
# What a collection or a holder may remove between the list and the look; which index runs must be there is asked for by
# name.
_MAY_GO = (names.INDEX, names.SESSIONS, names.LEASES, names.KEYS)


@dataclass(frozen=True, slots=True)
class Hurt:
    """A restore point that damage hurts, and which of its volumes."""

    point_id: str
    workload: str
    volumes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Damage:
    """A damaged or missing object; `hurt` is empty where every point still restores. `harmless`: nor will it hurt any
    later one, for a plan lets nobody build upon it any more.
    """

    object: str
    why: str
    hurt: tuple[Hurt, ...]
    harmless: bool


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was looked at, and what was found. `unreferenced_packs` are left-overs, no damage. `packs_cold` were to be
    read and would have to be retrieved first: of them what the store says was compared.
    """

    objects: int
    packs: int
    packs_read: int
    read_bytes: int
    points: int
    unreferenced_packs: int
    packs_cold: int
    cold_bytes: int
    damage: tuple[Damage, ...]

    @property
    def harmful(self) -> tuple[Damage, ...]:
        """What asks for something to be done."""
        return tuple(damage for damage in self.damage if not damage.harmless)


@dataclass(slots=True)
class _Findings:
    """Damage by object, as it is found; the first reason stands. `passed`: what nobody may build upon, damaged or
    not.
    """

    whys: dict[str, str] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)
    hurt: dict[str, dict[str, tuple[str, set[str]]]] = field(default_factory=dict)

    def add(
        self, error: HoldfastError, fallback: str = "", hurting: Manifest | None = None, volumes: tuple[str, ...] = ()
    ) -> None:
        missing = (error.key,) if isinstance(error, ObjectNotFoundError) else ()
        for key in getattr(error, "objects", missing) or (fallback,):
            self.add_object(key, error.why, hurting, volumes)

    def add_object(self, key: str, why: str, hurting: Manifest | None = None, volumes: tuple[str, ...] = ()) -> None:
        self.whys.setdefault(key, why)
        if hurting is not None:
            names_hurt = self.hurt.setdefault(key, {}).setdefault(hurting.session.hex(), (hurting.workload, set()))[1]
            names_hurt.update(volumes)

    def report(self) -> tuple[Damage, ...]:
        return tuple(
            Damage(
                key,
                why,
                tuple(
                    Hurt(point, workload, tuple(sorted(volumes)))
                    for point, (workload, volumes) in sorted(self.hurt.get(key, {}).items())
                ),
                key in self.passed and key not in self.hurt,
            )
            for key, why in sorted(self.whys.items())
        )


def check_repository(repository: Repository, read_percent: int | None, progress: Progress) -> CheckReport:
    """Check everything but the packs' data, and with `read_percent` (1 to 100) so much of that too, chosen at
    random.

    A collection at the same time takes packs away that were needed when the check began: where one may have, the check
    is made again before anything is called damage.
    """
    for _try in range(_TRIES):
        before = _newest_epoch(repository)
        packs = StandingPacks(repository.store)
        report = _checked(repository, packs, read_percent, progress)
        if not report.damage or not _was_collected(repository, before, packs, report):
            break
        progress.note("a collection or a repair was at work meanwhile: the check begins again")
    return report


def _newest_epoch(repository: Repository) -> int | None:
    """None where the plan does not open, which the check says itself."""
    try:
        return newest_plan(repository.sealed).epoch
    except IntegrityError:
        return None


def _was_collected(repository: Repository, before: int | None, packs: StandingPacks, report: CheckReport) -> bool:
    """Whether what is missing may have gone since the check began: a plan was published, or packs that it saw standing
    were condemned already. What a plan condemns and was gone before then is as missing as ever.
    """
    try:
        plan = newest_plan(repository.sealed)
    except IntegrityError:
        return False
    missing = {damage.object for damage in report.damage if not is_there(repository.store, damage.object)}
    condemned = (pack for pack in plan.condemned if names.pack(pack) in missing)
    return bool(missing) and (plan.epoch != before or any(packs.stands(pack) for pack in condemned))


def _checked(repository: Repository, packs: StandingPacks, read_percent: int | None, progress: Progress) -> CheckReport:
    repository.ledger.refresh()
    findings = _Findings()
    objects = _check_small(repository, findings)
    manifests, written = _manifests(repository, findings, packs)
    _check_index_runs(repository, manifests, findings)
    _pass_condemned(repository, findings)
    below = {one.object: one for one in misplaced(repository, written)}
    for key, one in below.items():
        cure = "a repair puts it right" + (" once it is retrieved" if one.cold else "")
        findings.add_object(key, f"{one.why}: restores look behind it, and {cure}")
    _require_keys(repository, manifests, findings)
    read = _PacksRead(KnownDirectories(repository.surroundings.random_bytes(16)))
    if read_percent is not None:
        read.read(repository, packs, written, read_percent, progress)
    walk = Reachability(repository, packs, read.directories)
    reachable: list[tuple[Manifest, VolumeMap, Reachable]] = []
    for manifest in manifests:
        for volume in manifest.volumes:
            try:
                found = walk.of_volume(manifest, volume)
            except IntegrityError as no_keys:  # without its tenant's keys nothing of the volume opens
                findings.add(no_keys, "", manifest, (volume.name,))
                continue
            reachable.append((manifest, volume, found))
            for error in found.damage:
                findings.add(error, f"the block map of {volume.name}", manifest, (volume.name,))
    for key, why in walk.passed_over().items():
        findings.add_object(key, why)
    needed = frozenset[bytes]().union(*(found.packs for _manifest, _volume, found in reachable))
    shown = {pack for pack in needed if names.pack(pack) not in below}  # of the others a LIST shows what covers them
    bad = walk.misnamed | read.bad | _missing_or_wrong(shown, packs, written, walk)
    _name(bad, reachable, findings, walk)
    return CheckReport(
        objects=objects + len(manifests) + 1 + len(packs.listed),
        packs=len(packs.listed),
        packs_read=read.packs,
        read_bytes=read.read_bytes,
        points=len(manifests),
        unreferenced_packs=len(packs.listed.keys() - needed),
        packs_cold=read.packs_cold,
        cold_bytes=read.cold_bytes,
        damage=findings.report(),
    )


@dataclass(slots=True)
class _PacksRead:
    """What reading packs whole has shown: what is wrong with the `bad` ones, and what lies where in the others. They
    are read before any map is walked, so that what maps say can be compared with them.
    """

    directories: KnownDirectories
    bad: dict[bytes, str] = field(default_factory=dict)
    packs: int = 0
    read_bytes: int = 0
    packs_cold: int = 0
    cold_bytes: int = 0

    def read(
        self,
        repository: Repository,
        packs: StandingPacks,
        written: Mapping[str, StoredPack],
        percent: int,
        progress: Progress,
    ) -> None:
        """So many percent of the packs, chosen at random."""
        dice = random.Random(repository.surroundings.random_bytes(16))  # noqa: S311 - chooses packs, not keys
        chosen = {names.pack(pack): pack for pack in packs.listed if dice.random() * 100 < percent}
        progress.total(sum(packs.listed[pack] for pack in chosen.values()))
        for key, finding in read_packs(repository, chosen, written):
            progress.advance(packs.listed[chosen[key]])
            if finding.cold:
                self.packs_cold += 1
                self.cold_bytes += finding.size_bytes
            else:
                self.packs += 1
                self.read_bytes += finding.size_bytes
            if finding.why:
                self.bad[chosen[key]] = finding.why
            elif finding.opened is not None:
                self.directories.take(finding.opened.header, finding.opened.entries)


def _require_keys(repository: Repository, manifests: Iterable[Manifest], findings: _Findings) -> None:
    """Tenants whose keys cannot be had are damage."""
    holding = (manifest for manifest in manifests if any(volume.root for volume in manifest.volumes))
    for name in sorted({manifest.tenant for manifest in holding}):
        try:
            repository.access(name)
        except IntegrityError as no_keys:
            findings.add(no_keys)


def _check_small(repository: Repository, findings: _Findings) -> int:
    """Open every object that is neither pack nor point; the number looked at. `config` was opened already."""
    count, batches = 0, list[str]()
    for error in repository.ledger.damage:
        findings.add(error)
    under = repository.ledger.state.plan_epoch
    if under and not is_there(repository.store, names.plan(under)):
        findings.add_object(names.plan(under), "it is missing: the ledger tells of that plan")
    for kid in repository.epochs.kids[1:]:
        if not is_there(repository.store, names.epoch(kid)):
            findings.add_object(names.epoch(kid), "it is missing: whoever has a slot of that epoch opens nothing")
    try:
        newest_plan(repository.sealed)
    except IntegrityError as error:
        findings.add(error)
    runs = runs_that_count(repository)
    keys = (info.key for prefix in _SMALL for info in objects_under(repository.store, prefix))
    for key, trouble in few_at_once(repository.surroundings, lambda key: _trouble_with(repository, key, runs), keys):
        count += 1
        if trouble is not None:
            findings.add(trouble, key)
        if key.startswith(names.LEDGER):
            batches.append(key)
    _check_batches(repository, batches, findings)
    return count


def _check_batches(repository: Repository, listed: Iterable[str], findings: _Findings) -> None:
    """Those that a checkpoint sums up are not read, and needed again where it does not open. In an immutable repository
    a lock holds it, and they may be gone (rule 9.2).
    """
    if repository.config.immutable:
        return
    end = names.ledger(repository.ledger.state.sequence)
    batches = [key for key in listed if key <= end]  # what somebody has put behind the end is none
    for key in missing_numbers(repository.store, batches, names.LEDGER, 1, names.ledger):
        findings.add_object(key, "it is missing: without it nothing is written once no checkpoint behind it opens")


def _trouble_with(repository: Repository, key: str, runs: Vouching) -> HoldfastError | None:
    """What is wrong with a small object that was listed."""
    try:
        check_small_object(repository, key, runs)
    except ObjectNotFoundError as error:
        return None if key.startswith(_MAY_GO) else error
    except NOT_IT as error:
        return error
    except UNSEEN as error:
        return as_damage(repository.store, key, error)
    return None


def _manifests(
    repository: Repository, findings: _Findings, packs: StandingPacks
) -> tuple[list[Manifest], dict[str, StoredPack]]:
    """Every live point that opens; those that should be there and do not open are damage. LIST only adds (rule 5). And
    what manifests recorded of packs: of a retired point's those that a LIST shows, for live points may need them.
    """
    state = repository.ledger.state
    keys = {str(record["point"]): record for record in state.live.values()}
    listed = [info.key for info in objects_under(repository.store, names.POINTS)]
    every = list(dict.fromkeys([*keys, *listed]))
    retired = retired_of(repository, map(names.session_of_point, every))
    manifests = []
    written: dict[str, StoredPack] = {}
    unknown = functools.cache(lambda: {key for key, _found in repository.ledger.unknown_points()})
    for key, found in few_at_once(repository.surroundings, lambda key: _opened(repository, key), every):
        gone = names.session_of_point(key) in retired
        record = None if gone else keys.get(key)
        label = str(record["workload"]) if record else "unknown"
        if isinstance(found, HoldfastError):
            findings.add(found, key)
            if not gone:
                findings.hurt.setdefault(key, {})[key.rsplit("/", 1)[1]] = (label, {"all"})
        elif found is not None and gone:
            written |= {names.pack(pack.pack): pack for pack in found.packs if pack.pack in packs.listed}
        elif found is not None:
            manifests.append(found)
            if not (_is_known(repository, found.session) or is_retired(repository, found.session)):
                why = f"it is missing, or the ledger lost a record: it does not know the point {key}"
                if key in unknown():
                    why += "; `holdfast repository repair --ledger-only` tells it"
                findings.add_object(names.retired(found.session), why)
        elif record is not None:
            findings.add_object(key, "the ledger says that it is a restore point, but it is not there")
            findings.hurt.setdefault(key, {})[key.rsplit("/", 1)[1]] = (label, {"all"})
    # A point that counts has the last word.
    written |= {names.pack(pack.pack): pack for manifest in manifests for pack in manifest.packs}
    return manifests, written


def _opened(repository: Repository, key: str) -> Manifest | HoldfastError | None:
    """The manifest at that key, None where there is none, or what is wrong with it."""
    try:
        return read_point(repository, key)
    except NOT_IT as error:
        return error


def _is_known(repository: Repository, session: bytes) -> bool:
    """Whether the ledger counts a session as open or live; read again, for others write meanwhile."""
    ledger = repository.ledger
    if ledger.damage or session in ledger.state.live or session in ledger.state.open:
        return True
    state = ledger.refresh()
    return session in state.live or session in state.open


def _check_index_runs(repository: Repository, manifests: list[Manifest], findings: _Findings) -> None:
    """Runs in force must be there; their loss costs deduplication and hurts no point."""
    try:
        plan = newest_plan(repository.sealed)
    except IntegrityError:
        return  # named already; which runs are in force cannot be told
    listed = {info.key for info in objects_under(repository.store, names.INDEX)}
    expected = {key for manifest in manifests if manifest.plan_epoch >= plan.since for key in manifest.index_runs}
    in_force = expected | plan.index_runs
    for key in sorted(in_force - listed):
        if not is_there(repository.store, key):
            findings.add_object(key, "it is missing")
    if plan.since:
        findings.passed |= listed - in_force


def _pass_condemned(repository: Repository, findings: _Findings) -> None:
    """Nobody builds upon a condemned pack: damage in it hurts those points alone that have no other copy."""
    try:
        plan = newest_plan(repository.sealed)
    except IntegrityError:
        return  # named already
    findings.passed |= {names.pack(pack) for pack in plan.condemned}


def _missing_or_wrong(
    needed: Iterable[bytes], packs: StandingPacks, written: Mapping[str, StoredPack], walk: Reachability
) -> dict[bytes, str]:
    """Of packs that volumes need those that are missing or of a wrong size, and why."""
    whys = {
        pack: _wrong_size(packs.size_bytes(pack), written.get(names.pack(pack)), walk.least_bytes(pack))
        for pack in needed
    }
    return {pack: why for pack, why in whys.items() if why}


def _name(
    bad: Mapping[bytes, str],
    reachable: list[tuple[Manifest, VolumeMap, Reachable]],
    findings: _Findings,
    walk: Reachability,
) -> None:
    """Every bad pack, with the volumes that lack something for it."""
    for pack, why in bad.items():
        findings.add_object(names.pack(pack), why)
    for manifest, volume, _found in reachable:
        for pack in walk.lacking(manifest, volume, frozenset(bad)):
            findings.add_object(names.pack(pack), bad[pack], manifest, (volume.name,))


def _wrong_size(size_bytes: int | None, written: StoredPack | None, least_bytes: int) -> str:
    """Of a pack that no manifest recorded (a collection or a repair made it) only the least size is known."""
    if size_bytes is None:
        return "it is missing"
    if written is None:
        short = f"it has {size_bytes} bytes, and with what points need of it at least {least_bytes}"
        return short if size_bytes < least_bytes else ""
    other = f"it has {size_bytes} bytes where {written.size_bytes} were written"
    return other if size_bytes != written.size_bytes else ""
