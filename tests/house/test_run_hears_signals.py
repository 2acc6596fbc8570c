"""Programs under test can be interrupted, however the run itself was started."""

import os
import signal
import subprocess
import sys

from tests.house.tree import ROOT

SAMPLE = """
import signal, subprocess, sys
ASK = "import signal; print(*(signal.getsignal(n) == signal.SIG_IGN for n in (signal.SIGINT, signal.SIGHUP)))"
def test_a():
    assert subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True).stdout.split() == ["False"] * 2
"""


def test_a_run_in_the_background_makes_nothing_deaf(tmp_path):
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    deaf = ["sh", "-c", 'trap "" INT HUP; exec "$@"', "sh"]
    command = [
        *deaf,
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    environment = {**os.environ, "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert signal.getsignal(signal.SIGINT) != signal.SIG_IGN
