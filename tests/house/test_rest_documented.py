"""docs/rest.md names every route of both APIs, with its query, and no route that is not there."""

import re
from typing import Any

import pytest

from holdfast.rest.appliance_api.application import appliance_application
from holdfast.rest.routes import BASE
from holdfast.rest.server_api.application import server_application
from tests.house.tree import ROOT

# What a route says of itself does not depend on who answers.
NOBODY: Any = None
APPLICATIONS = {
    "Routes of the management server": server_application(NOBODY),
    "Routes of an appliance": appliance_application(NOBODY, lambda certificate: None),
}


def described(heading):
    """`GET /path` -> what stands in the column of the query."""
    text = (ROOT / "docs" / "rest.md").read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([A-Z]+ /[^`]*)` \|([^|]*)\|", section, re.MULTILINE)
    assert len(dict(rows)) == len(rows), f"docs/rest.md, {heading}: a route stands there twice"
    return {request: set(re.findall(r"`(\w+)`", query)) for request, query in rows}


@pytest.mark.parametrize("heading", APPLICATIONS)
def test_every_route_is_described(heading):
    wanted = {f"{route.method} {route.path.removeprefix(BASE)}" for route in APPLICATIONS[heading].routes}
    found = set(described(heading))
    assert found == wanted, f"docs/rest.md, {heading}: add {wanted - found}, remove {found - wanted}"


@pytest.mark.parametrize("heading", APPLICATIONS)
def test_every_query_is_described(heading):
    wanted = {f"{route.method} {route.path.removeprefix(BASE)}": route.query for route in APPLICATIONS[heading].routes}
    found = described(heading)
    wrong = {request: query for request, query in wanted.items() if found.get(request) != set(query)}
    assert not wrong, f"docs/rest.md, {heading}: these queries are described otherwise: {wrong}"
