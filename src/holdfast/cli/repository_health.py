"""`holdfast repository scrub`, `check` and `repair`: is everything as it was written, and what if not."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli import repository_documents as documents
from holdfast.cli.command import command
from holdfast.cli.options import PasswordFileOption, RepositoryArgument
from holdfast.cli.passwords import given_password, read_secret_file
from holdfast.cli.quantities import parse_percent
from holdfast.cli.voice import Voice, say, show_error
from holdfast.domain.errors import IntegrityError, UsageError
from holdfast.domain.numerals import counted
from holdfast.wiring.password_words import FROM_PASSWORD


def check(
    voice: Voice,
    url: RepositoryArgument,
    password_file: PasswordFileOption = None,
    read_data: Annotated[
        str | None,
        typer.Option(
            "--read-data",
            metavar="[=PERCENT]",
            help="Read and open the packs too: all of them, or so many percent chosen at random.",
        ),
    ] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Write nothing anywhere, not even what this machine remembers.")
    ] = False,
) -> int:
    """Look for damage; exit code 6 names each damaged object and the restore points and volumes it hurts."""
    from holdfast.repository.health.checking.check import check_repository
    from holdfast.wiring.local import opening

    percent = None if read_data is None else parse_percent(read_data, "--read-data")
    password = given_password(password_file)
    with opening.opened(url, password, voice.warn, remembering=not read_only) as opened:
        with voice.progress("checking") as progress:
            report = check_repository(opened.repository, percent, progress)
        voice.document(documents.check(report), lambda: documents.check_table(report, read=percent is not None))
    if report.harmful:
        found = IntegrityError(
            f"{counted(len(report.harmful), 'damaged or missing object')} in {opened.repository.store.location}",
            why="they are not as they were written; standard output names each with whom it hurts",
            cure=f"`holdfast repository repair {shlex.quote(url)}` heals packs and index runs; for each other kind of "
            "object docs/recovery.md says what brings it back; points that are not named restore",
        )
        return show_error(found)
    for damage in report.damage:
        voice.warn(
            f"{damage.object} is damaged ({damage.why}), and nobody needs it any more: "
            f"`holdfast repository collect-garbage {shlex.quote(url)}` takes it away"
        )
    return voice.status


def scrub(
    voice: Voice,
    url: RepositoryArgument,
    percent: Annotated[
        str,
        typer.Option("--percent", metavar="PERCENT", help="So much of the packs, chosen at random; else all of them."),
    ] = "100",
) -> int:
    """Look for damage without password or key; exit code 6 names each damaged object."""
    from holdfast.wiring.local import upkeep

    share, word = parse_percent(percent, "--percent"), shlex.quote(url)
    with voice.progress("scrubbing") as progress:
        report = upkeep.scrubbed(url, share, progress)
    voice.document(documents.scrub(report), lambda: documents.scrub_table(report))
    if report.foreign:
        say(f"{counted(report.foreign, 'file')} of somebody else, which nobody reads")
    if report.damage:
        found = IntegrityError(
            f"{counted(len(report.damage), 'damaged or missing object')} in {url}",
            why="they are not as they were written; standard output names each",
            cure=f"`holdfast repository check {word} --read-data` says whom it hurts: run `holdfast repository repair "
            f"{word}`, or where one has been, `holdfast repository collect-garbage {word}`, which takes away what it "
            "healed",
        )
        return show_error(found)
    return voice.status


def repair(
    voice: Voice,
    url: RepositoryArgument,
    password_file: PasswordFileOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what could be healed; write nothing.")] = False,
    from_url: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="URL",
            help="Take bytes from this repository: a copy, or one with points of the same workloads.",
        ),
    ] = None,
    from_password_file: Annotated[
        Path | None,
        typer.Option(
            FROM_PASSWORD.option, metavar="FILE", help="Opens the one of --from; else what opens this one is tried."
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--source", metavar="SOURCE", help="What a point was made of: a file, a device, ebs:snap-…."),
    ] = None,
    restore_point: Annotated[
        str | None, typer.Option("--restore-point", metavar="POINT", help="The point that was made of --source.")
    ] = None,
    volume: Annotated[
        str | None, typer.Option("--volume", metavar="NAME", help="Which volume of it, where it has several.")
    ] = None,
    ledger_only: Annotated[
        bool, typer.Option("--ledger-only", help="Only tell the ledger of points that it does not know; read no pack.")
    ] = False,
) -> int:
    """Heal damage from copies, another repository or the source; only ever adds."""
    from holdfast.wiring.local import opening, repairing

    password = given_password(password_file)
    other = password if from_password_file is None else read_secret_file(from_password_file, FROM_PASSWORD.option)
    elsewhere = repairing.Elsewhere(from_url, other, source, restore_point, volume)
    if ledger_only and (from_url or source or restore_point or volume):
        raise UsageError(
            "nothing is read from elsewhere",
            why="--ledger-only reads no pack",
            cure="leave --from, --source, --restore-point and --volume out",
        )
    with opening.opened(url, password, voice.warn) as opened:
        with voice.progress("asking the ledger" if ledger_only else "reading all packs") as progress:
            if ledger_only:
                report = repairing.tell_ledger(opened, progress, rehearsal=dry_run)
            else:
                report = repairing.mend(opened, elsewhere, voice.warn, progress, rehearsal=dry_run)
        voice.document(documents.repair(report), lambda: documents.repair_table(report))
    if report.left:
        found = IntegrityError(
            f"{counted(len(report.left), 'object')} of {opened.repository.store.location} could not be healed",
            why="no healthy copy was found; standard output names each with whom it hurts",
            cure="for packs try --from or --source; for each other kind of object docs/recovery.md says what brings it "
            "back; all other points restore",
        )
        return show_error(found)
    return voice.status


def add_to(app: typer.Typer) -> None:
    """Give the noun these verbs."""
    noun = "holdfast repository"
    command(app, example=f"{noun} check /backup/holdfast --read-data=10 --password-file password")(check)
    command(app, example=f"{noun} scrub s3://my-bucket/holdfast --percent 10")(scrub)
    command(app, example=f"{noun} repair /backup/holdfast --from s3://my-bucket/copy --password-file password")(repair)
