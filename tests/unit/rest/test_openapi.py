"""Each app describes itself in a document that others can read."""

from typing import Any

import pytest
from openapi_spec_validator import validate

from holdfast.rest.appliance_api.application import appliance_application
from holdfast.rest.server_api.application import server_application

# What an app says of itself does not depend on who answers.
NOBODY: Any = None


@pytest.fixture(params=["server", "appliance"])
def both(request):
    """(the document as it is sent, the routes)"""
    if request.param == "server":
        server = request.getfixturevalue("server")
        return server.client().send("GET", "/openapi.json"), server_application(NOBODY).routes
    client = request.getfixturevalue("client")
    return client.send("GET", "/openapi.json"), appliance_application(NOBODY, lambda certificate: None).routes


def test_the_document_is_valid_and_complete(both):
    document, routes = both
    validate(document)
    assert document["openapi"].startswith("3.1")
    described = {
        (method.upper(), path, operation["operationId"], operation["x-permission"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    expected = {(one.method, one.path, one.operation_id, one.permission) for one in routes}
    assert described == expected


def test_bodies_and_answers_have_schemas(both):
    document, _ = both
    operations = {
        operation["operationId"]: operation for path in document["paths"].values() for operation in path.values()
    }
    for name in ("put_account", "run_policy", "restore_instance", "take_snapshot", "put_repository"):
        assert "$ref" in operations[name]["requestBody"]["content"]["application/json"]["schema"], name
    for name in ("put_account", "list_sessions", "restore_instance", "get_session", "get_point"):
        assert "$ref" in operations[name]["responses"]["200"]["content"]["application/json"]["schema"], name
    assert set(operations["remove_account"]["responses"]) == {"204", "default"}
    assert "Problem" in str(operations["get_session"]["responses"]["default"])


def test_who_may_ask_is_said(server, client):
    assert server.client().send("GET", "/openapi.json")["components"]["securitySchemes"]["caller"]["scheme"] == "bearer"
    document = client.send("GET", "/openapi.json")
    assert document["components"]["securitySchemes"]["caller"] == {"type": "mutualTLS"}
    assert document["paths"]["/api/v1/enrolment"]["post"]["security"] == []
    assert document["security"] == [{"caller": []}]
