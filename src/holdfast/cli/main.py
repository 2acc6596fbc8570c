"""The console script: nouns, exit codes, and how what goes wrong is shown.

0 done · 1 failed · 2 usage · 3 done with warnings · 4 not found · 5 permission or credentials · 6 damage found
7 conflict · 8 needs the operator · 130 interrupted (the last line says whether to run it again)
"""

import io
import os
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Annotated

import typer

import holdfast
from holdfast.cli import (
    account,
    appliance,
    demo,
    image,
    lab,
    plugin,
    point,
    policy,
    repository,
    restore,
    server,
    session,
    worker,
)
from holdfast.cli.command import command
from holdfast.cli.interruption import end_interrupted, take_signals
from holdfast.cli.missing_extra import missing_extra
from holdfast.cli.options import Invocation
from holdfast.cli.voice import FAILED, of_system, show_error
from holdfast.domain.errors import HoldfastError, InterruptedByUserError, UsageError

app = typer.Typer(name="holdfast", rich_markup_mode=None)


def _print_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"holdfast {holdfast.__version__}\n")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Backup and recovery of AWS workloads. `holdfast NOUN VERB --help` shows an example of each command."""


for noun in (
    server,
    plugin,
    appliance,
    account,
    repository,
    policy,
    session,
    point,
    restore,
    image,
    worker,
    lab,
):
    app.add_typer(noun.app)
command(app, "demo", example=demo.EXAMPLE)(demo.demo)


def main() -> None:
    """Run the program with this process's arguments, and end the process."""
    _prepare_streams()
    sys.excepthook = _show_defect
    take_signals()
    status = run(sys.argv[1:])
    if status == InterruptedByUserError.exit_status:
        # Transfers under way may hang on a dead connection; nothing they could still do matters.
        end_interrupted()
    sys.exit(status)


def run(arguments: Sequence[str]) -> int:
    """Run one command and say what went wrong, if anything did; its exit code."""
    invocation = Invocation()
    try:
        command = typer.main.get_command(app)
        status = command.main(prepared(command, arguments), prog_name="holdfast", standalone_mode=False, obj=invocation)
    except HoldfastError as error:
        _show(error, invocation)
        return error.exit_status
    except typer.TyperException as error:
        usage = UsageError(
            _in_words(error),
            why="the words of the call do not fit",
            cure=f"see `{_path(error)} --help`",
        )
        _show(usage, invocation)
        return usage.exit_status
    except (typer.Abort, KeyboardInterrupt):
        return InterruptedByUserError.exit_status
    except OSError as error:
        _show(of_system(error, f"{error.filename or 'reading or writing'} failed"), invocation)
        return FAILED
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        _show(missing, invocation)
        return missing.exit_status
    return int(status or 0)


def prepared(command: object, arguments: Sequence[str]) -> list[str]:
    """Two habits that the toolkit does not know: a noun alone shows its help, and `--read-data` needs no value."""
    words = list(arguments)
    for word in words:
        command = getattr(command, "commands", {}).get(word)
    if getattr(command, "commands", None):
        words.append("--help")
    if words[:2] == ["repository", "check"]:
        end = words.index("--") if "--" in words else len(words)
        words[:end] = ["--read-data=100" if word == "--read-data" else word for word in words[:end]]
    return words


def _in_words(error: typer.TyperException) -> str:
    """What the toolkit says; of a value that it had pydantic read, what is wrong with it in our words."""
    refusals = getattr(error.__cause__, "errors", None)
    parameter = getattr(error, "param", None)
    if refusals is None or parameter is None:
        return error.format_message().rstrip(".")
    from holdfast.protocol.complaints import complaint

    first, name = refusals()[0], " / ".join(parameter.opts)
    if first["type"] == "value_error":  # of a choice: the toolkit's own sentence, with the value in it
        return f"{name}: {first['ctx']['error']}".rstrip(".")
    return f"{name}: {str(first['input'])[:80]!r} {complaint(first)}"


def _path(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context is not None else "holdfast"


def _show(error: HoldfastError, invocation: Invocation) -> None:
    if invocation.debug:
        traceback.print_exc()
    show_error(error)


def _show_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The last resort: something nobody foresaw."""
    if "--debug" in sys.argv:
        traceback.print_exception(kind, error, trace)
    show_error(
        HoldfastError(
            f"unexpected {kind.__name__}: {error}",
            why="this is a defect in Holdfast; a repository is never left half written by one",
            cure="run it again with --debug and report what it prints",
        )
    )


def _prepare_streams() -> None:
    """Stand-ins where a stream was closed by whoever started us, lest a volume takes its number; and no name that the
    terminal's character set lacks stops a restore.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - open as long as the process
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
