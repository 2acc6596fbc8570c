"""A whole run in CI fails when it went through too few crash points: a proof that has shrunk is none."""

import os
import subprocess
import sys

import pytest

from tests.house.tree import ROOT


@pytest.mark.parametrize(
    ("number", "asked_for", "ci", "passes"),
    [
        (19_999, "tests", True, False),
        (20_000, "tests", True, True),
        (1, "tests", False, True),
        (1, "tests/test_sample.py", True, True),
    ],
)
def test_a_whole_run_goes_through_twenty_thousand(number, asked_for, ci, passes, tmp_path):
    folder = tmp_path / "tests"
    folder.mkdir()
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (folder / "test_sample.py").write_text(f"def test_a(count_crash_point): count_crash_point({number})\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), asked_for]
    environment = {**os.environ, "CI": "true" if ci else "", "PYTEST_ADDOPTS": "", "CASES_FILE": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert f"{number:,} crash points among them" in done.stdout
    assert (done.returncode == 0) == passes, done.stdout
    assert ("too few" in done.stdout) != passes
