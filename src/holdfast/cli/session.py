"""`holdfast session`: what runs, what ran, and why it ended as it did."""

from typing import Annotated

import typer

from holdfast.cli.command import command
from holdfast.cli.options import YesOption, confirm
from holdfast.cli.quantities import short_time
from holdfast.cli.server_connection import ApplianceOption, connected, every, query
from holdfast.cli.session_display import FINAL, detail_table, follow, named_session, sessions_table, status_of
from holdfast.cli.tables import rows_table
from holdfast.cli.voice import Voice, say
from holdfast.domain.session import SessionKind

app = typer.Typer(name="session", help="What runs and what ran: progress, logs, cancel.", rich_markup_mode=None)

SessionArgument = Annotated[
    str, typer.Argument(metavar="SESSION", help="The session's id, or its beginning.", show_default=False)
]


@command(app, "list", example="holdfast session list --kind policy --last 20")
def list_(
    voice: Voice,
    kind: Annotated[SessionKind | None, typer.Option("--kind", help="Only sessions of this kind.")] = None,
    subject: Annotated[
        str | None,
        typer.Option("--of", metavar="NAME", help="Only sessions of this policy, point, repository or appliance."),
    ] = None,
    last: Annotated[int, typer.Option("--last", metavar="N", min=1, help="At most so many.")] = 50,
    appliance: ApplianceOption = None,
) -> int:
    """List sessions, newest first."""
    with connected() as client:
        chosen = query(appliance=appliance, kind=kind, subject=subject)
        found = every(client, "/sessions", chosen, most=last)
    voice.document({"sessions": found}, lambda: sessions_table(found))
    return voice.status


@command(app, example="holdfast session show 3fa91c")
def show(
    voice: Voice,
    session: SessionArgument,
) -> int:
    """Show one session with its tasks, workers and errors."""
    with connected() as client:
        detail = client.send("GET", f"/sessions/{session}")
    voice.document(detail, lambda: detail_table(detail))
    return voice.status


@command(app, example="holdfast session log 3fa91c")
def log(
    voice: Voice,
    session: SessionArgument,
) -> int:
    """Print a session's log, oldest line first."""
    lines: list[dict[str, str | int]] = []
    with connected() as client:
        while page := client.send("GET", f"/sessions/{session}/log", query=query(after=len(lines), limit=500)):
            lines += page
    rows = [(short_time(str(one["time"])), one["level"], one["message"]) for one in lines]
    voice.document({"lines": lines}, lambda: rows_table(("TIME", "LEVEL", "MESSAGE"), rows))
    return voice.status


@command(app, example="holdfast session watch 3fa91c")
def watch(
    voice: Voice,
    session: SessionArgument,
) -> int:
    """Follow a session until it ends; the exit code says how."""
    with connected() as client:
        found = client.send("GET", f"/sessions/{session}")
        detail = follow(client, voice, found["session"]["id"])
    voice.document(detail, lambda: detail_table(detail))
    return status_of(detail)


@command(app, example="holdfast session cancel 3fa91c --yes")
def cancel(
    voice: Voice,
    session: SessionArgument,
    yes: YesOption = False,
) -> int:
    """Cancel a session: workers are ended, what was created for it is removed."""
    with connected() as client:
        found = client.send("GET", f"/sessions/{session}")
        confirm(f"cancel {named_session(found)}", yes)
        detail = client.send("POST", f"/sessions/{found['session']['id']}/cancel")
    if detail["session"]["state"] in FINAL:
        say(f"note: there was nothing to cancel: it has ended, {detail['session']['state']}")
    voice.document(detail, lambda: detail_table(detail))
    return voice.status
