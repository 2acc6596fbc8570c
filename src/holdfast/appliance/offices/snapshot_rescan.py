"""Restore points that this appliance does not know, found by the tags of their snapshots: its records were lost, or it
takes the place of one that was.

What is sealed is believed, what is only a tag never is (docs/decisions/0011-snapshots-say-what-they-are.md).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from holdfast.appliance.desk.desk import Desk
from holdfast.appliance.points.configurations import Configurations
from holdfast.appliance.points.description import PointDescription, described_in
from holdfast.appliance.points.snapshot_tags import GONE, point_named
from holdfast.appliance.ports.cloud import Compute, DescribedSnapshot
from holdfast.domain.errors import (
    ConflictError,
    HoldfastError,
    IntegrityError,
    NotFoundError,
    SourceGoneError,
    UsageError,
)
from holdfast.domain.identifiers import is_region
from holdfast.domain.numerals import counted
from holdfast.domain.restore_point import RestorePoint
from holdfast.protocol.appliance_answers import SnapshotsRescanned


@dataclass(frozen=True, slots=True)
class _Place:
    """Where is looked. `makers` are appliances whose points are taken on."""

    account: str
    account_id: str
    region: str
    compute: Compute
    makers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Told:
    """What a set says of itself, and what was refused of it."""

    description: PointDescription
    session_id: str
    completed: frozenset[str]
    refused: tuple[str, ...]


class SnapshotRescan(Desk):
    """Takes on what is found."""

    def rescan_snapshots(self, account: str, region: str, lost_appliance: str | None) -> SnapshotsRescanned:
        """Take on every point whose snapshots lie there, of this appliance and of the one that is named as lost; asked
        again it goes on where it stopped. One set that is refused is a warning.
        """
        self._records.accounts.get(account)
        if not is_region(region):
            raise UsageError(
                f"{region} is no region", why="a region is named like eu-central-1", cure="look it up in AWS"
            )
        makers = (self._surface.appliance_id, *([lost_appliance] if lost_appliance else []))
        compute = self._surface.cloud.compute(self._surface.account(account), region)
        place = _Place(account, self._surface.tenant(account), region, compute, makers)
        sets, warnings = _sets(compute.described_snapshots(), makers)
        known = added = incomplete = 0
        for point_id, members in sets.items():
            try:
                told = self._read_set(place, point_id, members)
                warnings += told.refused
                is_new = self._take_on_set(place, told)
                if is_new is None:
                    continue
            except HoldfastError as error:
                warnings.append(f"restore point {point_id} is left out: {error.what}: {error.why}")
                continue
            known += 1
            added += is_new
            incomplete += bool(self._records.points.get(point_id).missing)
        return SnapshotsRescanned(account, region, known, added, incomplete, tuple(warnings))

    def _read_set(self, place: _Place, point_id: str, members: Sequence[DescribedSnapshot]) -> _Told:
        """The first description that opens, and those that it names. Raises why none opens."""
        errors: list[tuple[DescribedSnapshot, HoldfastError]] = []
        description, session_id = None, ""
        for one in members:
            try:
                opened = described_in(self._surface.secrets, point_id, one.tags)
                _check(place, opened, one)
            except HoldfastError as error:
                errors.append((one, error))
                continue
            if description is None:
                description = opened
                session_id = one.ownership.session_id if one.ownership is not None else ""
        if description is None:
            raise errors[0][1]
        refused = tuple(
            f"the tags of snapshot {one.id} are refused: {error.what}: {error.why}" for one, error in errors
        )
        completed = frozenset(one.id for one in members if one.completed)
        return _Told(description, session_id, completed, refused)

    def _take_on_set(self, place: _Place, told: _Told) -> bool | None:
        """Whether it was not known before; None for what is no restore point (any more)."""
        point = told.description.point
        known = self._known_point(point.id)
        if known is None and self._is_known_session(told.session_id):
            # Its point was deleted, or never came to be: what is left of it is the reaper's.
            return None
        if known is not None and known.found_at is None:
            return False
        there, missing = _there(place.compute, point, told.completed)
        found = replace(
            point,
            workload=replace(point.workload, account=self._account_of(told.description)),
            place=None if point.place is None else replace(point.place, account=place.account),
            snapshots=there,
            missing=missing,
            session_id=told.session_id,
            found_at=self._surface.surroundings.now(),
        )
        if known is None:
            self._records.points.add(found, Configurations(self._surface).seal(told.description.configuration))
        elif missing != known.missing or self._is_older_than_its_policy(known):
            self._records.points.put(found)
        return known is None

    def _is_older_than_its_policy(self, known: RestorePoint) -> bool:
        """The policy was applied after the point was found: found again, it counts as one of the policy's points."""
        policies = [one for one in self._records.policies.all() if one.policy.name == known.policy]
        return known.found_at is not None and any(one.created_at > known.found_at for one in policies)

    def _account_of(self, description: PointDescription) -> str:
        """What the instance's account is called here; as it was called there, where it is not registered."""
        account_id, name = description.configuration.account_id, description.point.workload.account
        names = [one.name for one in self._records.accounts.all() if self._surface.tenant(one.name) == account_id]
        return name if name in names else next(iter(names), name)

    def _known_point(self, point_id: str) -> RestorePoint | None:
        try:
            return self._records.points.get(point_id)
        except NotFoundError:
            return None

    def _is_known_session(self, session_id: str) -> bool:
        try:
            self._records.sessions.get(session_id)
        except NotFoundError:
            return False
        return True


def _sets(
    found: Iterable[DescribedSnapshot], makers: Sequence[str]
) -> tuple[dict[str, list[DescribedSnapshot]], list[str]]:
    """Point id -> its snapshots; and a warning for each other appliance, and for each snapshot that names no point."""
    sets: dict[str, list[DescribedSnapshot]] = {}
    others: Counter[str] = Counter()
    warnings = []
    for one in found:
        maker = one.ownership.appliance_id if one.ownership is not None else ""
        if maker not in makers:
            others[maker] += 1
            continue
        if GONE.items() <= one.tags.items():
            continue
        try:
            sets.setdefault(point_named(one.tags), []).append(one)
        except HoldfastError as error:
            warnings.append(f"snapshot {one.id} is left out: {error.what}: {error.why}")
    warnings += [
        f"{counted(count, 'snapshot is', 'snapshots are')} of appliance {maker or 'of no name'}, which may be at work: "
        f"name it as lost when it is no more"
        for maker, count in sorted(others.items())
    ]
    return sets, warnings


def _check(place: _Place, description: PointDescription, one: DescribedSnapshot) -> None:
    """What is sealed must be of this snapshot, here. Raises IntegrityError, ConflictError."""
    if one.id not in description.point.snapshots.values():
        raise _not_what_it_says(one, "the description names other snapshots: somebody copied the tags")
    if one.ownership is None or one.ownership.appliance_id != description.appliance_id:
        raise _not_what_it_says(one, "the description was sealed by another appliance than the tags say")
    if (description.account_id, description.region) != (place.account_id, place.region):
        raise ConflictError(
            f"snapshot {one.id} describes a point of another place",
            why=f"it says {description.region} of account {description.account_id}",
            cure="look for it there",
        )


def _not_what_it_says(one: DescribedSnapshot, why: str) -> IntegrityError:
    return IntegrityError(
        f"snapshot {one.id} is not what its tags say", why=why, cure="delete it, or restore from it by hand"
    )


def _there(compute: Compute, point: RestorePoint, completed: frozenset[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The snapshots that can be used, by volume, and the volumes whose one is gone or failed."""
    there, missing = {}, []
    for volume_id, snapshot_id in point.snapshots.items():
        if snapshot_id in completed or _is_completed(compute, snapshot_id):
            there[volume_id] = snapshot_id
        else:
            missing.append(volume_id)
    return there, tuple(missing)


def _is_completed(compute: Compute, snapshot_id: str) -> bool:
    """Also of one that has lost its description."""
    try:
        return compute.snapshots_percent((snapshot_id,)) == 100
    except SourceGoneError:
        return False
