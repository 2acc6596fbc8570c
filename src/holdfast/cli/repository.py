"""`holdfast repository`: make, show, measure and check repositories."""

import shlex
from typing import Annotated

import typer

from holdfast.cli import collection_documents as collections
from holdfast.cli import recovery_code, single_writer
from holdfast.cli import repository_copy as copying
from holdfast.cli import repository_documents as documents
from holdfast.cli import repository_health as health
from holdfast.cli import repository_names as names
from holdfast.cli import repository_rekey as rekeying
from holdfast.cli.command import command
from holdfast.cli.kdf_memory import KdfMemoryOption, memory_bytes, note_unused
from holdfast.cli.options import (
    PasswordFileOption,
    RepositoryArgument,
)
from holdfast.cli.passwords import given_password
from holdfast.cli.repository_key import app as key_app
from holdfast.cli.server_connection import ApplianceOption
from holdfast.cli.tables import as_facts, facts_table
from holdfast.cli.voice import Voice, say
from holdfast.domain.collection import CollectionWish
from holdfast.domain.errors import UsageError
from holdfast.domain.numerals import counted

app = typer.Typer(name="repository", help="Make, check, repair and copy repositories.", rich_markup_mode=None)

KmsKeyOption = Annotated[
    str | None,
    typer.Option("--kms-key", metavar="KEY", help="Id, alias or ARN of an AWS KMS key that opens the repository too."),
]


@command(app, example="holdfast repository init s3://my-bucket/holdfast --password-file password")
def init(
    voice: Voice,
    url: RepositoryArgument,
    password_file: PasswordFileOption = None,
    kms_key: KmsKeyOption = None,
    kdf_memory: KdfMemoryOption = None,
    encryption_suite: Annotated[
        int,
        typer.Option(
            "--encryption-suite",
            metavar="1|2",
            min=1,
            max=2,
            help="2: BLAKE3 and Argon2id. 1: only what FIPS 140-3 approves. For ever.",
        ),
    ] = 2,
    immutable: Annotated[
        bool,
        typer.Option("--immutable", help="Lock everything in it (S3 Object Lock): nobody deletes it before its time."),
    ] = False,
) -> int:
    """Make a repository, and print its recovery code once."""
    from holdfast.wiring.local import opening

    each_try_bytes = memory_bytes(kdf_memory)
    password = given_password(password_file, twice=True)
    recovery_code.before_it_is_made(url)
    with opening.initialised(
        url, voice.warn, password, kms_key, each_try_bytes, suite=encryption_suite, immutable=immutable
    ) as new:
        document = documents.new_repository(new)
        voice.document(document, lambda: facts_table(as_facts(document)))
        single_writer.note_mode(new.repository)
        note_unused(kdf_memory, new.repository)
        if opening.holds_others(new.repository.store):
            say(f"note: other files lie in {new.repository.store.location}, too: they are neither read nor removed")
    recovery_code.after_it_was_shown(voice, url, "the repository and the password")
    return voice.status


@command(app, example="holdfast repository show s3://my-bucket/holdfast --password-file password")
def show(
    voice: Voice,
    url: RepositoryArgument,
    password_file: PasswordFileOption = None,
    accept_ledger: Annotated[
        bool,
        typer.Option(
            "--accept-ledger", help="Take what is there for right: you set the storage back, or made it anew."
        ),
    ] = False,
) -> int:
    """Show what the repository is; a name instead of a URL asks the server."""
    from holdfast.repository.trust.coverings import hidden
    from holdfast.repository.upkeep.rekeying import stored_by_epoch
    from holdfast.wiring.local import opening

    if names.is_name(url):
        if accept_ledger:
            raise UsageError(
                "--accept-ledger is for a location that this program opens itself",
                why=f"{url} names a repository of a management server, whose appliances remember its ledger",
                cure=f"see `holdfast repository rescan {shlex.quote(url)} --help`",
            )
        return names.show(url, voice)
    with opening.opened(url, given_password(password_file), voice.warn, accept_ledger=accept_ledger) as opened:
        document = documents.repository(opened.repository, stored_by_epoch(opened.repository))
        voice.document(document, lambda: documents.repository_table(document))
        single_writer.note_mode(opened.repository)
        for damage in opened.repository.ledger.damage:
            voice.warn(f"the ledger is damaged, and nothing can be written: {damage.what}; {damage.cure}")
        if opened.repository.config.immutable:
            _warn_of_hidden(voice, len(hidden(opened.repository.store)), url)
    return voice.status


def _warn_of_hidden(voice: Voice, count: int, url: str) -> None:
    if count:
        voice.warn(
            f"delete markers stand over {counted(count, 'object')}: somebody has put them there. Restores look behind "
            f"them; find out who it was, then run `holdfast repository repair {shlex.quote(url)}`"
        )


@command(app, example="holdfast repository stats /backup/holdfast --password-file password --output json")
def stats(
    voice: Voice,
    url: RepositoryArgument,
    password_file: PasswordFileOption = None,
) -> int:
    """Count restore points, packs and bytes."""
    from holdfast.repository.sessions.statistics import measure
    from holdfast.wiring.local import opening

    with opening.opened(url, given_password(password_file), voice.warn) as opened:
        found = measure(opened.repository)
        document = documents.statistics(opened.repository, found)
        voice.document(document, lambda: documents.statistics_table(found))
        _warn_of_hidden(voice, found.hidden, url)
        single_writer.note_mode(opened.repository)
    return voice.status


@command(app, example="holdfast repository collect-garbage s3://my-bucket/holdfast --password-file password")
def collect_garbage(
    voice: Voice,
    url: RepositoryArgument,
    password_file: PasswordFileOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go; nothing is written.")] = False,
    no_repack: Annotated[
        bool, typer.Option("--no-repack", help="Delete whole packs only; move nothing out of mostly dead ones.")
    ] = False,
    wait: Annotated[
        int, typer.Option("--wait", metavar="MINUTES", min=0, help="How long to wait for running backups.")
    ] = 10,
    appliance: ApplianceOption = None,
) -> int:
    """Free what no restore point needs; safe beside all else, and to kill. A name instead of a URL asks the server."""
    from holdfast.wiring.local import opening, upkeep

    wish = CollectionWish(wait_minutes=wait, repack=not no_repack, dry_run=dry_run)
    if names.is_name(url):
        return names.collect_garbage(url, wish, voice, appliance)
    with opening.opened(url, given_password(password_file), voice.warn) as opened:
        with voice.progress("collecting") as progress:
            found = upkeep.collect(opened, wish, progress)
        document = collections.collection(found, dry_run=dry_run)
        voice.document(document, lambda: collections.collection_table(document))
        if found.kept_packs > found.locked_packs:
            single_writer.note_mode(opened.repository)
    if found.waiting:
        voice.warn(collections.what_waits(found))
    if found.not_renewed:
        voice.warn(collections.what_was_not_renewed(found.not_renewed))
    return voice.status


@command(app, example="holdfast repository renew-locks s3://my-bucket/holdfast --password-file password")
def renew_locks(
    voice: Voice,
    url: RepositoryArgument,
    password_file: PasswordFileOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count what would be locked longer; nothing is written.")
    ] = False,
) -> int:
    """Make the locks of an immutable repository last: to be run once a day, where no appliance does it."""
    from holdfast.wiring.local import opening, upkeep

    with opening.opened(url, given_password(password_file), voice.warn) as opened:
        with voice.progress("renewing locks") as progress:
            report = upkeep.renew_locks(opened, progress, dry_run=dry_run)
        document = documents.renewal(report)
        voice.document(document, lambda: documents.renewal_table(document))
    if report.not_renewed:
        voice.warn(collections.what_was_not_renewed(tuple(one.object for one in report.not_renewed)))
    return voice.status


# Help lists verbs in the order in which they are added: what begins a repository's life stands first.
health.add_to(app)
copying.add_to(app)
app.add_typer(key_app)
rekeying.add_to(app)
single_writer.add_to(app)
names.add_to(app)
