"""What a person at a terminal sees: questions, a bar, and the same answers."""

import fcntl
import os
import pty
import re
import select
import subprocess
import termios
import time

import pytest

from tests.e2e.program import PROGRAM


class Terminal:
    """A program with a terminal of its own, and somebody who types."""

    def __init__(self, holdfast, *words, stdin=None):
        ours, theirs = pty.openpty()

        def own_terminal():
            os.setsid()
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

        self.seen = ""
        self._ours = ours
        self.process = subprocess.Popen(
            [*PROGRAM, *map(str, words)],
            stdin=theirs if stdin is None else stdin,
            stdout=subprocess.PIPE,
            stderr=theirs,
            cwd=holdfast.folder,
            env={**holdfast.environment, "TERM": "xterm", "COLUMNS": "120"},
            preexec_fn=own_terminal,  # noqa: PLW1509 - nothing but two system calls
        )
        os.close(theirs)

    def expect(self, words):
        deadline = time.monotonic() + 60
        while words not in self.seen:
            assert time.monotonic() < deadline, self.seen
            assert self._read(), self.seen

    def type(self, text):
        os.write(self._ours, text.encode() + b"\n")

    def end(self):
        """(exit code, standard output); everything shown is in `seen`."""
        while self._read():
            pass
        out, _ = self.process.communicate(timeout=60)
        os.close(self._ours)
        return self.process.returncode, out.decode()

    def _read(self):
        select.select([self._ours], [], [], 60)
        try:
            piece = os.read(self._ours, 65536)
        except OSError:
            return False
        self.seen += piece.decode()
        return bool(piece)


def test_a_new_password_is_asked_for_twice_and_opens(holdfast):
    terminal = Terminal(holdfast, "repository", "init", holdfast.repository)
    terminal.expect("Password: ")
    terminal.type("correct horse battery staple")
    terminal.expect("again: ")
    terminal.type("correct horse battery staple")
    status, out = terminal.end()
    assert status == 0, terminal.seen
    assert "HF1-" in out
    assert "correct horse" not in terminal.seen + out
    assert holdfast.repo("show").status == 0


def test_passwords_that_differ(holdfast):
    terminal = Terminal(holdfast, "repository", "init", holdfast.repository)
    terminal.expect("Password: ")
    terminal.type("one")
    terminal.expect("again: ")
    terminal.type("two")
    assert terminal.end()[0] == 2
    assert not os.path.exists(holdfast.repository)


def test_a_stream_on_standard_input_leaves_the_question_to_the_terminal(filled):
    reading, writing = os.pipe()
    os.write(writing, b"a dump")
    os.close(writing)
    words = ["image", "backup", "-", "--workload", "d", "--repository", filled.repository]
    terminal = Terminal(filled, *words, stdin=reading)
    os.close(reading)
    terminal.expect("Password: ")
    terminal.type("correct horse battery staple")
    assert terminal.end()[0] == 0
    assert filled.image("restore", "latest:d", "--to", "-").out == b"a dump"


@pytest.mark.parametrize(("answer", "status", "left"), [("y", 0, 0), ("n", 2, 1), ("", 2, 1)])
def test_deleting_asks(filled, answer, status, left):
    terminal = Terminal(filled, "image", "delete", "latest:w", *filled.opening)
    terminal.expect("[y/N] ")
    terminal.type(answer)
    assert terminal.end()[0] == status
    assert len(filled.done("list")["restore_points"]) == left


def test_backup_and_restore_show_a_bar(holdfast):
    holdfast.init()
    (holdfast.folder / "disk").write_bytes(os.urandom(60 * 1024 * 1024))
    for words in (["backup", "disk", "--workload", "w"], ["restore", "latest:w", "--to", "out"]):
        terminal = Terminal(holdfast, "image", *words, *holdfast.opening)
        status, out = terminal.end()
        assert status == 0
        shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.seen)
        assert re.search(r"(?:backing up|restoring) .*\d+%.*MiB.*/s.*\d:\d\d", shown), shown
        assert "w" in out
    quiet = Terminal(holdfast, "image", "verify", "latest:w", *holdfast.opening, "--no-progress")
    assert quiet.end()[0] == 0
    assert quiet.seen == ""
