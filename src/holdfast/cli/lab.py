"""`holdfast lab`: an AWS of one's own on loopback."""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.command import command
from holdfast.cli.options import ListenOption
from holdfast.cli.tables import facts_table
from holdfast.cli.voice import Voice

app = typer.Typer(name="lab", help="An AWS of your own on this machine.", rich_markup_mode=None)


@app.callback()
def noun() -> None:
    """An AWS of your own on this machine, for rehearsals and tests."""


@command(app, example="holdfast lab run --listen 127.0.0.1:5000 --state ./lab")
def run(
    voice: Voice,
    listen: ListenOption = "127.0.0.1:0",
    faults: Annotated[
        str, typer.Option("--faults", metavar="SPEC", help="Faults to make, ebs:throttle=0.5 for one.")
    ] = "",
    state: Annotated[
        Path | None, typer.Option("--state", metavar="DIR", help="Keep everything here; else it is gone at the end.")
    ] = None,
) -> int:
    """Run an AWS on loopback until Ctrl-C, and print the endpoint for AWS_ENDPOINT_URL."""
    from holdfast.wiring import lab

    def announce(endpoint: str) -> None:
        voice.document({"endpoint": endpoint}, lambda: facts_table({"endpoint": endpoint}))

    lab.run(listen, faults, state, announce)
    return voice.status
