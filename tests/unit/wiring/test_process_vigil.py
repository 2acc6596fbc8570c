"""What a machine knows of the processes behind its sessions."""

import os
import signal
import subprocess
import sys
import time

import pytest

from holdfast.wiring.process_vigil import ProcessVigil

SESSION = bytes(range(16))
HOLD = """
import sys, time
from pathlib import Path
from holdfast.wiring.process_vigil import ProcessVigil
with ProcessVigil(Path(sys.argv[1])).kept(bytes(range(16))):
    print("kept", flush=True)
    time.sleep(60)
"""


def test_who_works_is_not_gone(tmp_path):
    vigil = ProcessVigil(tmp_path / "home")
    assert not vigil.is_over(SESSION)
    with vigil.kept(SESSION):
        assert not vigil.is_over(SESSION)
    assert not vigil.is_over(SESSION), "it came to its end, and nothing is left"
    assert list((tmp_path / "home" / "running").iterdir()) == []


def test_who_was_broken_off_is_gone(tmp_path):
    vigil = ProcessVigil(tmp_path)
    with pytest.raises(KeyboardInterrupt), vigil.kept(SESSION):
        raise KeyboardInterrupt
    assert vigil.is_over(SESSION)
    assert not vigil.is_over(SESSION), "said once"


def test_who_was_killed_is_gone(tmp_path):
    vigil = ProcessVigil(tmp_path)
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"kept\n"
        assert not vigil.is_over(SESSION)
        process.send_signal(signal.SIGKILL)
    assert vigil.is_over(SESSION)


def test_what_nobody_asked_about_goes_after_a_week(tmp_path):
    with pytest.raises(KeyboardInterrupt), ProcessVigil(tmp_path).kept(SESSION):
        raise KeyboardInterrupt
    later = ProcessVigil(tmp_path, clock=lambda: time.time() + 8 * 24 * 3600)
    with later.kept(bytes(16)):
        assert os.listdir(tmp_path / "running") == [bytes(16).hex()]


def test_without_a_place_nothing_is_known(tmp_path):
    (tmp_path / "home").write_text("no folder")
    vigil = ProcessVigil(tmp_path / "home")
    with vigil.kept(SESSION):
        assert not vigil.is_over(SESSION)
