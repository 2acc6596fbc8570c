"""Routes: sessions, restore points, restores, changes."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Depends, Query
from fastapi.responses import StreamingResponse

from holdfast.domain.restore import InstanceRestore, RestorePlan, VolumeRestore
from holdfast.domain.session import LogLine, Session
from holdfast.protocol.appliance_answers import ChangePage, PointDetail, SessionDetail, SnapshotsRescanned
from holdfast.protocol.encoding import to_documents
from holdfast.rest.appliance_api.orders import SnapshotRescanOrder, VerifyOrder
from holdfast.rest.appliance_api.use_cases import Results
from holdfast.rest.appliance_api.watching import watch
from holdfast.rest.authentication import Permission
from holdfast.rest.events import EventStreams
from holdfast.rest.routes import Before, Body, Door, Limit, Page, page_of

LogAfter = Annotated[int, Query(ge=0, description="The last line that is known.")]
WaitSeconds = Annotated[float, Query(ge=0, le=60, description="How long to wait for a first change.")]
InstanceOrder = Annotated[InstanceRestore, Depends(Body(InstanceRestore, "the restore"))]
RescanOrder = Annotated[SnapshotRescanOrder, Depends(Body(SnapshotRescanOrder, "the order"))]
Verification = Annotated[VerifyOrder, Depends(Body(VerifyOrder, "the order"))]
VolumeOrder = Annotated[VolumeRestore, Depends(Body(VolumeRestore, "the restore"))]


def add_results(door: Door, appliance: Results, streams: EventStreams, poll_seconds: float) -> None:
    """Add them."""
    _add_sessions(door, appliance, streams, poll_seconds)
    _add_points(door, appliance)
    _add_restores(door, appliance)

    def get_changes(
        after: Annotated[int, Query(ge=0, description="The last number that is known.")] = 0,
        limit: Limit = 500,
        wait_seconds: WaitSeconds = 0.0,
    ) -> ChangePage:
        """What changed after that number, in order; of one object only its latest change."""
        return appliance.changes(after, limit, wait_seconds)

    door.add("GET", "/changes", Permission.OWNER, get_changes)


def _add_sessions(door: Door, appliance: Results, streams: EventStreams, poll_seconds: float) -> None:
    def list_sessions(
        before: Before = None,
        limit: Limit = 100,
        kind: Annotated[str | None, Query(description="Only of this kind.")] = None,
        subject: Annotated[
            str | None, Query(description="Only of this policy, point, repository or appliance.")
        ] = None,
    ) -> Page:
        """Sessions, newest first."""
        found = appliance.list_sessions(before=before, limit=limit, kind=kind, subject=subject)
        return page_of(to_documents(found), limit)

    def get_session(session_id: str) -> SessionDetail:
        """A session with its tasks; by id or unique prefix."""
        return appliance.get_session(session_id)

    def get_session_log(session_id: str, after: LogAfter = 0, limit: Limit = 1000) -> list[LogLine]:
        """A session's log, oldest line first."""
        return list(appliance.session_log(session_id, after, limit))

    def cancel_session(session_id: str) -> SessionDetail:
        """Ask for a session's end: workers are ended, what was created for it is removed."""
        return appliance.cancel_session(session_id)

    def get_session_events(session_id: str) -> StreamingResponse:
        """Follow a session until it ends: events `session` (its detail) and `log` (a line of its log)."""
        appliance.get_session(session_id)

        def begin() -> Iterator[tuple[str, Any]]:
            return watch(appliance, session_id, poll_seconds)

        return streams.response(begin)

    door.add("GET", "/sessions", Permission.OWNER, list_sessions)
    door.add("GET", "/sessions/{session_id}", Permission.OWNER, get_session)
    door.add("GET", "/sessions/{session_id}/log", Permission.OWNER, get_session_log)
    door.add("POST", "/sessions/{session_id}/cancel", Permission.OWNER, cancel_session)
    door.add("GET", "/sessions/{session_id}/events", Permission.OWNER, get_session_events)


def _add_points(door: Door, appliance: Results) -> None:
    def list_points(
        before: Before = None,
        limit: Limit = 100,
        workload: Annotated[str | None, Query(description="Only of the workload with this id.")] = None,
    ) -> Page:
        """Restore points, newest first."""
        found = appliance.list_points(before=before, limit=limit, workload_id=workload)
        return page_of(to_documents(found), limit)

    def get_point(point_id: str) -> PointDetail:
        """A restore point and how its workload was made up, without its user data; by id or unique prefix."""
        return appliance.get_point(point_id)

    def rescan_snapshots(order: RescanOrder) -> SnapshotsRescanned:
        """Take on the restore points that are found by the tags of their snapshots."""
        return appliance.rescan_snapshots(order.account, order.region, order.lost_appliance)

    def delete_point(point_id: str) -> Session:
        """Delete a restore point for good."""
        return appliance.delete_point(point_id)

    def verify_point(point_id: str, order: Verification) -> Session:
        """Read an image backup back whole; what came of it is kept with the point."""
        return appliance.verify_point(point_id, order.worker_mode)

    door.add("GET", "/points", Permission.OWNER, list_points)
    door.add("POST", "/points/rescan", Permission.OWNER, rescan_snapshots)
    door.add("GET", "/points/{point_id}", Permission.OWNER, get_point)
    door.add("DELETE", "/points/{point_id}", Permission.OWNER, delete_point)
    door.add("POST", "/points/{point_id}/verify", Permission.OWNER, verify_point)


def _add_restores(door: Door, appliance: Results) -> None:
    def plan_instance_restore(order: InstanceOrder) -> RestorePlan:
        """Everything that a restore of an instance would touch; touches nothing."""
        return appliance.plan_restore(order)

    def restore_instance(order: InstanceOrder) -> Session:
        """Bring an entire instance back."""
        return appliance.start_restore(order)

    def plan_volume_restore(order: VolumeOrder) -> RestorePlan:
        """Everything that a restore of volumes would touch; touches nothing."""
        return appliance.plan_restore(order)

    def restore_volumes(order: VolumeOrder) -> Session:
        """Bring volumes back, attached to nothing."""
        return appliance.start_restore(order)

    door.add("POST", "/restores/instance/plan", Permission.OWNER, plan_instance_restore)
    door.add("POST", "/restores/instance", Permission.OWNER, restore_instance)
    door.add("POST", "/restores/volumes/plan", Permission.OWNER, plan_volume_restore)
    door.add("POST", "/restores/volumes", Permission.OWNER, restore_volumes)
