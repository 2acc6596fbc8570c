"""Policies as people handle them: applied, run, stopped, enabled; and manual snapshots."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from holdfast.appliance.desk.desk import PERSON, Desk
from holdfast.appliance.policies.discovery import Discovery
from holdfast.appliance.policies.schedules import check_schedules
from holdfast.appliance.policies.task_order import ARCHIVE, BACKUP, SNAPSHOT, TaskOrder
from holdfast.domain.errors import ConflictError, UsageError
from holdfast.domain.identifiers import is_instance_id, is_region
from holdfast.domain.numerals import counted
from holdfast.domain.policy import Ec2Policy, Selection, SnapshotTarget
from holdfast.domain.restore_point import SnapshotPlace
from holdfast.domain.retention_rules import archives_shorter_than
from holdfast.domain.session import Session, SessionKind
from holdfast.protocol.appliance_answers import LaneState, PolicyApplied, StoredPolicy
from holdfast.protocol.policies import difference, read_policy

_RUNS = (SessionKind.POLICY, SessionKind.ARCHIVE)


class PolicyOffice(Desk):
    """Policies by name."""

    def apply_policy(self, document: Mapping[str, Any], dry_run: bool) -> PolicyApplied:
        """Add, change, or say what would be; the same document again changes nothing."""
        policy = read_policy(document)
        check_schedules(policy)
        self._records.accounts.get(policy.account)
        warnings = self._check_repositories(policy)
        stored = next((one for one in self._records.policies.all() if one.policy.name == policy.name), None)
        before = None if stored is None else stored.policy
        lines = difference(before, policy)
        change = "created" if before is None else "changed" if lines else "unchanged"
        assignment = Discovery(self._surface).find(policy)
        warnings += [f"{one.id} is protected by policy {owner}, which is first" for one, owner in assignment.elsewhere]
        warnings += [f"{region} could not be looked at: {error.what}" for region, error in assignment.unseen]
        if not assignment.protected and not assignment.unseen:
            warnings.append("it matches nothing now")
        if stored is not None and (gone := self._let_go(replace(stored, policy=policy)) - self._let_go(stored)):
            warnings.append(f"{counted(len(gone), 'restore point')} that stayed until now will go with its next run")
        if not dry_run and change != "unchanged":
            self._records.policies.put(policy, self._surface.surroundings.now())
        matched = tuple(one.id for one in assignment.protected)
        return PolicyApplied(policy, change, lines, matched, tuple(warnings))

    def list_policies(self) -> list[StoredPolicy]:
        """By priority, then age."""
        return self._records.policies.all()

    def get_policy(self, name: str) -> StoredPolicy:
        """One."""
        return self._records.policies.get(name)

    def remove_policy(self, name: str) -> None:
        """Its restore points stay, and no retention removes them any more."""
        self._records.policies.get(name)
        self._check_idle(name, *_RUNS)
        self._records.policies.remove(name)

    def run_policy(self, name: str, targets: tuple[str, ...]) -> Session:
        """Run it now; no targets: all that it makes. `archive` is a run of its own: what was backed up is copied."""
        policy = self._records.policies.get(name).policy
        there = _targets_of(policy)
        wrong = [one for one in targets if one not in there]
        if wrong:
            raise UsageError(
                f"policy {name} has no target {wrong[0]!r}", why=f"it has {', '.join(there)}", cure="name one of these"
            )
        if ARCHIVE in targets:
            if len(set(targets)) > 1:
                raise UsageError(
                    "an archive run makes nothing else",
                    why="it copies backups that are there",
                    cure=f"run the other targets first, then `holdfast policy run {name} --target {ARCHIVE}`",
                )
            self._check_idle(name, SessionKind.ARCHIVE)
            return self.start_archive(self._new_session(), policy)
        self._check_idle(name, SessionKind.POLICY)
        made = [one for one in there if one != ARCHIVE]
        return self.start_run(self._new_session(), policy, tuple(one for one in made if not targets or one in targets))

    def start_run(
        self,
        session_id: str,
        policy: Ec2Policy,
        targets: tuple[str, ...],
        trigger: str = PERSON,
        *,
        beside: bool = False,
    ) -> Session:
        """Open and start a run; one that is there already goes on. `beside`: see TaskOrder."""
        since = self._records.policies.get(policy.name).in_force_since
        details = TaskOrder(policy, targets, beside=beside, in_force_since=since).details()
        return self._open(session_id, SessionKind.POLICY, policy.name, details, trigger=trigger)

    def start_archive(self, session_id: str, policy: Ec2Policy, trigger: str = PERSON) -> Session:
        """Open and start a run of its archive; one that is there already goes on."""
        since = self._records.policies.get(policy.name).in_force_since
        details = TaskOrder(policy, (ARCHIVE,), in_force_since=since).details()
        return self._open(session_id, SessionKind.ARCHIVE, policy.name, details, trigger=trigger)

    def stop_policy(self, name: str) -> list[Session]:
        """Cancel what runs of it."""
        self._records.policies.get(name)
        return [self._cancel(session.id).session for session in self._running(name, _RUNS)]

    def enable_policy(self, name: str, enabled: bool) -> StoredPolicy:
        """Whether its schedule counts."""
        self._records.policies.enable(name, enabled, self._surface.surroundings.now())
        return self._records.policies.get(name)

    def take_snapshot(
        self, account: str, region: str, instance_id: str, destination: SnapshotPlace | None = None
    ) -> Session:
        """Snapshots of one instance, outside of any policy; no retention removes them (E05). With a destination they
        are kept there, and none stays here.
        """
        self._records.accounts.get(account)
        if not is_region(region) or not is_instance_id(instance_id):
            raise UsageError(
                f"{instance_id} in {region} cannot be meant",
                why="an instance is named like i-0123456789abcdef0, a region like eu-central-1",
                cure="look the ids up in the console of AWS",
            )
        wish = Ec2Policy(
            name=instance_id,
            account=account,
            regions=(region,),
            select=Selection(ids=(instance_id,)),
            snapshot=SnapshotTarget(keep=1),
        )
        if destination is not None:
            self._check_destination(destination, account, region)
        details = TaskOrder(wish, (SNAPSHOT,), manual=True, destination=destination).details()
        return self._open(self._new_session(), SessionKind.MANUAL_SNAPSHOT, instance_id, details)

    def _let_go(self, stored: StoredPolicy) -> set[str]:
        """The ids of the points that retention would remove now."""
        return {one.point.id for one in self._workflows.retention.verdicts(stored) if not one.keep}

    def _check_destination(self, destination: SnapshotPlace, account: str, region: str) -> None:
        self._records.accounts.get(destination.account)
        if not is_region(destination.region):
            raise UsageError(
                f"{destination.region} is no region",
                why="a region is named like eu-central-1",
                cure="look it up in AWS",
            )
        same_account = self._surface.tenant(destination.account) == self._surface.tenant(account)
        if same_account and destination.region == region:
            raise UsageError(
                f"{region} of {account} is where the snapshot is taken",
                why="a copy beside the original protects from nothing",
                cure="name another region or account, or none",
            )

    def limits(self) -> list[LaneState]:
        """Each limit and what it does now."""
        return self._surface.engine().lane_states()

    def _check_repositories(self, policy: Ec2Policy) -> list[str]:
        """That backups are kept where they can be read, and archives where that is cheap; warnings."""
        if policy.backup is None:
            return []
        with self._surface.repositories.open(policy.backup.repository) as repository:
            if repository.archive_class is not None:
                raise UsageError(
                    f"spec.backup.repository: {policy.backup.repository} is an archive",
                    why="backups are built upon what can be read at once",
                    cure="name a repository of class standard, and this one as spec.archive.repository",
                )
        if policy.archive is None:
            return []
        with self._surface.repositories.open(policy.archive.repository) as repository:
            archive_class = repository.archive_class
        if archive_class is None:
            raise UsageError(
                f"spec.archive.repository: {policy.archive.repository} is no archive",
                why="it is of class standard: what lies there costs as much as the backups do",
                cure="make one of class archive (docs/archive.md), and name it",
            )
        return [
            f"{path}: less than the {archive_class.least_storage.days} days that AWS charges {archive_class} for"
            for path in archives_shorter_than(policy.archive, archive_class.least_storage)
        ]

    def _running(self, name: str, kinds: tuple[SessionKind, ...]) -> list[Session]:
        return [
            session
            for session in self._records.sessions.unfinished()
            if session.kind in kinds and session.subject == name
        ]

    def _check_idle(self, name: str, *kinds: SessionKind) -> None:
        running = self._running(name, kinds)
        if running:
            raise ConflictError(
                f"policy {name} runs",
                why=f"session {running[0].id} has not ended",
                cure="wait for it, or stop it: holdfast policy stop",
            )


def _targets_of(policy: Ec2Policy) -> tuple[str, ...]:
    named = ((SNAPSHOT, policy.snapshot), (BACKUP, policy.backup), (ARCHIVE, policy.archive))
    return tuple(name for name, target in named if target is not None)
