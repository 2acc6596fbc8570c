"""What a command says: one document on standard output, everything else on standard error."""

import errno
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO

from holdfast.cli.printable import printable
from holdfast.cli.progress_display import progress_display
from holdfast.cli.yaml_text import to_yaml
from holdfast.domain.errors import HoldfastError, OutOfSpaceError

if TYPE_CHECKING:
    from holdfast.repository.progress import Progress

DONE = 0
FAILED = 1
DONE_WITH_WARNINGS = 3

Document = Mapping[str, Any]


class Output(StrEnum):
    """The forms of a document."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


class Voice:
    """Speaks for one run of one command, and remembers whether it warned."""

    def __init__(self, output: Output, *, no_progress: bool) -> None:
        self._output = output
        self._no_progress = no_progress
        self._warned = False
        self.was_heard = True

    @property
    def status(self) -> int:
        """The exit code of a command that did what it was asked; where nobody could be told the result, it failed."""
        if not self.was_heard:
            return FAILED
        return DONE_WITH_WARNINGS if self._warned else DONE

    def document(self, document: Document, table: Callable[[], str], stream: TextIO | None = None) -> None:
        """Print the one document; `table` draws it for people. `stream` where standard output holds a volume. What the
        command has to say besides, its verdict above all, does not depend on who listens there.
        """
        match self._output:
            case Output.JSON:
                text = json.dumps(document, indent=2) + "\n"
            case Output.YAML:
                text = to_yaml(document)
            case Output.TABLE:
                text = table()
        out = stream or sys.stdout
        try:
            out.write(text)
            out.flush()
        except OSError as error:
            self.was_heard = False
            _let_go_of(out)
            if error.errno != errno.EPIPE:  # whoever reads may stop
                show_error(_unheard(error))

    def warn(self, text: str) -> None:
        """Something was not as good as it should be: a line, and exit code 3."""
        self._warned = True
        say(f"warning: {text}")

    def note(self, text: str) -> None:
        """Something a person should know, and nothing is wrong."""
        say(f"note: {text}")

    def progress(self, doing: str) -> "AbstractContextManager[Progress]":
        """A bar on a terminal, a line now and then elsewhere, nothing with `--no-progress` (notes are always shown)."""
        return progress_display(doing, say, quiet=self._no_progress)


def of_system(error: OSError, what: str, cure: str = "run it again") -> HoldfastError:
    """An error of the operating system that no adapter met: a full disk, for one, for which `cure` comes after."""
    why = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpaceError(what, why=why, cure=f"make room, then {cure}")
    return HoldfastError(what, why=why, cure="see the system's log; with --debug the error shows where")


def _unheard(error: OSError) -> HoldfastError:
    return of_system(error, "the result could not be written", "ask again: what the command has done stands")


def _let_go_of(out: TextIO) -> None:
    """What is still in its buffer goes nowhere, rather than fail once more at the end of the process."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())
        os.close(nowhere)


def say(line: str) -> None:
    """One line on standard error; whoever does not listen any more does not stop the work."""
    with suppress(OSError):
        sys.stderr.write(printable(line) + "\n")
        sys.stderr.flush()


def show_error(error: HoldfastError) -> int:
    """The three lines of every error: what, why, what to do; the exit code that it means."""
    say(f"error: {error.what} [{error.code}]")
    say(f"  why: {error.why}")
    say(f"  cure: {error.cure}")
    return error.exit_status
