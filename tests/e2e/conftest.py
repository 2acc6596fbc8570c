"""Modules whose labs, servers and appliances are made once."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
MADE_ONCE = [FOLDER / name for name in ("campaign", "permissions", "product", "server")]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Also where several processes share the tests; before xdist looks which belong together."""
    for item in items:
        if item.path.parent in MADE_ONCE:
            item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}/{item.path.name}"))
