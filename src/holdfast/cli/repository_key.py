"""`holdfast repository key`: the ways to open a repository."""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli import recovery_code
from holdfast.cli import repository_documents as documents
from holdfast.cli.command import command
from holdfast.cli.kdf_memory import KdfMemoryOption, memory_bytes, note_unused
from holdfast.cli.options import (
    PasswordFileOption,
    RepositoryArgument,
    YesOption,
    confirm,
)
from holdfast.cli.passwords import ask_new_password, given_password, read_recovery_code_file, read_secret_file
from holdfast.cli.tables import as_facts, facts_table
from holdfast.cli.voice import Voice, say
from holdfast.domain.errors import UsageError

app = typer.Typer(name="key", help="The ways to open a repository.", rich_markup_mode=None)

_WAYS = "--new-password-file, --recovery or --kms-key"
_LABEL_BYTES = 1000
_TRIALS = "--password-file, --recovery-code-file or --kms"


@command(app, "list", example="holdfast repository key list /backup/holdfast")
def list_(
    voice: Voice,
    url: RepositoryArgument,
) -> int:
    """List the key slots. Needs no password: who may open the repository stands there in the clear."""
    from holdfast.wiring.local import key_slots

    listed = key_slots.key_slots(url)
    voice.document(documents.listed_slots(listed), lambda: documents.listed_slots_table(listed))
    for one in listed.slots:
        if one.is_due:
            voice.warn(documents.what_is_due(one))
    for damaged in listed.damaged:
        voice.warn(f"key slot {damaged.slot.hex()} is damaged and opens nothing: {damaged.why}")
    return voice.status


@command(app, example="holdfast repository key add /backup/holdfast --password-file old --new-password-file new")
def add(
    voice: Voice,
    url: RepositoryArgument,
    new_password_file: Annotated[
        Path | None,
        typer.Option("--new-password-file", metavar="FILE", help="A further password; else a prompt on a terminal."),
    ] = None,
    recovery: Annotated[bool, typer.Option("--recovery", help="A further recovery code, printed once.")] = False,
    kms_key: Annotated[
        str | None, typer.Option("--kms-key", metavar="KEY", help="Whoever may use this AWS KMS key.")
    ] = None,
    label: Annotated[str, typer.Option("--label", metavar="TEXT", help="What `key list` says of it.")] = "",
    kdf_memory: KdfMemoryOption = None,
    password_file: PasswordFileOption = None,
) -> int:
    """Add a way to open the repository. `--password-file` opens it now, the other options say what is added."""
    from holdfast.wiring.local import key_slots, opening

    if sum((new_password_file is not None, recovery, kms_key is not None)) > 1:
        raise UsageError("one way at a time", why=f"more than one of {_WAYS} was given", cure="call it once for each")
    if len(label.encode()) > _LABEL_BYTES:
        raise UsageError(
            "--label is too long", why=f"it has {len(label.encode())} bytes", cure=f"{_LABEL_BYTES} at most"
        )
    each_try_bytes = memory_bytes(kdf_memory)
    new_password = None if new_password_file is None else read_secret_file(new_password_file, "--new-password-file")
    with opening.opened(url, given_password(password_file), voice.warn) as opened:
        if recovery:
            recovery_code.before_it_is_made(url)
            slot, code = key_slots.add_recovery(opened, label or "recovery code")
        elif kms_key is not None:
            slot, code = key_slots.add_kms(opened, kms_key, label or kms_key), None
        else:
            new_password = new_password or ask_new_password()
            if new_password is None:
                raise UsageError("nothing to add", why="no new key was given", cure=f"add {_WAYS}")
            slot, code = key_slots.add_password(opened, new_password, label or "password", each_try_bytes), None
        note_unused(kdf_memory, opened.repository)
    document = documents.key_slot(slot)
    if code is not None:
        document["recovery_code"] = code
    voice.document(document, lambda: facts_table(as_facts(document)))
    if code is not None:
        recovery_code.after_it_was_shown(voice, url, "the repository")
    return voice.status


@command(app, example="holdfast repository key remove /backup/holdfast 3fa9 --password-file password --yes")
def remove(
    voice: Voice,
    url: RepositoryArgument,
    slot: Annotated[
        str, typer.Argument(metavar="SLOT", help="The slot's id or the beginning of it.", show_default=False)
    ],
    yes: YesOption = False,
    password_file: PasswordFileOption = None,
) -> int:
    """Remove a way to open the repository; the last recovery code stays.

    Whoever copied the repository before may still open that copy with what is removed.
    """
    from holdfast.repository.keys.slots import DamagedSlot
    from holdfast.wiring.local import key_slots, opening

    with opening.opened(url, given_password(password_file), voice.warn) as opened:
        meant = key_slots.found_slot(opened, slot)
        told = "damaged" if isinstance(meant, DamagedSlot) else ", ".join(filter(None, (meant.kind, meant.label)))
        confirm(f"remove key slot {meant.slot.hex()} ({told}) of {opened.repository.store.location}", yes)
        removed = key_slots.remove_key(opened, meant)
    document = documents.removed_slot(removed)
    voice.document(document, lambda: facts_table({"removed": document["slot"], "label": document.get("label")}))
    return voice.status


@command(app, example="holdfast repository key rotate /backup/holdfast --password-file password")
def rotate(
    voice: Voice,
    url: RepositoryArgument,
    new_password_file: Annotated[
        Path | None,
        typer.Option("--new-password-file", metavar="FILE", help="In place of the password that opens it now."),
    ] = None,
    kdf_memory: KdfMemoryOption = None,
    password_file: PasswordFileOption = None,
) -> int:
    """Begin a new master key for all that is written from now on, and print a new recovery code once.

    What was written before stays as it is and opens by the new keys; running backups and restores go on.
    """
    from holdfast.repository.format.key_slot import RECOVERY
    from holdfast.wiring.local import key_slots, opening

    each_try_bytes = memory_bytes(kdf_memory)
    new_password = None if new_password_file is None else read_secret_file(new_password_file, "--new-password-file")
    password = given_password(password_file)
    with opening.opened(url, password, voice.warn) as opened:
        opened_by = opened.repository.epochs.slot.slot
        recovery_code.before_it_is_made(url)
        done = key_slots.rotate(opened, password, new_password, each_try_bytes)
        note_unused(kdf_memory, opened.repository)
        document = documents.rotation(done)
        voice.document(document, lambda: documents.rotation_table(done))
    recovery_code.after_it_was_shown(voice, url, "the repository and the password")
    for slot in done.left_behind:
        is_replaced = slot.kind == RECOVERY or (new_password is not None and slot.slot == opened_by)
        tell = say if is_replaced else voice.warn
        tell(f"key slot {slot.slot.hex()} ({slot.kind}, {slot.label}) opens past key epochs only from now on")
    for damaged in done.damaged:
        voice.warn(f"key slot {damaged.slot.hex()} is damaged and was left as it is: {damaged.why}")
    if done.not_handed_over is not None:
        voice.warn(f"older objects are not vouched for yet, which the next backup does: {done.not_handed_over}")
    return voice.status


@command(app, example="holdfast repository key drill /backup/holdfast --recovery-code-file code")
def drill(
    voice: Voice,
    url: RepositoryArgument,
    password_file: Annotated[
        Path | None, typer.Option("--password-file", metavar="FILE", help="Try the password in that file.")
    ] = None,
    recovery_code_file: Annotated[
        Path | None, typer.Option("--recovery-code-file", metavar="FILE", help="Try the recovery code in that file.")
    ] = None,
    kms: Annotated[bool, typer.Option("--kms", help="Try the KMS key slots, with no password beside them.")] = False,
) -> int:
    """Try one way in: open the repository by it alone, read a block back, and remember when that was."""
    from holdfast.repository.keys.slots import Secret
    from holdfast.wiring.local import key_slots

    if sum((password_file is not None, recovery_code_file is not None, kms)) > 1:
        raise UsageError("one way at a time", why=f"more than one of {_TRIALS} was given", cure="call it once for each")
    if kms:
        secret = key_slots.kms_alone()
    elif recovery_code_file is not None:
        secret = Secret(read_recovery_code_file(recovery_code_file, "--recovery-code-file"))
    else:
        secret = Secret(given_password(password_file))
        if secret.text is None:
            raise UsageError("nothing to try", why="no key was given", cure=f"add {_TRIALS}")
    done = key_slots.tried(url, secret, voice.warn)
    document = documents.drill(done)
    voice.document(document, lambda: facts_table(as_facts(document)))
    if done.point is None:
        say("note: it opens; there is no restore point with anything in it to read back")
    return voice.status
