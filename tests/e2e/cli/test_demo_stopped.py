"""`holdfast demo`, stopped halfway, leaves nothing behind. With PRODUCT=whole: a boot of everything."""

import os
import signal

import pytest

from tests.e2e.cli.processes import processes_naming


@pytest.mark.timeout(600)
def test_stopped_halfway_it_leaves_nothing(holdfast, demo_folder):
    process = holdfast.start("demo", "--size", "64MiB", start_new_session=True)
    seen = b""
    assert process.stderr is not None
    while b"has its task" not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    # Ctrl-C reaches every process of the terminal's group.
    os.killpg(process.pid, signal.SIGINT)
    _out, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert b"Traceback" not in err
    assert list(demo_folder.iterdir()) == []
    assert processes_naming(demo_folder) == []
