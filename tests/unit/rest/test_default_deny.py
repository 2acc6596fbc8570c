"""Who nobody knows gets one answer, whatever is asked; who is known gets no more than is declared."""

import re
from typing import Any

import httpx
import pytest
from starlette.routing import Mount

from holdfast.domain.errors import ConflictError, NotAuthenticatedError, PermissionDeniedError
from holdfast.rest.appliance_api.application import appliance_application
from holdfast.rest.authentication import Permission, refuse_undeclared
from holdfast.rest.routes import Door
from holdfast.rest.server_api.application import server_application
from holdfast.rest.tls import client_context
from holdfast.server.ports.records import TokenKind
from tests.unit.rest.small_appliance import identity

# What a route says of itself does not depend on who answers.
NOBODY: Any = None
SERVER_ROUTES = server_application(NOBODY).routes
APPLIANCE_ROUTES = appliance_application(NOBODY, lambda certificate: None).routes


def filled(path):
    return re.sub(r"\{\w+\}", "one", path)


def plain(url, certificate, **headers):
    return httpx.Client(base_url=url, verify=client_context(certificate), headers=headers, trust_env=False)


def test_every_route_of_the_server_is_closed_without_a_token(server):
    wrong = ["", "Bearer", "Bearer x", "Basic YTpi", "Bearer hf_00000000_" + "0" * 43, "Bearer " + server.token()[:-1]]
    for authorization in wrong:
        with plain(server.url, server.certificate, Authorization=authorization) as client:
            for route in SERVER_ROUTES:
                answer = client.request(route.method, filled(route.path))
                assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated"), route
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.headers["www-authenticate"] == "Bearer"


def test_every_route_of_the_appliance_is_closed_without_a_certificate(appliance):
    with plain(appliance.url, appliance.certificate, Authorization="Bearer x") as client:
        for route in APPLIANCE_ROUTES:
            answer = client.request(route.method, filled(route.path))
            expected = 400 if route.operation_id == "enrol" else 401
            assert answer.status_code == expected, route


@pytest.mark.parametrize(
    "path", ["/", "/api/v1", "/api/v1/none", "/openapi.json", "/docs", "/api/v1/server/", "/api/v1//enrolment"]
)
@pytest.mark.parametrize("side", ["server", "appliance"])
def test_what_is_not_there_is_not_told_to_strangers(request, side, path):
    running = request.getfixturevalue(side)
    with plain(running.url, running.certificate) as client:
        for method in ("GET", "POST", "OPTIONS", "HEAD"):
            assert client.request(method, path).status_code == 401


def test_a_revoked_token_opens_nothing(server):
    token = server.token()
    assert server.client(token).send("GET", "/server")["api"] == 1
    server.small.parts.tokens.revoke(token)
    with pytest.raises(NotAuthenticatedError):
        server.client(token).send("GET", "/server")


def test_each_kind_of_token_opens_its_own_routes_only(server):
    service = server.token(TokenKind.SERVICE, "one")
    other = server.token(TokenKind.SERVICE, "two")
    with (
        plain(server.url, server.certificate, Authorization=f"Bearer {service}") as own,
        plain(server.url, server.certificate, Authorization=f"Bearer {other}") as foreign,
        plain(server.url, server.certificate, Authorization=f"Bearer {server.token()}") as admin,
    ):
        for route in SERVER_ROUTES:
            path = filled(route.path)
            if route.permission == Permission.SERVICE:
                assert own.request(route.method, path).status_code != 403, route
                assert admin.request(route.method, path).status_code == 403, route
            else:
                assert own.request(route.method, path).status_code == 403, route
            assert foreign.request(route.method, path).status_code == 403, route


def test_a_denial_names_whom_it_is_for(server):
    with pytest.raises(PermissionDeniedError) as caught:
        server.client().send("GET", "/appliances/one/sync")
    assert "service of the appliance" in caught.value.why


def test_the_former_owner_is_told_that_another_one_owns_it(appliance, client):
    assert client.send("GET", "/appliance")["api"] == 1
    appliance.appliance.former.add(appliance.appliance.owner)
    appliance.appliance.owner = "somebody else"
    with pytest.raises(ConflictError, match="owned by another"):
        client.send("GET", "/appliance")
    with httpx.Client(
        base_url=appliance.url,
        verify=client_context(appliance.certificate, appliance.owner.private_key, appliance.owner.certificate),
    ) as raw:
        answer = raw.get("/api/v1/appliance")
    assert (answer.status_code, answer.json()["code"]) == (403, "conflict")


def test_a_certificate_that_was_never_enrolled_is_refused(appliance):
    stranger = appliance.client(identity(appliance.folder, "stranger"))
    with pytest.raises(NotAuthenticatedError):
        stranger.send("GET", "/appliance")
    stranger.close()


def test_an_app_with_a_route_that_declares_nothing_is_not_built():
    door = Door("title", "1", authenticator=NOBODY)

    def open_door() -> None:
        """Says nothing of a permission."""

    door._app.add_api_route("/open", open_door)
    with pytest.raises(ValueError, match="declares no permission"):
        door.application(Permission.OWNER)
    door._app.router.routes.clear()
    door._app.router.routes.append(Mount("/files", routes=[]))
    with pytest.raises(ValueError, match="declares no permission"):
        refuse_undeclared(door._app.routes)


def test_operations_have_ids_of_their_own_and_paths_stand_once():
    for routes in (SERVER_ROUTES, APPLIANCE_ROUTES):
        assert len({route.operation_id for route in routes}) == len(routes)
        assert len({(route.method, route.path) for route in routes}) == len(routes)


def test_a_token_of_no_form_is_refused_like_any_other(server):
    with pytest.raises(NotAuthenticatedError):
        server.client("hf_nonsense").send("GET", "/plugins")
