"""`holdfast demo`: proves what it says, and leaves nothing behind."""

import json
import subprocess

import pytest

from tests.e2e.cli.processes import processes_naming
from tests.e2e.program import PROGRAM


@pytest.mark.timeout(1800)
def test_it_ends_proved(holdfast, demo_folder):
    done = subprocess.run(
        [*PROGRAM, "demo", "--size", "64MiB", "--output", "json"],
        check=False,
        capture_output=True,
        timeout=1740,
        cwd=holdfast.folder,
        env=holdfast.environment,
    )
    assert done.returncode == 0, done.stderr.decode()
    document = json.loads(done.stdout)
    assert document["proved"] is True
    assert [(proof["workload"], proof["equal"]) for proof in document["proofs"]] == [
        ("ec2-instance", True),
        ("ec2-volume", True),
        ("archive", True),
    ]
    archive = document["proofs"][2]["evidence"]
    assert archive["retrieval"]["storage_class"] == "DEEP_ARCHIVE"
    assert archive["retrieval"]["archived_packs"] >= 1
    assert archive["while_waiting"].startswith("retrieving: 0 of")
    assert len(archive["workers"]) == 2
    evidence = document["proofs"][0]["evidence"]
    assert evidence["expected"] == evidence["actual"]
    assert set(evidence["actual"]) == {"/dev/xvda", "/dev/sdf"}
    assert len({worker["instance_id"] for worker in evidence["workers"]}) == 3
    assert all(worker["started_at"] < worker["ended_at"] for worker in evidence["workers"])
    assert document["incremental"]["progress"]["read_bytes"] < document["full"]["progress"]["read_bytes"]
    assert list(demo_folder.iterdir()) == []
    assert processes_naming(demo_folder) == []


def test_sizes_that_are_none(holdfast, demo_folder):
    holdfast.run("demo", "--size", "1MiB").failed(2)
    assert list(demo_folder.iterdir()) == []
