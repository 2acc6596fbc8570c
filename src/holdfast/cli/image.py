"""`holdfast image`: back up, restore, list, show, delete and verify restore points of disks and streams."""

import sys
import time
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli import documents
from holdfast.cli.command import command
from holdfast.cli.interruption import LAST_WORDS
from holdfast.cli.losses import show_lost
from holdfast.cli.options import PasswordFileOption, PointArgument, RepositoryOption, YesOption, confirm
from holdfast.cli.passwords import given_password
from holdfast.cli.quantities import parse_keep
from holdfast.cli.retrieval import (
    PlanOption,
    RetrievalDaysOption,
    RetrievalTierOption,
    RetrievalWish,
    WaitOption,
    read_when_readable,
    show_plan,
)
from holdfast.cli.single_writer import note_mode
from holdfast.cli.tables import as_facts, facts_table
from holdfast.cli.voice import Voice
from holdfast.domain.errors import UsageError

if TYPE_CHECKING:
    from holdfast.repository.sessions.points import PointSummary

app = typer.Typer(name="image", help="Back up and restore disks, snapshots and streams.", rich_markup_mode=None)


class Compression(StrEnum):
    """How much time to spend on how few bytes."""

    FAST = "fast"
    DEFAULT = "default"
    BEST = "best"


@command(app, example="holdfast image backup ebs:snap-0123456789abcdef0 --repository s3://b/p --workload web-1")
def backup(
    voice: Voice,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A file, a block device, - (standard input) or ebs:snap-…[?region=].",
            show_default=False,
        ),
    ],
    repository: RepositoryOption,
    workload: Annotated[str, typer.Option("--workload", metavar="NAME", help="What is backed up, by its name.")],
    parent: Annotated[
        str | None,
        typer.Option("--parent", metavar="ID|none", help="The point to build upon; else the newest of the workload."),
    ] = None,
    changed_blocks: Annotated[
        Path | None,
        typer.Option(
            "--changed-blocks",
            metavar="FILE",
            help="One `OFFSET LENGTH` in bytes a line: these are read, all else is taken from the parent unread.",
        ),
    ] = None,
    compression: Annotated[
        Compression, typer.Option("--compression", help="How hard to compress.")
    ] = Compression.DEFAULT,
    keep: Annotated[
        str | None,
        typer.Option(
            "--keep",
            metavar="TIME",
            help="Promise to keep it so long, in an immutable repository: 30d, 6w, 1y. Nobody deletes it before.",
        ),
    ] = None,
    password_file: PasswordFileOption = None,
) -> int:
    """Make a restore point of a volume or stream."""
    from holdfast.wiring.local import backing_up, opening

    promise = None if keep is None else parse_keep(keep, "--keep")
    password = given_password(password_file)
    began_seconds = time.monotonic()
    with opening.opened(repository, password, voice.warn) as opened, voice.progress("backing up") as progress:
        order = backing_up.backup_order(opened, workload, parent, compression.value, promise)
        report = backing_up.back_up(opened, source, order, changed_blocks, progress)
        document = documents.backup(report, opened.requests, time.monotonic() - began_seconds, changed_blocks)
        document["single_writer"] = opened.repository.config.single_writer
        note_mode(opened.repository)
    for warning in report.warnings:
        voice.warn(warning)
    voice.document(document, lambda: facts_table(as_facts(document)))
    return voice.status


@command(app, example="holdfast image restore latest:web-1 --repository s3://b/p --to ebs:")
def restore(
    voice: Voice,
    point: PointArgument,
    repository: RepositoryOption,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="TARGET",
            help="A file, a block device, - (standard output) or ebs:[?region=&description=] (a new snapshot).",
        ),
    ] = None,
    volume: Annotated[
        str | None, typer.Option("--volume", metavar="NAME", help="Which volume, where the point has several.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file or block device that exists.")] = False,
    no_sha256: Annotated[
        bool, typer.Option("--no-sha256", help="Do not read a restored file back to compute its SHA-256.")
    ] = False,
    salvage: Annotated[
        bool,
        typer.Option("--salvage", help="Restore what there is: zeros for what is lost, and exit code 6 that names it."),
    ] = False,
    plan: PlanOption = False,
    retrieval_tier: RetrievalTierOption = None,
    retrieval_days: RetrievalDaysOption = None,
    wait: WaitOption = True,
    password_file: PasswordFileOption = None,
) -> int:
    """Bring a volume or stream back. What an archive has of it is retrieved first, where --retrieval-tier says so."""
    from holdfast.wiring.local import opening, points
    from holdfast.wiring.targets import sha256_of_restored

    if to is None and not plan:
        raise UsageError("where to?", why="--to is missing, and a restore needs a target", cure="add --to, or --plan")
    password = given_password(password_file)
    began_seconds = time.monotonic()
    with opening.opened(repository, password, voice.warn) as opened:
        found = points.find(opened, point)
        if points.is_yet_to_come(opened, found):
            _warn_of_the_clock(voice, found)
        needed = partial(points.retrieval, opened, found, volume, whole=False, salvage=salvage)
        if plan or to is None:
            show_plan(voice, needed().plan, retrieval_days)
            return voice.status
        open_target = partial(points.target, to, found, force=force)
        open_target()  # nothing is paid for what cannot go there
        wish = RetrievalWish(retrieval_tier, retrieval_days, wait)
        retrieves = retrieval_tier is not None
        read = partial(points.restore, opened, found, open_target, volume=volume, salvage=salvage, retrieves=retrieves)
        report = read_when_readable(voice, opened, needed, wish, "restoring", read, may_read_again=to != "-")
        if isinstance(report, int):
            return report
        # At once: nothing else tells zeros that stand for what is lost from others.
        missing = show_lost(report.volume.name, report.lost) if report.lost else None
        sha256 = report.facts.get("sha256")
        if sha256 is None and not no_sha256:
            LAST_WORDS.set(f"{to} has all that could be restored; only its SHA-256 was not computed")
            with voice.progress("reading back") as progress:
                sha256 = sha256_of_restored(to, progress)
        duration_seconds = time.monotonic() - began_seconds
        document = documents.restore(
            report, to, None if no_sha256 else sha256, opened.counts.received_bytes, opened.requests, duration_seconds
        )
    for warning in report.warnings:
        voice.warn(warning)
    # A volume on standard output leaves no room there for the document.
    voice.document(document, lambda: facts_table(as_facts(document)), sys.stderr if to == "-" else None)
    return voice.status if missing is None else missing


def _warn_of_the_clock(voice: Voice, found: "PointSummary") -> None:
    voice.warn(
        f"restore point {found.id} is dated {found.created}, which is yet to come: a clock was wrong when it "
        f"was made, or is now; `holdfast image list` shows the others of {found.workload}"
    )


@command(app, "list", example="holdfast image list --repository s3://b/p --workload web-1 --output json")
def list_(
    voice: Voice,
    repository: RepositoryOption,
    workload: Annotated[
        str | None, typer.Option("--workload", metavar="NAME", help="Only the points of this workload.")
    ] = None,
    password_file: PasswordFileOption = None,
) -> int:
    """List restore points, oldest first."""
    from holdfast.wiring.local import opening, points

    with opening.opened(repository, given_password(password_file), voice.warn) as opened:
        found = points.listed(opened, workload)
    voice.document({"restore_points": [documents.point(one) for one in found]}, lambda: documents.points_table(found))
    return voice.status


@command(app, example="holdfast image show latest:web-1 --repository s3://b/p")
def show(
    voice: Voice,
    point: PointArgument,
    repository: RepositoryOption,
    password_file: PasswordFileOption = None,
) -> int:
    """Show one restore point: volumes, source, parent, packs, statistics."""
    from holdfast.wiring.local import opening, points

    with opening.opened(repository, given_password(password_file), voice.warn) as opened:
        manifest = points.manifest(opened, point)
    voice.document(documents.manifest(manifest), lambda: documents.manifest_table(manifest))
    return voice.status


@command(app, example="holdfast image delete 3fa9 --repository s3://b/p --yes")
def delete(
    voice: Voice,
    point: PointArgument,
    repository: RepositoryOption,
    yes: YesOption = False,
    password_file: PasswordFileOption = None,
) -> int:
    """Delete one restore point, for good. All others keep what they need."""
    from holdfast.wiring.local import opening, points

    with opening.opened(repository, given_password(password_file), voice.warn) as opened:
        found = points.find(opened, point)
        confirm(f"delete restore point {found.id} of {found.workload}", yes)
        points.delete(opened, found)
        document = documents.point(found)
    voice.document(document, lambda: facts_table({"deleted": found.id, "workload": found.workload}))
    return voice.status


@command(app, example="holdfast image verify latest:web-1 --repository s3://b/p")
def verify(
    voice: Voice,
    point: PointArgument,
    repository: RepositoryOption,
    retrieval_tier: RetrievalTierOption = None,
    retrieval_days: RetrievalDaysOption = None,
    wait: WaitOption = True,
    password_file: PasswordFileOption = None,
) -> int:
    """Read all of one restore point, as a restore would, and keep nothing."""
    from holdfast.wiring.local import opening, points

    password = given_password(password_file)
    began_seconds = time.monotonic()
    with opening.opened(repository, password, voice.warn) as opened:
        found = points.find(opened, point)
        needed = partial(points.retrieval, opened, found, None, whole=True)
        wish = RetrievalWish(retrieval_tier, retrieval_days, wait)
        read = partial(points.verify, opened, found)
        report = read_when_readable(voice, opened, needed, wish, "verifying", read)
        if isinstance(report, int):
            return report
    for warning in report.warnings:
        voice.warn(warning)
    document = documents.verification(report, found, time.monotonic() - began_seconds)
    voice.document(document, lambda: facts_table(as_facts(document)))
    return voice.status
