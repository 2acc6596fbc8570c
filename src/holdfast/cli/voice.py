"""What a command says: one document on standard output, everything else on standard error."""

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TextIO

from holdfast.cli.printable import printable
from holdfast.cli.progress_display import progress_display
from holdfast.cli.yaml_text import to_yaml
from holdfast.domain.errors import HoldfastError

if TYPE_CHECKING:
    from holdfast.repository.progress import Progress

DONE = 0
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

    @property
    def status(self) -> int:
        """The exit code of a command that did what it was asked."""
        return DONE_WITH_WARNINGS if self._warned else DONE

    def document(self, document: Document, table: Callable[[], str], stream: TextIO | None = None) -> None:
        """Print the one document; `table` draws it for people. `stream` where standard output holds a volume."""
        match self._output:
            case Output.JSON:
                text = json.dumps(document, indent=2) + "\n"
            case Output.YAML:
                text = to_yaml(document)
            case Output.TABLE:
                text = table()
        out = stream or sys.stdout
        out.write(text)
        out.flush()

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
