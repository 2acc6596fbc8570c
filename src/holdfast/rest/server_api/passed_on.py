"""Routes that are asked of an appliance as they are: it reads the body, and its answer is the answer.

`?appliance=NAME` says which one; with a single appliance it may be left out. What concerns a restore point goes to the
appliance that has it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from holdfast.domain.collection import CollectionWish
from holdfast.domain.errors import UsageError
from holdfast.domain.history import SessionHistory
from holdfast.domain.infrastructure import Account
from holdfast.domain.restore import InstanceRestore, RestorePlan, VolumeRestore
from holdfast.domain.session import Session
from holdfast.protocol.appliance_answers import (
    AccountCheck,
    LaneState,
    PolicyApplied,
    SnapshotsRescanned,
    StoredPolicy,
)
from holdfast.rest.appliance_api.orders import PolicyRun, SnapshotOrder, SnapshotRescanOrder, VerifyOrder
from holdfast.rest.authentication import Permission
from holdfast.rest.routes import BASE, Body, Door
from holdfast.server.service import ManagementServer

ApplianceName = Annotated[str | None, Query(description="Which appliance, where there are several.")]
DryRun = Annotated[bool, Query(description="Say what would change, and change nothing.")]
RescanDocument = Annotated[Any, Depends(Body(SnapshotRescanOrder, "the order", passed_on=True))]
VerifyDocument = Annotated[Any, Depends(Body(VerifyOrder, "the order", passed_on=True))]
PolicyDocument = Annotated[Any, Depends(Body(dict[str, Any], "the policy", passed_on=True))]


@dataclass(frozen=True, slots=True)
class _Passed:
    """A route that the appliance has, too; `body` and `answer` are for the OpenAPI document alone."""

    method: str
    path: str
    name: str
    text: str
    answer: Any = None
    body: Any = None


_PLAIN = (
    _Passed("GET", "/accounts", "list_accounts", "Registered accounts of an appliance, by name.", list[Account]),
    _Passed("GET", "/accounts/{name}", "get_account", "One account.", Account),
    _Passed("PUT", "/accounts/{name}", "put_account", "Add an account, or replace it.", Account, Account),
    _Passed("DELETE", "/accounts/{name}", "remove_account", "Forget an account."),
    _Passed(
        "POST",
        "/accounts/{name}/check",
        "check_account",
        "Who answers in it, and what of reading it refuses.",
        AccountCheck,
    ),
    _Passed(
        "POST",
        "/repositories/{name}/collect-garbage",
        "collect_garbage",
        "Free what no restore point of a repository needs, or only say what would go.",
        Session,
        CollectionWish,
    ),
    _Passed("GET", "/policies", "list_policies", "Policies in the order of their precedence.", list[StoredPolicy]),
    _Passed("GET", "/policies/{name}", "get_policy", "One policy.", StoredPolicy),
    _Passed("DELETE", "/policies/{name}", "remove_policy", "Remove a policy; its restore points stay."),
    _Passed("POST", "/policies/{name}/run", "run_policy", "Run a policy now.", Session, PolicyRun),
    _Passed("POST", "/policies/{name}/stop", "stop_policy", "Cancel what runs of a policy.", list[Session]),
    _Passed("POST", "/policies/{name}/enable", "enable_policy", "Let its schedule count.", StoredPolicy),
    _Passed("POST", "/policies/{name}/disable", "disable_policy", "Let its schedule count no more.", StoredPolicy),
    _Passed("POST", "/snapshots", "take_snapshot", "Take a manual snapshot; it is kept.", Session, SnapshotOrder),
    _Passed("GET", "/limits", "get_limits", "Each limit, and what runs and waits there now.", list[LaneState]),
    _Passed("GET", "/history", "get_history", "How long an appliance keeps ended sessions.", SessionHistory),
    _Passed("PUT", "/history", "put_history", "Keep ended sessions so long.", SessionHistory, SessionHistory),
)
_RESTORES = (
    _Passed(
        "POST",
        "/restores/instance/plan",
        "plan_instance_restore",
        "Everything that a restore of an instance would touch; touches nothing.",
        RestorePlan,
        InstanceRestore,
    ),
    _Passed(
        "POST",
        "/restores/instance",
        "restore_instance",
        "Bring an entire instance back.",
        Session,
        InstanceRestore,
    ),
    _Passed(
        "POST",
        "/restores/volumes/plan",
        "plan_volume_restore",
        "Everything that a restore of volumes would touch; touches nothing.",
        RestorePlan,
        VolumeRestore,
    ),
    _Passed(
        "POST",
        "/restores/volumes",
        "restore_volumes",
        "Bring volumes back, attached to nothing.",
        Session,
        VolumeRestore,
    ),
)


def add_passed_on(door: Door, server: ManagementServer) -> None:
    """Add them."""
    for route in _PLAIN:
        endpoint = _without_body(server) if route.body is None else _with_body(server, route.body)
        _add(door, route, endpoint)
    for route in _RESTORES:
        _add(door, route, _restore(server, route.body))

    def apply_policy(
        request: Request, document: PolicyDocument, appliance: ApplianceName = None, dry_run: DryRun = False
    ) -> Response:
        """Add a policy, or change it; the same document again changes nothing (docs/policies.md)."""
        query = {"dry_run": str(dry_run).lower()}
        return _answer(server.ask_appliance(appliance, "PUT", _path(request), document, query))

    def delete_point(point_id: str, appliance: ApplianceName = None) -> Response:
        """Delete a restore point for good, by id or unique prefix."""
        owner, detail = server.get_point(point_id, appliance)
        return _answer(server.ask_appliance(owner, "DELETE", f"/points/{detail.point.id}"))

    def verify_point(point_id: str, document: VerifyDocument, appliance: ApplianceName = None) -> Response:
        """Read an image backup back whole, by id or unique prefix; what came of it is kept with the point."""
        owner, detail = server.get_point(point_id, appliance)
        return _answer(server.ask_appliance(owner, "POST", f"/points/{detail.point.id}/verify", document))

    def rescan_snapshots(request: Request, document: RescanDocument, appliance: ApplianceName = None) -> Response:
        """Take on the restore points that are found by the tags of their snapshots."""
        lost = document.get("lost_appliance") if isinstance(document, dict) else None
        if isinstance(lost, str):
            server.check_is_lost(lost)
        return _answer(server.ask_appliance(appliance, "POST", _path(request), document))

    door.add("POST", "/points/rescan", Permission.ADMINISTRATOR, rescan_snapshots, SnapshotsRescanned)
    door.add("PUT", "/policies/{name}", Permission.ADMINISTRATOR, apply_policy, PolicyApplied)
    door.add("DELETE", "/points/{point_id}", Permission.ADMINISTRATOR, delete_point, Session)
    door.add("POST", "/points/{point_id}/verify", Permission.ADMINISTRATOR, verify_point, Session)


def _add(door: Door, route: _Passed, endpoint: Callable[..., Any]) -> None:
    endpoint.__name__ = route.name
    endpoint.__doc__ = route.text
    endpoint.__annotations__["return"] = route.answer
    door.add(route.method, route.path, Permission.ADMINISTRATOR, endpoint)


def _without_body(server: ManagementServer) -> Callable[..., Any]:
    def endpoint(request: Request, appliance: ApplianceName = None) -> Any:
        return _answer(server.ask_appliance(appliance, request.method, _path(request)))

    return endpoint


def _with_body(server: ManagementServer, kind: Any) -> Callable[..., Any]:
    document_of = Depends(Body(kind, "the body", passed_on=True))

    def endpoint(request: Request, appliance: ApplianceName = None, document: Any = document_of) -> Response:
        return _answer(server.ask_appliance(appliance, request.method, _path(request), document))

    return endpoint


def _restore(server: ManagementServer, kind: Any) -> Callable[..., Any]:
    document_of = Depends(Body(kind, "the restore", passed_on=True))

    def endpoint(request: Request, appliance: ApplianceName = None, document: Any = document_of) -> Response:
        point_id = document.get("point") if isinstance(document, dict) else None
        if not isinstance(point_id, str):
            raise UsageError("no restore point is named", why="`point` is missing", cure="name one in `point`")
        owner, detail = server.get_point(point_id, appliance)
        return _answer(server.ask_appliance(owner, "POST", _path(request), {**document, "point": detail.point.id}))

    return endpoint


def _path(request: Request) -> str:
    """The path as the appliance knows it; a name in it is quoted again."""
    return quote(request.scope["path"].removeprefix(BASE))


def _answer(document: object) -> Response:
    return Response(status_code=204) if document is None else JSONResponse(document)
