"""Who is asking: asked of every request before anything else is, and who nobody knows gets no other answer than that.

A route says who may use it; an app with a route that does not say so is not built.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from enum import StrEnum
from typing import Any, Protocol

from anyio import to_thread
from fastapi import Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from holdfast.domain.errors import HoldfastError, NotAuthenticatedError, PermissionDeniedError
from holdfast.rest.problems import MEDIA_TYPE, problem_of, status_of

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# Where `listening.py` puts the DER of the certificate that the client has shown.
PEER_CERTIFICATE = "holdfast_peer_certificate"


class Permission(StrEnum):
    """Who may use a route."""

    ADMINISTRATOR = "administrator"
    SERVICE = "service of the appliance"
    OWNER = "owning server"
    ENROLMENT = "holder of the enrolment code"


class Authenticator(Protocol):
    """Tells who sends a request, or raises an error. `open_to_all`: where the body itself proves who asks."""

    @property
    def open_to_all(self) -> frozenset[tuple[str, str]]:
        """(method, path) of what is let through unasked."""

    @property
    def scheme(self) -> Mapping[str, str]:
        """What OpenAPI calls it."""

    def caller(self, scope: Scope) -> object:
        """Who asks; may take its time. Raises NotAuthenticatedError, ConflictError."""

    def may(self, caller: object, permission: Permission, request: Request) -> bool:
        """Whether the caller may use a route with that permission."""


class DefaultDeny:
    """ASGI in front of an app: nothing gets through unauthenticated but what is open by name."""

    def __init__(self, app: App, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask, then hand on."""
        if scope["type"] != "http":
            return
        if (scope["method"], scope["path"]) not in self._authenticator.open_to_all:
            try:
                caller = await to_thread.run_sync(self._authenticator.caller, scope)
            except HoldfastError as error:
                await refused(error)(scope, receive, send)
                return
            scope.setdefault("state", {})["caller"] = caller
        await self._app(scope, receive, send)


def refused(error: HoldfastError) -> JSONResponse:
    """The answer to whom nobody knows, or who is known and no longer obeyed (403 whatever the error)."""
    status = status_of(error) if isinstance(error, NotAuthenticatedError) or status_of(error) >= 500 else 403
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse(
        problem_of(error, status), status, headers | {"Cache-Control": "no-store", "Connection": "close"}, MEDIA_TYPE
    )


class Requirement:
    """What a route declares; as a dependency it lets nobody else through."""

    def __init__(self, permission: Permission, authenticator: Authenticator) -> None:
        self.permission = permission
        self._authenticator = authenticator

    def __call__(self, request: Request) -> None:
        """Raises PermissionDeniedError."""
        if (request.method, request.scope["path"]) in self._authenticator.open_to_all:
            return
        if not self._authenticator.may(request.state.caller, self.permission, request):
            raise PermissionDeniedError(
                f"{request.method} {request.url.path} is not for this caller",
                why=f"it is for the {self.permission}",
                cure="use the credentials of that one",
            )


def refuse_undeclared(routes: Iterable[BaseRoute]) -> None:
    """Raise ValueError for a route that does not say who may use it."""
    for route in routes:
        declared = isinstance(route, APIRoute) and any(
            isinstance(one.dependency, Requirement) for one in route.dependencies
        )
        if not declared:
            raise ValueError(f"route {getattr(route, 'path', route)} declares no permission")


def bearer_token(scope: Scope) -> str:
    """The token in the header. Raises NotAuthenticatedError."""
    found = [value for name, value in scope["headers"] if name == b"authorization"]
    scheme, _, token = (found[0] if len(found) == 1 else b"").partition(b" ")
    if scheme.lower() != b"bearer" or not token:
        raise NotAuthenticatedError(
            "the server does not know who is asking",
            why="the request has no bearer token",
            cure="set HOLDFAST_TOKEN, or send `Authorization: Bearer …`",
        )
    return token.strip().decode("latin-1")


def peer_certificate(scope: Scope) -> bytes:
    """The client's certificate, DER. Raises NotAuthenticatedError."""
    certificate: bytes | None = scope.get("state", {}).get(PEER_CERTIFICATE)
    if certificate is None:
        raise NotAuthenticatedError(
            "the appliance does not know who is asking",
            why="the client has shown no certificate",
            cure="ask through the server that the appliance belongs to; enrol that server first",
        )
    return certificate
