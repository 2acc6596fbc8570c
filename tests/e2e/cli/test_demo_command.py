"""`holdfast demo`: proves what it says, and leaves nothing behind, stopped halfway or not."""

import os
import shutil
import signal
from pathlib import Path

import pytest


@pytest.fixture
def folder(holdfast):
    """Where the demo keeps its things, and nobody else anything."""
    place = holdfast.folder / "temporary"
    place.mkdir()
    holdfast.environment["TMPDIR"] = str(place)
    holdfast.environment["PATH"] += os.pathsep + "/usr/sbin" + os.pathsep + "/sbin"
    if shutil.which("mkfs.ext4", path=holdfast.environment["PATH"]) is None:
        pytest.skip("needs mkfs.ext4 (e2fsprogs)")
    return place


def processes_naming(place: Path) -> list[str]:
    """Command lines of running processes that hold the path."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(place).encode() in line:
                found.append(line.decode(errors="replace"))
    return found


@pytest.mark.timeout(600)
def test_it_ends_proved(holdfast, folder):
    done = holdfast.run("demo", "--size", "64MiB", "--output", "json", timeout_seconds=540)
    assert done.status == 0, done.err
    document = done.document
    assert document["proved"] is True
    assert [(proof["workload"], proof["equal"]) for proof in document["proofs"]] == [
        ("ec2-instance", True),
        ("ec2-volume", True),
    ]
    evidence = document["proofs"][0]["evidence"]
    assert evidence["expected"] == evidence["actual"]
    assert set(evidence["actual"]) == {"/dev/xvda", "/dev/sdf"}
    assert len({worker["instance_id"] for worker in evidence["workers"]}) == 3
    assert all(worker["started_at"] < worker["ended_at"] for worker in evidence["workers"])
    assert document["incremental"]["progress"]["read_bytes"] < document["full"]["progress"]["read_bytes"]
    assert list(folder.iterdir()) == []
    assert processes_naming(folder) == []


@pytest.mark.timeout(600)
def test_stopped_halfway_it_leaves_nothing(holdfast, folder):
    process = holdfast.start("demo", "--size", "64MiB", start_new_session=True)
    seen = b""
    assert process.stderr is not None
    while b"has its task" not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    # Ctrl-C reaches every process of the terminal's group.
    os.killpg(process.pid, signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"Traceback" not in err
    assert list(folder.iterdir()) == []
    assert processes_naming(folder) == []


def test_sizes_that_are_none(holdfast, folder):
    holdfast.run("demo", "--size", "1MiB").failed(2)
    assert list(folder.iterdir()) == []
