"""How an app is built: each route with its permission, its id and its words, and what holds for all of them.

An endpoint is a plain function: what it is asked for stands in its parameters, what it answers in its annotation, and
its docstring is its text in the OpenAPI document.
"""

import inspect
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cache, partial
from typing import Annotated, Any

from anyio import to_thread
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.params import Depends
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute, Match

from holdfast.domain.errors import HoldfastError, UsageError
from holdfast.protocol.complaints import complaint
from holdfast.protocol.encoding import from_document
from holdfast.rest.authentication import (
    App,
    Authenticator,
    DefaultDeny,
    Permission,
    Requirement,
    Scope,
    refuse_undeclared,
)
from holdfast.rest.body_limit import BodyLimit
from holdfast.rest.documents import BODY_LIMIT_BYTES, PAGE_LIMIT, read_document, refusal
from holdfast.rest.openapi import openapi_document
from holdfast.rest.problems import MEDIA_TYPE, problem_of, status_of

BASE = "/api/v1"
Limit = Annotated[int, Query(ge=1, le=PAGE_LIMIT, description="At most so many.")]
Before = Annotated[str | None, Query(description="The last id of the page before.")]

_log = logging.getLogger(__name__)


class Body:
    """A dependency that reads the body as an object of a class; `what` is what a person calls it.

    With `passed_on` the document stays as it is: whoever it is passed on to reads it by its own version.
    """

    def __init__(self, kind: Any, what: str, *, passed_on: bool = False) -> None:
        self.kind = kind
        self._what = what
        self._passed_on = passed_on

    async def __call__(self, request: Request) -> Any:
        """Raises UsageError that names what is wrong."""
        try:
            body = await request.body()
        except ClientDisconnect:
            raise refusal("the connection ended before it did") from None
        return await to_thread.run_sync(self._read, body)

    def _read(self, body: bytes) -> Any:
        """In a thread: nobody else waits for a large one."""
        document = read_document(body)
        return document if self._passed_on else from_document(self.kind, document, self._what)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list: `next` goes into `before` of the next request; null at the end."""

    items: list[dict[str, Any]]
    next: str | None


def page_of(items: list[dict[str, Any]], limit: int) -> Page:
    """A page of documents that have an id each."""
    return Page(items, items[-1]["id"] if len(items) == limit else None)


def same_name(in_path: str, in_body: object) -> None:
    """Raise UsageError where the body speaks of another thing than the path."""
    if in_path != in_body:
        raise UsageError(
            "two names are given", why=f"the path says {in_path}, the body {in_body}", cure="give one and the same name"
        )


class _StrictRoute(APIRoute):
    """Refuses names in the query that mean nothing: a filter with a slip in it must not show everything."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler that FastAPI makes, behind that question."""
        handle = super().get_route_handler()
        known = {field.alias for field in self.dependant.query_params}

        async def strict(request: Request) -> Response:
            unknown = sorted(set(request.query_params) - known)
            if unknown:
                raise UsageError(
                    f"the query names {', '.join(unknown)}",
                    why=f"{request.method} {self.path} knows {', '.join(sorted(known)) or 'no query'}",
                    cure="compare the request with docs/rest.md",
                )
            return await handle(request)

        return strict


class Door:
    """An app in the making."""

    def __init__(self, title: str, version: str, authenticator: Authenticator) -> None:
        self._authenticator = authenticator
        self._app = FastAPI(title=title, version=version, openapi_url=None, docs_url=None, redoc_url=None)
        self._app.router.route_class = _StrictRoute
        self._app.router.redirect_slashes = False
        self._larger_bodies: list[tuple[BaseRoute, int]] = []

    def add(
        self,
        method: str,
        path: str,
        permission: Permission,
        endpoint: Callable[..., Any],
        answer: Any = None,
        *,
        body_limit_bytes: int = BODY_LIMIT_BYTES,
    ) -> None:
        """A route below `/api/v1`; the endpoint's name is the operation's id. `answer`: what it answers, where its
        annotation does not say so.
        """
        answer = answer or inspect.signature(endpoint).return_annotation
        if endpoint.__doc__ is None:
            raise ValueError(f"{method} {path}: say in a docstring what it does")
        self._app.add_api_route(
            BASE + path,
            endpoint,
            methods=[method],
            operation_id=endpoint.__name__,
            summary=inspect.cleandoc(endpoint.__doc__).splitlines()[0],
            dependencies=[Depends(Requirement(permission, self._authenticator))],
            status_code=204 if answer is None else 200,
            response_model=None if _is_response(answer) else answer,
            openapi_extra={"x-permission": permission.value},
        )
        if body_limit_bytes != BODY_LIMIT_BYTES:
            self._larger_bodies.append((self._app.routes[-1], body_limit_bytes))

    def application(self, reader: Permission) -> "Application":
        """The app, with its OpenAPI document for those with that permission. Refuses a route without a permission."""
        described = cache(partial(openapi_document, self._app, self._authenticator))

        def read_openapi() -> dict[str, Any]:
            """This document."""
            return described()

        self.add("GET", "/openapi.json", reader, read_openapi)
        refuse_undeclared(self._app.routes)
        self._app.add_exception_handler(HoldfastError, _of_ours)
        self._app.add_exception_handler(RequestValidationError, _not_valid)
        self._app.add_exception_handler(HTTPException, _of_the_router)
        self._app.add_exception_handler(Exception, _unforeseen)
        limited = BodyLimit(self._app, self._body_limit_bytes)
        return Application(DefaultDeny(limited, self._authenticator), tuple(map(_told, self._app.routes)))

    def _body_limit_bytes(self, scope: Scope) -> int:
        found = (limit for route, limit in self._larger_bodies if route.matches(scope)[0] == Match.FULL)
        return next(found, BODY_LIMIT_BYTES)


@dataclass(frozen=True, slots=True)
class Route:
    """What a route says of itself."""

    method: str
    path: str
    operation_id: str
    permission: str
    query: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Application:
    """An app that is complete: an ASGI callable, and what it answers."""

    asgi: App
    routes: tuple[Route, ...]


def _is_response(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, Response)


def _told(route: Any) -> Route:
    (method,) = route.methods
    query = tuple(field.alias for field in route.dependant.query_params)
    return Route(method, route.path, route.operation_id, route.openapi_extra["x-permission"], query)


def _answer(error: HoldfastError, status: int | None = None) -> JSONResponse:
    problem = problem_of(error, status)
    headers = {"Cache-Control": "no-store"} | ({"Retry-After": "1"} if problem["status"] in {429, 503} else {})
    return JSONResponse(problem, problem["status"], headers, MEDIA_TYPE)


def _of_ours(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HoldfastError)  # noqa: S101 - registered for it
    if status_of(error) >= 500:
        _log.warning("%s: %s", error.code, error)
    return _answer(error)


def _not_valid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    complaints = [f"{'.'.join(map(str, one['loc']))} {complaint(one)}" for one in error.errors()]
    return _answer(
        UsageError("the request cannot be meant", why="; ".join(complaints[:3]), cure="compare it with docs/rest.md")
    )


def _of_the_router(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    return _answer(
        UsageError(
            f"nothing answers {request.method} {request.url.path}",
            why=str(error.detail),
            cure="compare the request with docs/rest.md; the other side may be of another version",
        ),
        error.status_code,
    )


def _unforeseen(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _answer(
        HoldfastError(
            f"{request.method} {request.url.path} failed",
            why=f"an error that nobody foresaw: {type(error).__name__}",
            cure="look into the log of the process that answered, and report it",
        )
    )
