"""Repositories in single-writer mode: what is said of them, and `holdfast repository take-over-lease`."""

from typing import TYPE_CHECKING, Any

import typer

from holdfast.cli.command import command
from holdfast.cli.options import PasswordFileOption, RepositoryArgument
from holdfast.cli.passwords import given_password
from holdfast.cli.tables import facts_table
from holdfast.cli.voice import Voice, say

if TYPE_CHECKING:
    from holdfast.repository.opening.repository import Repository
    from holdfast.repository.opening.single_writer.lease import Holder


def note_mode(repository: "Repository") -> None:
    """Say it where the repository is in this mode; nothing is wrong with it, so it is no warning."""
    if repository.config.single_writer:
        say(
            f"{repository.store.location} is in single-writer mode: its store ignores If-None-Match, so one program "
            "writes at a time, and what is deleted is freed after seven days"
        )


def take_over_lease(
    voice: Voice,
    url: RepositoryArgument,
    password_file: PasswordFileOption = None,
) -> int:
    """Free a repository in single-writer mode from writers that died, an hour after they were last heard of."""
    from holdfast.wiring.local import opening

    with opening.opened(url, given_password(password_file), voice.warn) as opened:
        dead = opened.repository.take_over_lease()
    document = {"dead": [_holder(one) for one in dead]}
    voice.document(document, lambda: _table(document["dead"]))
    return voice.status


def _holder(holder: "Holder") -> dict[str, Any]:
    from holdfast.domain.time import format_time

    claim, heard = holder.claim, holder.last_heard
    return {
        "party": None if claim is None else claim.party,
        "since": None if claim is None else claim.taken,
        "last_heard": None if heard is None else format_time(heard),
    }


def _table(dead: list[dict[str, Any]]) -> str:
    if not dead:
        return facts_table({"taken over from": "nobody: nobody held it"})
    return "".join(facts_table({"taken over from": one["party"] or "somebody unknown", **one}) for one in dead)


def add_to(app: typer.Typer) -> None:
    """Give the noun this verb."""
    example = "holdfast repository take-over-lease s3://my-bucket/holdfast --password-file password"
    command(app, "take-over-lease", example=example)(take_over_lease)
