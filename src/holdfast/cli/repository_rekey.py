"""`holdfast repository rekey`: what packs hold is sealed under the newest key."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.command import command
from holdfast.cli.options import PasswordFileOption, RepositoryArgument
from holdfast.cli.passwords import given_password
from holdfast.cli.quantities import human_size
from holdfast.cli.repository_documents import by_epoch
from holdfast.cli.tables import facts_table
from holdfast.cli.voice import Voice
from holdfast.domain.numerals import counted

if TYPE_CHECKING:
    from holdfast.repository.upkeep.rekeying import Rekeyed


def rekey(
    voice: Voice,
    url: RepositoryArgument,
    password_file: PasswordFileOption = None,
    wait: Annotated[
        int,
        typer.Option(
            "--wait", metavar="MINUTES", min=0, max=24 * 60, help="How long to wait for running backups, each time."
        ),
    ] = 10,
) -> int:
    """Seal what packs hold under the newest key, and let the old packs go. May be killed and run again.

    Not in an archive, whose packs would have to be retrieved first: copy its points into a new one.
    """
    from holdfast.wiring.local import key_slots, opening

    with opening.opened(url, given_password(password_file), voice.warn) as opened:
        with voice.progress("sealing anew") as progress:
            done = key_slots.rekey(opened, timedelta(minutes=wait), progress)
        document = _document(done)
        voice.document(document, lambda: _table(done))
    if done.waiting:
        held_by = counted(len(done.waiting), "running session")
        voice.warn(f"the rest is held up by {held_by}: run it again when they have ended")
    return voice.status


def _document(done: "Rekeyed") -> dict[str, Any]:
    return {
        "rounds": done.rounds,
        "repacked_packs": done.repacked,
        "written_bytes": done.written_bytes,
        "deleted_packs": done.deleted,
        "freed_bytes": done.freed_bytes,
        "stored_by_key_epoch": by_epoch(done.stored_bytes),
        "waiting": [{"session": one.session.hex(), "opened": one.since} for one in done.waiting],
    }


def _table(done: "Rekeyed") -> str:
    facts = {
        "packs sealed anew": f"{done.repacked} ({human_size(done.written_bytes)})",
        "packs deleted": f"{done.deleted} ({human_size(done.freed_bytes)})",
    }
    return facts_table(facts | {f"under key epoch {kid}": human_size(size) for kid, size in done.stored_bytes.items()})


def add_to(app: typer.Typer) -> None:
    """Give the noun this verb."""
    command(app, "rekey", example="holdfast repository rekey /backup/holdfast --password-file password")(rekey)
