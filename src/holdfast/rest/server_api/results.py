"""Routes: sessions and restore points of every appliance, and the server's own sessions."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import StreamingResponse

from holdfast.domain.session import LogLine
from holdfast.protocol.appliance_answers import SessionDetail
from holdfast.protocol.encoding import to_document
from holdfast.rest.authentication import Permission
from holdfast.rest.events import EventStreams
from holdfast.rest.routes import Before, Door, Limit, Page, page_of
from holdfast.rest.server_api.orders import PointView, SessionView
from holdfast.server.service import ManagementServer

OfAppliance = Annotated[str | None, Query(description="Only of this appliance; empty: the server's own.")]
LogAfter = Annotated[int, Query(ge=0, description="The last line that is known.")]


def add_results(door: Door, server: ManagementServer, streams: EventStreams) -> None:
    """Add them."""
    _add_sessions(door, server, streams)
    _add_points(door, server)


def _add_sessions(door: Door, server: ManagementServer, streams: EventStreams) -> None:
    def list_sessions(
        before: Before = None,
        limit: Limit = 100,
        appliance: OfAppliance = None,
        kind: Annotated[str | None, Query(description="Only of this kind.")] = None,
        subject: Annotated[
            str | None, Query(description="Only of this policy, point, repository, appliance or plug-in.")
        ] = None,
    ) -> Page:
        """Sessions of all appliances and of the server, newest first; each says whose it is."""
        found = server.list_sessions(before=before, limit=limit, appliance=appliance, kind=kind, subject=subject)
        return page_of([to_document(one.session) | {"appliance": one.appliance} for one in found], limit)

    def get_session(session_id: str) -> SessionView:
        """A session with its tasks, by id or unique prefix; `appliance` says whose it is, `as_of` when it was heard of
        last, where that cannot be asked now.
        """
        owner, detail, as_of = server.get_session(session_id)
        return SessionView(detail.session, detail.tasks, owner, as_of)

    def get_session_log(session_id: str, after: LogAfter = 0, limit: Limit = 1000) -> list[LogLine]:
        """A session's log, oldest line first."""
        return server.session_log(session_id, after, limit)

    def cancel_session(session_id: str) -> SessionDetail:
        """Ask for a session's end."""
        return server.cancel_session(session_id)

    def get_session_events(session_id: str) -> StreamingResponse:
        """Follow a session until it ends: events `session` (its detail) and `log` (a line of its log)."""
        owned_id = server.get_session(session_id)[1].session.id

        def begin() -> Iterator[tuple[str, Any]]:
            return server.watch_session(owned_id)

        return streams.response(begin)

    door.add("GET", "/sessions", Permission.ADMINISTRATOR, list_sessions)
    door.add("GET", "/sessions/{session_id}", Permission.ADMINISTRATOR, get_session)
    door.add("GET", "/sessions/{session_id}/log", Permission.ADMINISTRATOR, get_session_log)
    door.add("POST", "/sessions/{session_id}/cancel", Permission.ADMINISTRATOR, cancel_session)
    door.add("GET", "/sessions/{session_id}/events", Permission.ADMINISTRATOR, get_session_events)


def _add_points(door: Door, server: ManagementServer) -> None:
    def list_points(
        before: Before = None,
        limit: Limit = 100,
        appliance: OfAppliance = None,
        workload: Annotated[str | None, Query(description="Only of the workload with this id.")] = None,
    ) -> Page:
        """Restore points of all appliances, newest first; each says whose it is."""
        found = server.list_points(before=before, limit=limit, appliance=appliance, workload_id=workload)
        items = [to_document(one.point) | {"appliance": one.appliance} for one in found]
        return Page(items, found[-1].place if len(found) == limit else None)

    def get_point(point_id: str, appliance: OfAppliance = None) -> PointView:
        """A restore point and how its workload was made up, without its user data; by id or unique prefix."""
        owner, detail = server.get_point(point_id, appliance)
        return PointView(detail.point, detail.configuration, owner)

    door.add("GET", "/points", Permission.ADMINISTRATOR, list_points)
    door.add("GET", "/points/{point_id}", Permission.ADMINISTRATOR, get_point)
