"""Repositories by name: kept here with their sealed passwords, and known to every appliance.

An appliance opens a repository before it takes it on; one that cannot be reached gets it when it is back.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import quote

from holdfast.domain.errors import (
    ConflictError,
    HoldfastError,
    NotFoundError,
    PluginMissingError,
    UnavailableError,
    UsageError,
)
from holdfast.domain.identifiers import checked_name
from holdfast.domain.infrastructure import Appliance, ApplianceState, RepositoryDefinition
from holdfast.domain.secret_box import SecretBox
from holdfast.patience import in_turn
from holdfast.protocol.appliance_answers import RepositoryOrder, RepositoryRescanned, RepositoryRescanOrder
from holdfast.protocol.encoding import from_document, to_document
from holdfast.server.connections import ApplianceConnections
from holdfast.server.points_elsewhere import PointsElsewhere, orders_without
from holdfast.server.ports.records import Records

_PURPOSE = "repository password"


class RepositoryShelf:
    """Keeps repositories and hands them to appliances."""

    def __init__(self, records: Records, connections: ApplianceConnections, box: SecretBox) -> None:
        self._records = records
        self._connections = connections
        self._box = box
        self._elsewhere = PointsElsewhere(records, connections)
        # Opening takes its time: what is read, pushed and written of a repository, one does at a time. Else what was
        # replaced or removed meanwhile would come back.
        self._lock = threading.Lock()
        self._turns: dict[str, threading.Lock] = {}

    def put(self, order: RepositoryOrder) -> RepositoryDefinition:
        """Add or replace; the password None keeps the one that is there. The first refusal of an appliance that can be
        reached is the answer; then nothing is kept, and who took it on before is given back what it had.
        """
        definition = order.repository
        checked_name(definition.name, "a repository")
        if definition.kms and order.password is not None:
            raise UsageError(
                f"repository {definition.name} has two ways in",
                why="a KMS key slot opens it, and a password is given",
                cure="give one of them",
            )
        with self._turn(definition.name):
            definition = replace(definition, seen=self._seen(definition))
            complete = RepositoryOrder(definition, order.password or self._password(definition))
            told: list[Appliance] = []
            for appliance in self._records.appliances.all():
                if appliance.state != ApplianceState.AVAILABLE:
                    continue
                try:
                    complete = replace(complete, repository=self._push(appliance, complete))
                except HoldfastError as error:
                    # Who did not answer may have taken it on, too.
                    may_have_it = [*told, appliance] if isinstance(error, UnavailableError) else told
                    error.why = "; ".join([error.why, *self._taken_back(definition.name, may_have_it)])
                    raise
                told.append(appliance)
            password = complete.password
            sealed = self._box.seal(password.encode(), _PURPOSE) if password is not None else None
            self._records.repositories.put(complete.repository, sealed)
            return complete.repository

    def push_all(self, appliance: Appliance) -> dict[str, HoldfastError]:
        """Let an appliance know all of them; what it refuses, by name: that keeps it from none of the rest."""
        refused: dict[str, HoldfastError] = {}
        for definition in self._records.repositories.all():
            try:
                self._push_kept(appliance, definition.name)
            except UnavailableError as error:
                return refused | {definition.name: error}
            except HoldfastError as error:
                refused[definition.name] = error
        return refused

    def rescan(self, name: str, appliance: Appliance, *, accept_ledger: bool = False) -> RepositoryRescanned:
        """Let an appliance open it again, and take on the restore points that it finds there, but for those that other
        appliances have. `accept_ledger`: what is there now is right, though it was set back or replaced since that
        appliance saw it.
        """
        self._records.repositories.get(name)
        if accept_ledger:
            self._connections.send(appliance, "POST", f"{_path_of(name)}/accept")
        with self._turn(name):
            definition = self._records.repositories.get(name)
            if accept_ledger:
                definition = replace(definition, seen="")
            opened = self._push(appliance, RepositoryOrder(definition, self._password(definition)))
            self._records.repositories.put(opened, None)
        elsewhere = self._elsewhere.of_others(appliance)
        parts = [self._rescanned(appliance, name, order) for order in orders_without(elsewhere.ids)]
        return RepositoryRescanned(
            name,
            sum(part.points for part in parts),
            sum(part.added for part in parts),
            tuple(dict.fromkeys([*elsewhere.warnings, *(line for part in parts for line in part.warnings)])),
            sum(part.elsewhere for part in parts),
        )

    def remove(self, name: str, *, forget_points: bool) -> None:
        """Forget it, here and on every appliance; its contents stay. All are asked before one forgets anything, because
        points that are forgotten do not come back by themselves. Raises UnavailableError where one is not there,
        ConflictError where one needs it, NotFoundError where nobody knows it: an appliance may have kept one that the
        server does not.
        """
        path, query = _path_of(name), {"forget_points": "true"} if forget_points else None
        with self._turn(name):
            kept = self._kept(name)
            appliances = self._records.appliances.all()
            if kept is None:
                appliances = [one for one in appliances if one.state == ApplianceState.AVAILABLE]
            asked = [self._knows(one, "POST", f"{path}/check-removal", query) for one in appliances]
            forgotten: list[Appliance] = []
            for appliance in appliances:
                try:
                    if self._knows(appliance, "DELETE", path, query):
                        forgotten.append(appliance)
                except ConflictError:
                    # It has begun to need it since it was asked.
                    if kept is not None:
                        for one in forgotten:
                            self._push(one, kept)
                    raise
            if kept is not None or not any(asked):
                self._records.repositories.remove(name)  # and where nobody knows it, this says so

    @contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        with self._lock:
            turn = self._turns.setdefault(name, threading.Lock())
        with in_turn(turn, f"appliances are being told of repository {name}, which is waited for"):
            yield

    def _knows(self, appliance: Appliance, method: str, path: str, query: dict[str, str] | None) -> bool:
        """Tell it; whether it knows the repository: it may have refused it, or have forgotten it before."""
        try:
            self._connections.send(appliance, method, path, query=query)
        except PluginMissingError:
            raise
        except NotFoundError:
            return False
        return True

    def _taken_back(self, name: str, appliances: list[Appliance]) -> list[str]:
        """Each of them is to have what the server has: what was there before, or none; who may have the other one."""
        before, left = self._kept(name), []
        for one in appliances:
            try:
                if before is not None:
                    self._push(one, before)
                else:
                    self._knows(one, "DELETE", _path_of(name), None)
            except HoldfastError as error:
                left.append(f"appliance {one.name} may keep it: {error.what}")
        return left

    def _push_kept(self, appliance: Appliance, name: str) -> None:
        """As it is now: it may have been changed since it was listed, or removed."""
        with self._turn(name):
            kept = self._kept(name)
            if kept is None:
                return
            opened = self._push(appliance, kept)
            if opened != kept.repository:  # the first that opened it says which repository it is
                self._records.repositories.put(opened, None)

    def _kept(self, name: str) -> RepositoryOrder | None:
        """What the server has."""
        try:
            definition = self._records.repositories.get(name)
        except NotFoundError:
            return None
        return RepositoryOrder(definition, self._password(definition))

    def _rescanned(self, appliance: Appliance, name: str, order: RepositoryRescanOrder) -> RepositoryRescanned:
        answer = self._connections.send(appliance, "POST", f"{_path_of(name)}/rescan", to_document(order))
        return from_document(RepositoryRescanned, answer, f"what repository {name} holds")

    def _push(self, appliance: Appliance, order: RepositoryOrder) -> RepositoryDefinition:
        name = order.repository.name
        answer = self._connections.send(appliance, "PUT", _path_of(name), to_document(order))
        return from_document(RepositoryDefinition, answer, f"repository {name}") if answer else order.repository

    def _seen(self, definition: RepositoryDefinition) -> str:
        """How appliances saw it where it lies: the server is their witness, and a new one's memory."""
        known = {one.name: one for one in self._records.repositories.all()}.get(definition.name)
        return known.seen if known is not None and known.location == definition.location else ""

    def _password(self, definition: RepositoryDefinition) -> str | None:
        if definition.kms or definition.name not in {known.name for known in self._records.repositories.all()}:
            return None
        sealed = self._records.repositories.sealed_password(definition.name)
        return self._box.open(sealed, _PURPOSE).decode() if sealed is not None else None


def _path_of(name: str) -> str:
    """Of an appliance; a name that a person gives may be none."""
    return f"/repositories/{quote(name, safe='')}"
