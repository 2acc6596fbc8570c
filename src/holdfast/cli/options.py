"""Options that many commands share, each written once."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.printable import printable
from holdfast.cli.voice import Output
from holdfast.domain.errors import UsageError
from holdfast.wiring.password_words import PASSWORD


class Invocation:
    """One run of the program: what the error display has to know, whichever command failed."""

    def __init__(self) -> None:
        self.debug = False


def _remember_debug(context: typer.Context, value: bool) -> bool:
    if value and isinstance(context.obj, Invocation):
        context.obj.debug = True
    return value


OutputOption = Annotated[Output, typer.Option("--output", help="Form of the document on standard output.")]
NoProgressOption = Annotated[bool, typer.Option("--no-progress", help="Show no progress.")]
DebugOption = Annotated[
    bool,
    typer.Option(
        "--debug", help="Print a traceback with an error.", is_eager=True, callback=_remember_debug, expose_value=True
    ),
]
PasswordFileOption = Annotated[
    Path | None,
    typer.Option(
        PASSWORD.option,
        metavar="FILE",
        help=f"File with the password or recovery code; else {PASSWORD.variable}, else a prompt on a terminal.",
    ),
]
RepositoryOption = Annotated[
    str,
    typer.Option(
        "--repository", metavar="URL", help="The repository: a directory, file:///path or s3://bucket/prefix[?…]."
    ),
]
RepositoryArgument = Annotated[
    str, typer.Argument(metavar="URL", help="A directory, file:///path or s3://bucket/prefix[?…].", show_default=False)
]
PointArgument = Annotated[
    str, typer.Argument(metavar="POINT", help="An id, a unique prefix, or latest:WORKLOAD[@TIME].", show_default=False)
]
ListenOption = Annotated[
    str, typer.Option("--listen", metavar="HOST:PORT", help="Where to answer; port 0 takes a free one.")
]
SecretsKmsKeyOption = Annotated[
    str | None,
    typer.Option("--kms-key", metavar="KEY", help="Secrets at rest under this AWS KMS key; else under a key file."),
]
KeepSessionsOption = Annotated[
    str,
    typer.Option(
        "--keep-sessions", metavar="DAYS", help="How long ended sessions and their logs are kept, in days, or forever."
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]


def confirm(what: str, yes: bool, option: str = "--yes") -> None:
    """Go on only if a person agrees to `what`; `option` says so unasked. Raises UsageError where they do not, or
    nobody can be asked.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"will not {what}", why="nobody said that it may go", cure=f"add {option}")
    sys.stderr.write(printable(f"{what}? [y/N] "))
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError(f"did not {what}", why="the answer was no", cure=f"answer y, or add {option}")
