"""One document on standard output, whoever listens there; the verdict does not depend on it."""

import errno
import io
import os

import pytest

from holdfast.cli import recovery_code
from holdfast.cli.interruption import LAST_WORDS
from holdfast.cli.voice import DONE, DONE_WITH_WARNINGS, FAILED, Output, Voice


class Full(io.StringIO):
    """A stream that takes nothing."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def flush(self):
        raise OSError(self.number, os.strerror(self.number))


def spoken(number):
    """A voice whose document went to such a stream."""
    voice = Voice(Output.JSON, no_progress=True)
    voice.document({"a": 1}, lambda: "", Full(number))
    return voice


def test_what_was_heard_is_no_failure():
    out = io.StringIO()
    voice = Voice(Output.JSON, no_progress=True)
    voice.document({"a": 1}, lambda: "", out)
    assert (out.getvalue(), voice.was_heard, voice.status) == ('{\n  "a": 1\n}\n', True, DONE)
    voice.warn("so and so")
    assert voice.status == DONE_WITH_WARNINGS


def test_a_full_disk_is_told_and_what_was_done_stands(capsys):
    voice = spoken(errno.ENOSPC)
    said = capsys.readouterr().err
    assert "error: the result could not be written [out-of-space]" in said
    assert "what the command has done stands" in said
    voice.warn("so and so")
    assert (voice.was_heard, voice.status) == (False, FAILED)


def test_whoever_reads_may_stop(capsys):
    assert spoken(errno.EPIPE).status == FAILED
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EPIPE])
def test_a_recovery_code_that_was_not_shown_is_to_be_made_again(capsys, number):
    recovery_code.after_it_was_shown(spoken(number), "/backup/a b", "the repository")
    said = capsys.readouterr().err
    assert "not to be done again: `holdfast repository key add '/backup/a b' --recovery` makes another one" in said
    assert "shown once" not in said


def test_who_interrupts_is_told_of_a_code_that_nobody_may_have_seen(capsys):
    before = LAST_WORDS.get()
    recovery_code.before_it_is_made("/backup/a b")
    assert "`holdfast repository key add '/backup/a b' --recovery`" in LAST_WORDS.get()
    assert "run again" not in LAST_WORDS.get()
    voice = Voice(Output.JSON, no_progress=True)
    recovery_code.after_it_was_shown(voice, "/backup/a b", "the repository")
    assert "the recovery code was shown" in LAST_WORDS.get()
    assert "keep the recovery code apart from the repository" in capsys.readouterr().err
    LAST_WORDS.set(before)
