"""`holdfast session`: what runs, what ran, and why it ended as it did."""

from typing import Annotated

import typer

from holdfast.cli.options import DebugOption, NoProgressOption, OutputOption, YesOption, confirm
from holdfast.cli.quantities import short_time
from holdfast.cli.server_connection import ApplianceOption, connected, every, query
from holdfast.cli.session_display import detail_table, follow, sessions_table, status_of
from holdfast.cli.tables import rows_table
from holdfast.cli.voice import Output, Voice

app = typer.Typer(name="session", help="What runs and what ran: progress, logs, cancel.", rich_markup_mode=None)

SessionArgument = Annotated[
    str, typer.Argument(metavar="SESSION", help="The session's id, or its beginning.", show_default=False)
]


@app.command("list", epilog="Example: holdfast session list --kind policy --last 20")
def list_(
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help="policy, restore, manual-snapshot, deploy, …")
    ] = None,
    subject: Annotated[
        str | None, typer.Option("--of", metavar="NAME", help="Only sessions of this policy, point or appliance.")
    ] = None,
    last: Annotated[int, typer.Option("--last", metavar="N", help="At most so many.")] = 50,
    appliance: ApplianceOption = None,
    output: OutputOption = Output.TABLE,
    no_progress: NoProgressOption = False,
    debug: DebugOption = False,
) -> int:
    """List sessions, newest first."""
    voice = Voice(output, no_progress=no_progress)
    with connected() as client:
        chosen = query(appliance=appliance, kind=kind, subject=subject)
        found = every(client, "/sessions", chosen, most=last)
    voice.document({"sessions": found}, lambda: sessions_table(found))
    return voice.status


@app.command(epilog="Example: holdfast session show 3fa91c")
def show(
    session: SessionArgument,
    output: OutputOption = Output.TABLE,
    no_progress: NoProgressOption = False,
    debug: DebugOption = False,
) -> int:
    """Show one session with its tasks, workers and errors."""
    voice = Voice(output, no_progress=no_progress)
    with connected() as client:
        detail = client.send("GET", f"/sessions/{session}")
    voice.document(detail, lambda: detail_table(detail))
    return voice.status


@app.command(epilog="Example: holdfast session log 3fa91c")
def log(
    session: SessionArgument,
    output: OutputOption = Output.TABLE,
    no_progress: NoProgressOption = False,
    debug: DebugOption = False,
) -> int:
    """Print a session's log, oldest line first."""
    voice = Voice(output, no_progress=no_progress)
    lines: list[dict[str, str | int]] = []
    with connected() as client:
        while page := client.send("GET", f"/sessions/{session}/log", query=query(after=len(lines), limit=500)):
            lines += page
    rows = [(short_time(str(one["time"])), one["level"], one["message"]) for one in lines]
    voice.document({"lines": lines}, lambda: rows_table(("TIME", "LEVEL", "MESSAGE"), rows))
    return voice.status


@app.command(epilog="Example: holdfast session watch 3fa91c")
def watch(
    session: SessionArgument,
    output: OutputOption = Output.TABLE,
    no_progress: NoProgressOption = False,
    debug: DebugOption = False,
) -> int:
    """Follow a session until it ends; the exit code says how."""
    voice = Voice(output, no_progress=no_progress)
    with connected() as client:
        detail = follow(client, voice, session)
    voice.document(detail, lambda: detail_table(detail))
    return status_of(detail)


@app.command(epilog="Example: holdfast session cancel 3fa91c --yes")
def cancel(
    session: SessionArgument,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
    no_progress: NoProgressOption = False,
    debug: DebugOption = False,
) -> int:
    """Cancel a session: workers are ended, what was created for it is removed."""
    voice = Voice(output, no_progress=no_progress)
    confirm(f"cancel session {session}", yes)
    with connected() as client:
        detail = client.send("POST", f"/sessions/{session}/cancel")
    voice.document(detail, lambda: detail_table(detail))
    return voice.status
