"""Accounts and repositories that the appliance works with."""

import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from holdfast.appliance.care.verify_task import VerifyOrder
from holdfast.appliance.desk.desk import Desk
from holdfast.appliance.ports.repositories import Examined
from holdfast.appliance.sessions.lanes import set_repository_limit
from holdfast.domain.errors import ConflictError, NotFoundError, PermissionDeniedError, UsageError, WrongKeyError
from holdfast.domain.history import ROWS_AT_ONCE, in_portions
from holdfast.domain.identifiers import checked_name
from holdfast.domain.infrastructure import Account, RepositoryDefinition
from holdfast.domain.numerals import counted
from holdfast.domain.session import SessionKind
from holdfast.protocol.appliance_answers import AccountCheck

PASSWORD_PURPOSE = "repository password"  # noqa: S105 - what it is sealed for, not a password
_TASK_LIMIT = 256
_ACTION = re.compile(r"\b[a-z0-9-]+:[A-Z][A-Za-z]+")


class Infrastructure(Desk):
    """Registered things, by name."""

    def put_account(self, account: Account) -> Account:
        """Add or replace, when it can be worked in; what is handed back, and listed, is without the external id. A name
        stands for one AWS account: restore points name it.
        """
        checked_name(account.name, "an account")
        account_id = self._surface.cloud.identity(account)
        if account.account_id and account.account_id != account_id:
            raise ConflictError(
                f"account {account.name} is {account_id}",
                why=f"it was said to be {account.account_id}",
                cure="name the right role, or leave the account id out",
            )
        before = next((one.account_id for one in self._records.accounts.all() if one.name == account.name), "")
        _check_the_same(f"account {account.name}", before, account_id)
        return self._surface.put_account(replace(account, account_id=account_id))

    def list_accounts(self) -> list[Account]:
        """By name."""
        return self._records.accounts.all()

    def get_account(self, name: str) -> Account:
        """One."""
        return self._records.accounts.get(name)

    def remove_account(self, name: str) -> None:
        """Not while a policy or a restore point names it."""
        self._records.accounts.get(name)
        what = f"account {name}"
        _check_unnamed(what, [one.policy.name for one in self._records.policies.all() if one.policy.account == name])
        points = self._records.points.count_naming(account=name)
        points += sum(one.workload.account == name for one in self._records.open_backups.all())
        if points:
            raise ConflictError(
                f"{what} is in use",
                why=f"without it {counted(points, 'listed restore point')} of it could not be restored or removed",
                cure="delete these first: holdfast point delete",
            )
        self._surface.remove_account(name)

    def check_account(self, name: str) -> AccountCheck:
        """Who answers in it, and which actions that only read are denied there; what writes is not tried."""
        account = self._surface.account(name)
        try:
            account_id = self._surface.cloud.identity(account)
        except PermissionDeniedError:
            return AccountCheck(name, account.account_id, ("sts:AssumeRole",))
        return AccountCheck(name, account_id, tuple(sorted(self._denied(account))))

    def _denied(self, account: Account) -> set[str]:
        region = self._surface.region
        probes: tuple[Callable[[], object], ...] = (
            lambda: next(iter(self._surface.cloud.compute(account, region).instances()), None),
            lambda: next(iter(self._surface.cloud.belongings(account, region).owned()), None),
        )
        denied = set()
        for probe in probes:
            try:
                probe()
            except PermissionDeniedError as error:
                denied.add(_action_in(f"{error.what} {error.why}"))
        return denied

    def put_repository(self, repository: RepositoryDefinition, password: str | None) -> RepositoryDefinition:
        """Add or replace, when it opens. A name stands for one repository, wherever it lies: points name it."""
        checked_name(repository.name, "a repository")
        if not 1 <= repository.task_limit <= _TASK_LIMIT:
            raise UsageError(
                f"a task limit of {repository.task_limit}", why=f"it is 1 to {_TASK_LIMIT}", cure="choose another"
            )
        plain = None if password is None else password.encode()
        examined = self._examined(repository, plain)
        known = replace(repository, repository_id=examined.repository_id, seen=examined.seen)
        before = next((one for one in self._records.repositories.all() if one.name == known.name), known)
        _check_the_same(f"repository {known.name}", before.repository_id, known.repository_id)
        self._records.repositories.put(known, None if plain is None else self._sealed(known.name, plain))
        set_repository_limit(self._surface.engine(), known)
        return known

    def _examined(self, repository: RepositoryDefinition, password: bytes | None) -> Examined:
        try:
            return self._surface.repositories.examine(repository.location, password, repository.seen)
        except WrongKeyError:
            raise
        except PermissionDeniedError as error:
            cure = "holdfast plugin install aws --set repositories=BUCKET/PREFIX,…"
            raise PermissionDeniedError(
                error.what, why=error.why, cure=f"name every repository of deployed appliances to the plug-in: {cure}"
            ) from error

    def _sealed(self, name: str, password: bytes) -> bytes:
        """As it is kept already, where that is the same: a server tells it again and again, and no seal is like another
        one.
        """
        if name in {one.name for one in self._records.repositories.all()}:
            kept = self._records.repositories.sealed_password(name)
            if kept is not None and self._surface.secrets.open(kept, PASSWORD_PURPOSE) == password:
                return kept
        return self._surface.secrets.seal(password, PASSWORD_PURPOSE)

    def list_repositories(self) -> list[RepositoryDefinition]:
        """By name."""
        return self._records.repositories.all()

    def get_repository(self, name: str) -> RepositoryDefinition:
        """One; never its password."""
        return self._records.repositories.get(name)

    def accept_repository(self, name: str) -> None:
        """A person said that it is right as it is now, though it was set back or replaced."""
        self._surface.repositories.accept(name)

    def check_repository_removal(self, name: str, forget_points: bool) -> None:
        """Whether it may be removed, and nothing else: not while a policy names it, or work goes on in it. Restore
        points that lie there hold it, too, unless they are to be forgotten.
        """
        self._records.repositories.get(name)
        what = f"repository {name}"
        users = [one.policy.name for one in self._records.policies.all() if name in one.policy.repositories]
        _check_unnamed(what, users)
        self._check_nothing_works_in(name)
        points = self._records.points.count_naming(repository=name)
        if points and not forget_points:
            raise ConflictError(
                f"{what} is in use",
                why=f"without it {counted(points, 'listed restore point')} in it could not be restored",
                cure="delete these first, or add --forget-points: they stay in the repository, and a rescan finds them",
            )

    def remove_repository(self, name: str, forget_points: bool = False) -> None:
        """Where it may be; its contents stay. Base snapshots that only its restore points named go with the reaper."""
        self.check_repository_removal(name, forget_points)
        in_portions(partial(self._records.points.forget_in, name), ROWS_AT_ONCE)
        self._records.repositories.remove(name)

    def _repositories_of(self, points: Iterable[str]) -> set[str | None]:
        found = set()
        for point_id in points:
            with suppress(NotFoundError):
                found.add(self._records.points.get(point_id).repository)
        return found

    def _check_nothing_works_in(self, repository: str) -> None:
        """Neither a backup that may still become a point there, nor a session about it or one of its points."""
        backups = [one for one in self._records.open_backups.all() if one.set_aside is None]
        ids = [one.session_id for one in backups if repository in one.repositories]
        for session in self._records.sessions.unfinished():
            if session.kind in (SessionKind.RESTORE, SessionKind.DELETE_POINT):
                with suppress(NotFoundError):
                    if self._records.points.get(session.subject).repository == repository:
                        ids.append(session.id)
            elif session.kind == SessionKind.VERIFY:
                points = VerifyOrder.of(self._records.sessions.details(session.id)).points.values()
                ids += [session.id] if repository in self._repositories_of(points) else []
            elif session.kind in (SessionKind.COLLECT_GARBAGE, SessionKind.LOOK_FOR_GARBAGE):
                ids += [session.id] if session.subject == repository else []
        if ids:
            raise ConflictError(
                f"repository {repository} is in use",
                why=f"session {ids[0]} works in it, or has not seen the end of its backup",
                cure="wait for it: holdfast session watch",
            )


def _action_in(text: str) -> str:
    """The action that a refusal names (`ec2:DescribeInstances`), or all that it says."""
    found = _ACTION.search(text)
    return text if found is None else found[0]


def _check_unnamed(what: str, users: list[str]) -> None:
    if users:
        raise ConflictError(
            f"{what} is in use",
            why=f"policies name it: {', '.join(sorted(users))}",
            cure="change or remove these first",
        )


def _check_the_same(what: str, before: str, now: str) -> None:
    """Under the name of another one, restore points would be looked for where they are not, and taken for gone."""
    if before and before != now:
        raise ConflictError(
            f"{what} is {before}, and what was named now is {now}",
            why="restore points name it, and would be looked for in the other one",
            cure="give the other one a name of its own",
        )
