"""Everything that can be asked of a management server, in one place; `rest/server_api/` is made of it.

What appliances do is asked of them: `ask_appliance` passes a request on and gives back what they answer. Lists of
sessions and restore points come from the mirror, so that they are there when an appliance is not.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from holdfast import __version__
from holdfast.domain.errors import (
    CertificateError,
    ConflictError,
    NotAuthenticatedError,
    NotFoundError,
    UnavailableError,
)
from holdfast.domain.infrastructure import Appliance, ApplianceState, RepositoryDefinition
from holdfast.domain.session import LogLine, Session
from holdfast.plugin_api import ConnectOrder, DeployOrder
from holdfast.protocol.appliance_answers import (
    API_VERSION,
    ChangePage,
    PointDetail,
    RepositoryOrder,
    RepositoryRescanned,
    SessionDetail,
)
from holdfast.protocol.encoding import from_document, to_document
from holdfast.server.composition import Parts
from holdfast.server.plugins import PluginReport
from holdfast.server.ports.records import ListedPoint, ListedSession
from holdfast.server.tokens import Principal

DEFAULT_PLUGIN = "aws"
_WATCH_SECONDS = 0.5
_LOG_LIMIT = 1000
# What is asked for meets it at an appliance that cannot be reached, shows another certificate, or obeys another server:
# what the mirror has of it can be shown all the same.
_AWAY = (UnavailableError, CertificateError, ConflictError, NotAuthenticatedError)


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """Who a server is."""

    server_id: str
    version: str
    api: int


class ManagementServer:
    """The use cases of a management server. Threads may share it."""

    def __init__(self, parts: Parts) -> None:
        """Made by `composition.compose`."""
        self._parts = parts
        self._records = parts.records

    def prepare(self) -> None:
        """Find what was cut short: before anybody may ask for anything, for what begins then is not."""
        self._parts.recovery.look()

    def start(self) -> None:
        """Take up what was running, and clean what `prepare` has found."""
        self._parts.register.follow_all()
        self._parts.supervisor.start()
        self._parts.recovery.start()
        self._parts.pruning.start()

    def stop(self) -> None:
        """End the services and the connections."""
        self._parts.sessions.stop()
        self._parts.supervisor.stop()
        self._parts.connections.close()

    def facts(self) -> ServerFacts:
        """Who this server is."""
        return ServerFacts(self._parts.identity.server_id, __version__, API_VERSION)

    def authenticate(self, token: str) -> Principal:
        """Who shows this bearer token. Raises NotAuthenticatedError."""
        return self._parts.tokens.authenticate(token)

    # ------------------------------------------------------------------------------------------------------- plug-ins

    def list_plugins(self) -> list[PluginReport]:
        """Every plug-in that is here, with its services and what it has put somewhere."""
        return self._parts.plugins.reports()

    def install_plugin(self, name: str, source: str | None, options: Mapping[str, str]) -> Session:
        """Install a plug-in and what it needs."""
        return self._parts.installation.install(name, source, options)

    def remove_plugin(self, name: str) -> Session:
        """Take a plug-in away, and what it has installed."""
        return self._parts.installation.remove(name)

    # ----------------------------------------------------------------------------------------------------- appliances

    def list_appliances(self) -> list[Appliance]:
        """By name."""
        return self._records.appliances.all()

    def get_appliance(self, name: str) -> Appliance:
        """Raises NotFoundError."""
        return self._records.appliances.get(name)

    def deploy_appliance(
        self, order: DeployOrder, options: Mapping[str, str] | None = None, plugin: str = DEFAULT_PLUGIN
    ) -> Session:
        """Launch a new one."""
        return self._parts.deployments.deploy(order, plugin, options or {})

    def connect_appliance(self, order: ConnectOrder, plugin: str = DEFAULT_PLUGIN) -> Appliance:
        """Take on one that runs."""
        return self._parts.register.connect(order, plugin)

    def accept_certificate(self, name: str, fingerprint: str) -> Appliance:
        """The certificate that it offers now, which has this SHA-256, is right."""
        return self._parts.register.accept_certificate(name, fingerprint)

    def rescan_appliance(self, name: str) -> Appliance:
        """Collect anew what it knows."""
        return self._parts.register.rescan(name)

    def check_is_lost(self, appliance_id: str) -> None:
        """Nobody takes over the points of an appliance that this server has. Raises ConflictError."""
        for one in self._records.appliances.all():
            if one.appliance_id == appliance_id:
                raise ConflictError(
                    f"appliance {appliance_id} is {one.name}, and is not lost",
                    why="two appliances that keep the points of one policy would each remove what the other keeps",
                    cure=f"when it is no more: holdfast appliance remove {one.name}",
                )

    def remove_appliance(self, name: str, *, delete: bool) -> Session:
        """Let go of it."""
        return self._parts.deployments.remove(name, delete=delete)

    # --------------------------------------------------------------------------------------------- asked of appliances

    def ask_appliance(
        self,
        appliance: str | None,
        method: str,
        path: str,
        document: object = None,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """Pass a request on: accounts, policies, snapshots, restores, limits, deletion of points (docs/rest.md).

        `appliance` None: the only one. Raises what the appliance answers, UnavailableError, CertificateError, …
        """
        return self._parts.connections.send(self._parts.connections.chosen(appliance), method, path, document, query)

    # --------------------------------------------------------------------------------------------------- repositories

    def put_repository(self, order: RepositoryOrder) -> RepositoryDefinition:
        """Keep it, and let every appliance know it."""
        kept = self._parts.repositories.put(order)
        self._parts.register.tell_again()
        return kept

    def list_repositories(self) -> list[RepositoryDefinition]:
        """By name."""
        return self._records.repositories.all()

    def get_repository(self, name: str) -> RepositoryDefinition:
        """Raises NotFoundError."""
        return self._records.repositories.get(name)

    def rescan_repository(
        self, name: str, appliance: str | None = None, *, accept_ledger: bool = False
    ) -> RepositoryRescanned:
        """Let an appliance (None: the only one) open it again and take on the restore points that are found in it."""
        chosen = self._parts.connections.chosen(appliance)
        return self._parts.repositories.rescan(name, chosen, accept_ledger=accept_ledger)

    def remove_repository(self, name: str, *, forget_points: bool = False) -> None:
        """Forget it; its contents stay. Refused while restore points in it are listed, unless these are forgotten."""
        self._parts.repositories.remove(name, forget_points=forget_points)
        self._parts.register.tell_again()

    # ------------------------------------------------------------------------------------------- sessions and points

    def list_sessions(
        self,
        *,
        before: str | None = None,
        limit: int = 100,
        appliance: str | None = None,
        kind: str | None = None,
        subject: str | None = None,
    ) -> list[ListedSession]:
        """Newest first, of every appliance and of the server itself."""
        return self._records.mirror.sessions(
            before=before, limit=limit, appliance=appliance, kind=kind, subject=subject
        )

    def get_session(self, session_id: str) -> tuple[str, SessionDetail, datetime | None]:
        """Whose it is (empty: the server's) and how it stands: from its appliance, or, when that is away, the mirror;
        then since when nothing was heard of it.
        """
        owner, detail = self._session(session_id)
        if owner and not detail.session.state.final:
            try:
                answer = self.ask_appliance(owner, "GET", f"/sessions/{detail.session.id}")
            except _AWAY:
                return owner, detail, self._records.appliances.get(owner).synced_at
            detail = from_document(SessionDetail, answer, "the session")
        return owner, detail, None

    def session_log(self, session_id: str, after: int = 0, limit: int = _LOG_LIMIT) -> list[LogLine]:
        """Its log, after line `after`. Raises UnavailableError while its appliance is away."""
        owner, detail = self._session(session_id)
        if not owner:
            return self._records.sessions.lines(detail.session.id, after, limit)
        query = {"after": str(after), "limit": str(limit)}
        answer = self.ask_appliance(owner, "GET", f"/sessions/{detail.session.id}/log", query=query)
        lines = answer["items"] if isinstance(answer, Mapping) else answer
        return [from_document(LogLine, line, "a line of the log") for line in lines]

    def cancel_session(self, session_id: str) -> SessionDetail:
        """Ask for its end; how it stands now."""
        owner, detail = self._session(session_id)
        if not owner:
            self._records.sessions.request_cancel(detail.session.id)
            return self._records.mirror.session(detail.session.id)[1]
        self.ask_appliance(owner, "POST", f"/sessions/{detail.session.id}/cancel")
        return self.get_session(detail.session.id)[1]

    def watch_session(self, session_id: str) -> Iterator[tuple[str, Any]]:
        """(`session` or `log`, document) as it goes on, until it has ended; `still-here` between them."""
        owner, detail = self._session(session_id)
        if owner:
            appliance = self._records.appliances.get(owner)
            for event in self._parts.connections.events(appliance, f"/sessions/{detail.session.id}/events"):
                yield str(event["type"]), event["document"]
            return
        after, shown = 0, None
        while True:
            detail = self._records.mirror.session(detail.session.id)[1]
            lines = self._records.sessions.lines(detail.session.id, after, _LOG_LIMIT)
            for line in lines:
                after = line.sequence
                yield "log", to_document(line)
            if len(lines) == _LOG_LIMIT:
                continue
            if detail != shown:
                shown = detail
                yield "session", to_document(detail)
            yield "still-here", None  # nobody may listen any more: then it ends here
            if detail.session.state.final or self._parts.surroundings.wait(_WATCH_SECONDS):
                return

    def _session(self, session_id: str) -> tuple[str, SessionDetail]:
        """Whose it is and how it stood: by the mirror, or, began a moment ago, by the appliance that has it."""
        try:
            return self._records.mirror.session(session_id)
        except NotFoundError as unknown:
            owner, answer = self._asked_for("sessions", session_id, None, unknown)
            return owner, from_document(SessionDetail, answer, "the session")

    def _asked_for(self, kind: str, id_: str, appliance: str | None, unknown: NotFoundError) -> tuple[str, Any]:
        """Whose it is and what its appliance says: the mirror follows a moment behind, and whoever has read an id in a
        session asks at once. Raises `unknown` where nobody knows it.
        """
        for one in self._records.appliances.all():
            if one.state == ApplianceState.AVAILABLE and appliance in (None, one.name):
                with suppress(NotFoundError, *_AWAY):
                    return one.name, self.ask_appliance(one.name, "GET", f"/{kind}/{quote(id_, safe='')}")
        raise unknown

    def list_points(
        self,
        *,
        before: str | None = None,
        limit: int = 100,
        appliance: str | None = None,
        workload_id: str | None = None,
    ) -> list[ListedPoint]:
        """Newest first, of every appliance."""
        return self._records.mirror.points(before=before, limit=limit, appliance=appliance, workload_id=workload_id)

    def get_point(self, point_id: str, appliance: str | None = None) -> tuple[str, PointDetail]:
        """Whose it is and what it holds. While its appliance is away, without how its workload was made up."""
        try:
            listed = self._records.mirror.point(point_id, appliance)
        except NotFoundError as unknown:
            self._parts.connections.check_cloud()
            owner, answer = self._asked_for("points", point_id, appliance, unknown)
            return owner, from_document(PointDetail, answer, "the restore point")
        try:
            answer = self.ask_appliance(listed.appliance, "GET", f"/points/{listed.point.id}")
        except _AWAY:
            return listed.appliance, PointDetail(listed.point, {})
        return listed.appliance, from_document(PointDetail, answer, "the restore point")

    # -------------------------------------------------------------------------------------------- told by services

    def sync(self, appliance: str, page: ChangePage) -> int:
        """Take over a page of an appliance's changes; the number reached."""
        return self._parts.register.synced(appliance, page)

    def synced_usn(self, appliance: str) -> int:
        """The number reached."""
        return self._records.mirror.synced_usn(appliance)

    def report(self, appliance: str, state: ApplianceState, reason: str, offered_certificate: str | None) -> Appliance:
        """What a service found out about its appliance."""
        return self._parts.register.told(appliance, state, reason, offered_certificate)
