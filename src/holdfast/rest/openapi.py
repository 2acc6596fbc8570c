"""The OpenAPI 3.1 document of an app: what FastAPI knows of it, and the bodies, which are read by our own rules."""

import re
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from holdfast.rest.authentication import Authenticator

_PREFIX = "Body-"


def openapi_document(app: FastAPI, authenticator: Authenticator) -> dict[str, Any]:
    """The document of the routes that are there now."""
    document = get_openapi(title=app.title, version=app.version, routes=app.routes, openapi_version="3.1.0")
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = _PROBLEM
    document["components"]["securitySchemes"] = {"caller": dict(authenticator.scheme)}
    document["security"] = [{"caller": []}]
    for method, path in authenticator.open_to_all:
        document["paths"][path][method.lower()]["security"] = []
    bodies = {
        str(route.operation_id): kind for route in app.routes if isinstance(route, APIRoute) and (kind := _body(route))
    }
    adapters: list[tuple[str, Literal["validation"], TypeAdapter[Any]]] = [
        (name, "validation", TypeAdapter(kind)) for name, kind in bodies.items()
    ]
    made, shared = TypeAdapter.json_schemas(adapters, ref_template=f"#/components/schemas/{_PREFIX}{{model}}")
    for name, schema in shared.get("$defs", {}).items():
        schemas[_PREFIX + name] = schema
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete_parameters(path, operation)
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _PROBLEM_ANSWER
            schema = made.get((operation["operationId"], "validation"))
            if schema is not None:
                operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return document


def _complete_parameters(path: str, operation: dict[str, Any]) -> None:
    """What stands in the path is a parameter, also where the endpoint passes the path on as it is."""
    parameters = operation.setdefault("parameters", [])
    known = {parameter["name"] for parameter in parameters}
    for name in re.findall(r"\{(\w+)\}", path):
        if name not in known:
            parameters.append({"name": name, "in": "path", "required": True, "schema": {"type": "string"}})


def _body(route: APIRoute) -> Any:
    for dependency in route.dependant.dependencies:
        kind = getattr(dependency.call, "kind", None)
        if kind is not None:
            return kind
    return None


_PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "What happened (title), why (detail), what to do (cure). The code is stable: docs/errors.md.",
    "required": ["type", "title", "status", "detail", "cure", "code", "exit_status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "cure": {"type": "string"},
        "code": {"type": "string"},
        "exit_status": {"type": "integer"},
    },
}
_PROBLEM_ANSWER: dict[str, Any] = {
    "description": "It failed",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
