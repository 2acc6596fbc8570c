"""The way from a command to the management server: which one, with which token, and paged lists read whole."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from holdfast.rest.client.server import HoldfastClient

PAGE = 500

ApplianceOption = Annotated[
    str | None,
    typer.Option("--appliance", metavar="NAME", help="Which appliance, where the server has several."),
]
NoWaitOption = Annotated[bool, typer.Option("--no-wait", help="Return at once; see `holdfast session watch`.")]
WorkerModeOption = Annotated[
    str, typer.Option("--worker-mode", metavar="MODE", help="Where data is moved: ec2 (an instance) or local.")
]


@contextmanager
def connected() -> "Iterator[HoldfastClient]":
    """A client of the server that the environment names, or that runs on this machine."""
    from holdfast.wiring.server_client import open_client

    with closing(open_client()) as client:
        yield client


def query(**values: str | int | bool | None) -> dict[str, str]:
    """A query of what is not None."""
    return {name: _text(value) for name, value in values.items() if value is not None}


def every(client: "HoldfastClient", path: str, chosen: Mapping[str, str], most: int | None = None) -> list[Any]:
    """All documents of a list that comes in pages, newest first; at most `most`."""
    found: list[Any] = []
    before: str | None = None
    while True:
        page = client.send("GET", path, query={**chosen, **query(before=before, limit=PAGE)})
        found += page["items"]
        before = page["next"]
        if before is None or (most is not None and len(found) >= most):
            return found if most is None else found[:most]


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
