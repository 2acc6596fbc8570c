"""Nobody hears the result: the verdict is told all the same, and nothing that was shown once is lost in silence."""

import subprocess
from contextlib import contextmanager

import pytest

from tests.e2e.cli.test_damage_story import flip, largest_pack
from tests.e2e.program import PROGRAM


@contextmanager
def a_full_disk():
    with open("/dev/full", "wb") as full:
        yield full


@contextmanager
def a_reader_that_has_gone():
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    reader.wait()
    assert reader.stdin is not None
    yield reader.stdin
    reader.stdin.close()


OUTPUTS = pytest.mark.parametrize("output", [a_full_disk, a_reader_that_has_gone])


def told(holdfast, output, *words):
    """(exit status, standard error) of a run whose result nobody hears."""
    with output() as stdout:
        done = subprocess.run(
            [*PROGRAM, *map(str, words)],
            check=False,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            cwd=holdfast.folder,
            env=holdfast.environment,
        )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize("words", [["list"], ["restore", "latest:w", "--to", "-"], ["list", "--output", "json"]])
def test_a_full_disk_is_told(filled, words):
    status, said = told(filled, a_full_disk, "image", *words, *filled.opening, "--no-progress")
    assert status == 1
    assert said.startswith("error: ")


@pytest.mark.parametrize("words", [["list"], ["show", "latest:w"], ["restore", "latest:w", "--to", "-"]])
def test_whoever_reads_our_output_may_stop(filled, words):
    status, said = told(filled, a_reader_that_has_gone, "image", *words, *filled.opening)
    assert status == 1
    assert "Exception" not in said


@OUTPUTS
def test_damage_is_told(filled, output):
    flip(largest_pack(filled))
    check = ["repository", "check", filled.repository, "--password-file", filled.key_file, "--read-data"]
    status, said = told(filled, output, *check, "--output", "json")
    assert status == 6
    assert "error: 1 damaged or missing object" in said


@OUTPUTS
def test_what_a_salvage_lacks_is_told(filled, output):
    pack = largest_pack(filled)
    flip(pack)
    status, said = told(filled, output, "image", "restore", "latest:w", "--to", "out", "--salvage", *filled.opening)
    assert status == 6
    assert "lost: volume, " in said
    assert str(pack.relative_to(filled.repository)) in said
    assert (filled.folder / "out").exists()


@OUTPUTS
def test_a_recovery_code_that_was_not_shown(holdfast, output):
    init = ["repository", "init", holdfast.repository, "--password-file", holdfast.password_file]
    status, said = told(holdfast, output, *init)
    assert status == 1
    assert f"`holdfast repository key add {holdfast.repository} --recovery` makes another one" in said
    assert "key add --recovery" in holdfast.run(*init).failed(7)
    added = holdfast.run(
        "repository", "key", "add", holdfast.repository, "--recovery", "--password-file", holdfast.password_file
    )
    assert added.status == 0, added.err
    assert "HF1-" in added.text
