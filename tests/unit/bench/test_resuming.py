import os
import subprocess
import sys

import pytest

from bench.contestants import VOLUME
from bench.measured_process import ProgramFailedError
from bench.resuming import Resumed, stopped_at, table

MEBIBYTE = 1 << 20
READER = f"""
import os, time
file = os.open("{VOLUME}", os.O_RDONLY)
time.sleep(0.3)
while os.read(file, 65536):
    time.sleep(0.001)
"""


def resumed(read, rest):
    return Resumed(1 << 30, read, rest, 2.0, 3.0)


def test_a_row_tells_the_mean_and_the_worst():
    rows = table([[resumed(500 << 20, 560 << 20), resumed(520 << 20, 520 << 20)]]).splitlines()
    assert rows[2] == "| 1 GiB | 535 MB | 566 MB | 27 MB | 38 MB | 3.5% | 2.0 | 3.0 |"


@pytest.fixture
def reader(tmp_path):
    (tmp_path / VOLUME).write_bytes(bytes(8 * MEBIBYTE))
    process = subprocess.Popen([sys.executable, "-c", READER], cwd=tmp_path)
    yield process
    process.kill()
    process.wait()


def test_what_reads_is_stopped_and_its_bytes_are_counted(reader):
    read = stopped_at(reader, 2 * MEBIBYTE)
    assert 2 * MEBIBYTE <= read < 8 * MEBIBYTE
    assert os.waitpid(reader.pid, os.WUNTRACED)[0] == reader.pid
    assert stopped_at(reader, 0) == 0, "it stands still"


def test_who_ends_before_is_told(reader):
    with pytest.raises(ProgramFailedError, match="ended with 0"):
        stopped_at(reader, 100 * MEBIBYTE)
