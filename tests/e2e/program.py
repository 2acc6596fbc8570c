"""The program as a person runs it: words, an environment and a folder go in, an exit code and what it printed come out.

A command runs in the process of the tests, for Python and its imports would be most of what it costs. Where the process
is the point (signals, terminals, streams that are closed or full, what runs until it is ended) tests start `PROGRAM`.
"""

import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.cli.main import run

PROGRAM = [sys.executable, "-m", "holdfast.cli.main"]


@dataclass(frozen=True)
class Outcome:
    """What came of one run."""

    status: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    def failed(self, status: int) -> str:
        """The standard error of a run that ended with `status`, three lines and nothing on standard output."""
        assert self.status == status, (self.status, self.err)
        assert "Traceback" not in self.err
        assert self.out == b""
        lines = [line for line in self.err.splitlines() if not line.startswith(("warning:", "note:"))]
        assert [line.partition(":")[0].strip() for line in lines[-3:]] == ["error", "why", "cure"], self.err
        assert all(line.partition(":")[2].strip() for line in lines[-3:]), self.err
        return self.err


def run_here(arguments: list[str], environment: Mapping[str, str], folder: Path, data: bytes = b"") -> Outcome:
    """Run a command in this process, as if in that folder; `data` is its standard input. A defect comes out of it."""
    out, err = io.BytesIO(), io.BytesIO()
    with chdir(folder), _environment(environment), _streams(io.BytesIO(data), out, err):
        status = run(arguments)
    return Outcome(status, out.getvalue(), err.getvalue().decode())


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _streams(*streams: io.BytesIO) -> Iterator[None]:
    """They stand for standard input, output and error, with the program's own error handler for what is no text."""
    before = sys.stdin, sys.stdout, sys.stderr
    ours = [io.TextIOWrapper(stream, "utf-8", "backslashreplace", write_through=True) for stream in streams]
    sys.stdin, sys.stdout, sys.stderr = ours
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
        for stream in ours:
            stream.detach()
