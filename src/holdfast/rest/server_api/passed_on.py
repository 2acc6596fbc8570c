"""Routes that are asked of an appliance as they are: it reads the body, and its answer is the answer.

`?appliance=NAME` says which one; with a single appliance it may be left out. What concerns a restore point goes to the
appliance that has it.
"""

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Query, Request, Response
from fastapi.responses import JSONResponse

from holdfast.domain.errors import UsageError
from holdfast.rest.authentication import Permission
from holdfast.rest.routes import BASE, Body, Door
from holdfast.server.service import ManagementServer

ApplianceName = Annotated[str | None, Query(description="Which appliance, where there are several.")]
Document = Annotated[Any, Depends(Body(object, "the body"))]
DryRun = Annotated[bool, Query(description="Say what would change, and change nothing.")]


def add_passed_on(door: Door, server: ManagementServer) -> None:
    """Add them."""
    for method, path, name, text in _WITHOUT_BODY:
        door.add(method, path, Permission.ADMINISTRATOR, _without_body(server, name, text))
    for method, path, name, text in _WITH_BODY:
        door.add(method, path, Permission.ADMINISTRATOR, _with_body(server, name, text))
    for path, name, text in _RESTORES:
        door.add("POST", path, Permission.ADMINISTRATOR, _restore(server, name, text))

    def apply_policy(
        request: Request, document: Document, appliance: ApplianceName = None, dry_run: DryRun = False
    ) -> Response:
        """Add a policy, or change it; the same document again changes nothing (docs/policies.md)."""
        query = {"dry_run": str(dry_run).lower()}
        return _answer(server.ask_appliance(appliance, "PUT", _path(request), document, query))

    def delete_point(point_id: str, appliance: ApplianceName = None) -> Response:
        """Delete a restore point for good, by id or unique prefix."""
        owner, detail = server.get_point(point_id, appliance)
        return _answer(server.ask_appliance(owner, "DELETE", f"/points/{detail.point.id}"))

    door.add("PUT", "/policies/{name}", Permission.ADMINISTRATOR, apply_policy)
    door.add("DELETE", "/points/{point_id}", Permission.ADMINISTRATOR, delete_point)


_WITHOUT_BODY = (
    ("GET", "/accounts", "list_accounts", "Registered accounts of an appliance, by name."),
    ("GET", "/accounts/{name}", "get_account", "One account."),
    ("DELETE", "/accounts/{name}", "remove_account", "Forget an account."),
    ("POST", "/accounts/{name}/check", "check_account", "Who answers in it, and which actions its policies lack."),
    ("GET", "/policies", "list_policies", "Policies in the order in which they take precedence."),
    ("GET", "/policies/{name}", "get_policy", "One policy."),
    ("DELETE", "/policies/{name}", "remove_policy", "Remove a policy; its restore points stay."),
    ("POST", "/policies/{name}/stop", "stop_policy", "Cancel what runs of a policy."),
    ("POST", "/policies/{name}/enable", "enable_policy", "Let its schedule count."),
    ("POST", "/policies/{name}/disable", "disable_policy", "Let its schedule count no more; it can be run by hand."),
    ("GET", "/limits", "get_limits", "Each limit of an appliance, and what runs and waits there now."),
)
_WITH_BODY = (
    ("PUT", "/accounts/{name}", "put_account", "Add an account, or replace it."),
    ("POST", "/policies/{name}/run", "run_policy", "Run a policy now."),
    ("POST", "/snapshots", "take_snapshot", "Take a manual snapshot; no retention removes it."),
)
_RESTORES = (
    ("/restores/instance/plan", "plan_instance_restore", "Everything that a restore of an instance would touch."),
    ("/restores/instance", "restore_instance", "Bring an entire instance back."),
    ("/restores/volumes/plan", "plan_volume_restore", "Everything that a restore of volumes would touch."),
    ("/restores/volumes", "restore_volumes", "Bring volumes back, attached to nothing."),
)


def _without_body(server: ManagementServer, name: str, text: str) -> Callable[..., Any]:
    def endpoint(request: Request, appliance: ApplianceName = None) -> Response:
        return _answer(server.ask_appliance(appliance, request.method, _path(request)))

    return _named(endpoint, name, text)


def _with_body(server: ManagementServer, name: str, text: str) -> Callable[..., Any]:
    def endpoint(request: Request, document: Document, appliance: ApplianceName = None) -> Response:
        return _answer(server.ask_appliance(appliance, request.method, _path(request), document))

    return _named(endpoint, name, text)


def _restore(server: ManagementServer, name: str, text: str) -> Callable[..., Any]:
    def endpoint(request: Request, document: Document, appliance: ApplianceName = None) -> Response:
        point_id = document.get("point") if isinstance(document, dict) else None
        if not isinstance(point_id, str):
            raise UsageError("no restore point is named", why="point: is missing", cure="name one in `point`")
        owner, detail = server.get_point(point_id, appliance)
        return _answer(server.ask_appliance(owner, "POST", _path(request), {**document, "point": detail.point.id}))

    return _named(endpoint, name, text)


def _named(endpoint: Callable[..., Any], name: str, text: str) -> Callable[..., Any]:
    endpoint.__name__ = name
    endpoint.__doc__ = text
    return endpoint


def _path(request: Request) -> str:
    """The path as the appliance knows it; a name in it is quoted again."""
    return quote(request.url.path.removeprefix(BASE))


def _answer(document: object) -> Response:
    return Response(status_code=204) if document is None else JSONResponse(document)
