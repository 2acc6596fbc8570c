"""`holdfast repository copy`: points of one repository into another."""

import shlex
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli import copy_documents as documents
from holdfast.cli.command import command
from holdfast.cli.options import PasswordFileOption
from holdfast.cli.passwords import given_password
from holdfast.cli.repository_names import is_name
from holdfast.cli.retrieval import (
    RetrievalDaysOption,
    RetrievalTierOption,
    RetrievalWish,
    WaitOption,
    read_when_readable,
)
from holdfast.cli.voice import Voice, show_error
from holdfast.domain.errors import IntegrityError, UsageError
from holdfast.domain.numerals import counted
from holdfast.wiring.password_words import TO_PASSWORD

_URL_HELP = "A directory, file:///path or s3://bucket/prefix[?…]."


def copy(
    voice: Voice,
    source: Annotated[str, typer.Argument(metavar="SRC", help=f"Copied from: {_URL_HELP}", show_default=False)],
    target: Annotated[str, typer.Argument(metavar="DST", help=f"Copied to: {_URL_HELP}", show_default=False)],
    restore_point: Annotated[
        list[str] | None,
        typer.Option("--restore-point", metavar="POINT", help="Only this one; may be given several times."),
    ] = None,
    workload: Annotated[
        list[str] | None,
        typer.Option("--workload", metavar="NAME", help="Only the points of this one; may be given several times."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be copied.")] = False,
    retrieval_tier: RetrievalTierOption = None,
    retrieval_days: RetrievalDaysOption = None,
    wait: WaitOption = True,
    password_file: PasswordFileOption = None,
    to_password_file: Annotated[
        Path | None,
        typer.Option(
            TO_PASSWORD.option,
            metavar="FILE",
            help=f"File with the password or recovery code of DST; else {TO_PASSWORD.variable}, else a prompt.",
        ),
    ] = None,
) -> int:
    """Copy restore points into another repository, those that it does not have; safe to end and run again."""
    from holdfast.repository.copying.copy import plan_copy
    from holdfast.repository.copying.order import CopyOrder
    from holdfast.wiring.local import copying, opening

    _require_locations(source, target)
    order = CopyOrder(tuple(restore_point or ()), tuple(workload or ()))
    password = given_password(password_file, prompt=f"Password of {source}")
    to_password = given_password(to_password_file, words=TO_PASSWORD, prompt=f"Password of {target}")
    began_seconds = time.monotonic()
    with (
        opening.opened(source, password, voice.warn) as there,
        opening.opened(target, to_password, voice.warn, words=TO_PASSWORD) as here,
    ):
        if dry_run:
            plan = plan_copy(there.repository, here.repository, order)
            document, failed = documents.planned(plan), plan.failed
        else:
            wish = RetrievalWish(retrieval_tier, retrieval_days, wait)
            needed = partial(copying.retrieval_for_copy, there, here, order)
            read = partial(copying.copy, there, here, order)
            report = read_when_readable(voice, there, needed, wish, "copying", read)
            if isinstance(report, int):
                return report
            document, failed = documents.copied(report), report.failed
            for warning in report.warnings:
                voice.warn(warning)
        document |= documents.cost(there, here, time.monotonic() - began_seconds)
    voice.document(document, lambda: documents.table(document))
    for one in failed:
        voice.warn(f"{one.point.id} of {one.point.workload} was not copied: {one.error.what}: {one.error.why}")
    damaged = [one for one in failed if isinstance(one.error, IntegrityError)]
    if not damaged:
        return voice.status
    found = IntegrityError(
        f"{counted(len(damaged), 'restore point')} could not be copied for damage",
        why="; ".join(dict.fromkeys(one.error.what for one in damaged)),
        cure=f"`holdfast repository check {shlex.quote(source)} --read-data` says what is damaged, or the same of "
        f"{shlex.quote(target)}; `holdfast repository repair` mends it; then copy again: what was copied is not copied "
        "twice",
    )
    return show_error(found)


def _require_locations(*places: str) -> None:
    for place in places:
        if is_name(place):
            raise UsageError(
                f"{place} names a repository of a management server",
                why="a copy is made between locations that this program opens itself",
                cure="give the location: a directory, file:///path or s3://bucket/prefix",
            )


def add_to(app: typer.Typer) -> None:
    """Give the noun this verb."""
    example = "holdfast repository copy /backup/holdfast s3://b/p --password-file password --to-password-file other"
    command(app, "copy", example=example)(copy)
