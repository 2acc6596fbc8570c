"""`holdfast server`: runs the management server, and renews its administrator's token."""

from typing import Annotated

import typer

from holdfast.cli.command import command
from holdfast.cli.options import KeepSessionsOption, ListenOption, SecretsKmsKeyOption
from holdfast.cli.quantities import parse_days
from holdfast.cli.tables import as_facts, facts_table
from holdfast.cli.voice import Voice
from holdfast.domain.history import SESSIONS_KEPT_DAYS, SessionHistory

app = typer.Typer(name="server", help="The management server.", rich_markup_mode=None)


@app.callback()
def noun() -> None:
    """The management server: infrastructure, policies, sessions, restores."""


DatabaseOption = Annotated[
    str | None,
    typer.Option("--database", metavar="URL", help="A PostgreSQL URL; else a file under HOLDFAST_HOME."),
]


@command(app, example="holdfast server run --listen 0.0.0.0:9443")
def run(
    voice: Voice,
    listen: ListenOption = "127.0.0.1:9443",
    database: DatabaseOption = None,
    kms_key: SecretsKmsKeyOption = None,
    keep_sessions: KeepSessionsOption = str(SESSIONS_KEPT_DAYS),
) -> int:
    """Run the server until Ctrl-C, and print its address and where its administrator's token is."""
    from holdfast.wiring import server

    history = SessionHistory(parse_days(keep_sessions, "--keep-sessions"))
    server.run(listen, database, kms_key, history, lambda facts: voice.document(facts, lambda: facts_table(facts)))
    return voice.status


@command(app, example="holdfast server token --renew")
def token(
    voice: Voice,
    renew: Annotated[
        bool, typer.Option("--renew", help="Write a new one; those from before open nothing any more.")
    ] = False,
    database: DatabaseOption = None,
) -> int:
    """Say where the administrator's token is, or renew it, while the server runs or not; on the server's machine."""
    from holdfast.wiring import admin_token

    found = admin_token.renew(database) if renew else admin_token.look(database)
    document = {"token_file": str(found.token_file), "valid": found.valid, "revoked": found.revoked}
    voice.document(document, lambda: facts_table(as_facts(document)))
    if not found.valid:
        voice.warn("the server does not take what lies there: add --renew, or start the server again")
    return voice.status
