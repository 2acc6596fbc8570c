"""In CI a skipped test is a failure; elsewhere it is named."""

import os
import subprocess
import sys

import pytest

from tests.house.tree import ROOT

SKIPPED = "import pytest\n@pytest.mark.skip(reason='no such tool')\ndef test_a(): pass\n"
SKIPPED_FILE = "import pytest\npytest.skip('no such tool', allow_module_level=True)\n"
EXPECTED_FAILURE = "import pytest\n@pytest.mark.xfail(reason='known')\ndef test_a(): assert False\n"


def run(text, ci, folder):
    (folder / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (folder / "test_sample.py").write_text(text)
    environment = {**os.environ, "CI": "true" if ci else "", "PYTEST_ADDOPTS": ""}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "--rootdir", str(folder), str(folder)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("text", [SKIPPED, SKIPPED_FILE])
def test_skip_fails_in_ci_with_its_reason(text, tmp_path):
    done = run(text, True, tmp_path)
    assert done.returncode not in (0, 5), done.stdout
    assert "CI skips nothing" in done.stdout
    assert "no such tool" in done.stdout


def test_skip_is_named_elsewhere(tmp_path):
    done = run(SKIPPED, False, tmp_path)
    assert done.returncode == 0, done.stdout
    assert "no such tool" in done.stdout


def test_expected_failure_is_no_skip(tmp_path):
    assert run(EXPECTED_FAILURE, True, tmp_path).returncode == 0
