"""A repository in `rclone serve s3`, which ignores If-None-Match, as a person has it."""

from pathlib import Path

import pytest

from holdfast.testing.rclone_process import ACCESS_KEY, BUCKET, SECRET_KEY, start_rclone
from tests.e2e.cli.conftest import Holdfast


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "rclone"


@pytest.fixture
def careless(holdfast: Holdfast, folder: Path):
    with start_rclone(folder) as endpoint:
        holdfast.environment |= {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }
        holdfast.repository = f"s3://{BUCKET}/p"
        yield holdfast


def test_one_writes_at_a_time_and_everything_says_so(careless, folder):
    holdfast = careless
    made = holdfast.repo("init", "--output", "json")
    assert made.document["single_writer"] is True
    assert "single-writer mode" in made.err
    disk = holdfast.folder / "disk"
    disk.write_bytes(content := b"0123456789abcdef" * 70_000)
    assert holdfast.done("backup", "disk", "--workload", "w")["single_writer"] is True
    shown = holdfast.repo("show", "--output", "json")
    assert (shown.status, shown.document["single_writer"]) == (0, True)
    assert "single-writer mode" in shown.err

    # Somebody was killed while he wrote: his claim stays.
    leases = folder / "files" / BUCKET / "p" / "leases"
    leases.mkdir(exist_ok=True)
    (leases / f"{'ab' * 16}-0000000001").write_bytes(b"a claim of a holder whose key is another one")
    refused = holdfast.image("backup", "disk", "--workload", "w")
    assert "[lease-held]" in refused.failed(7)
    assert "take-over-lease 's3://bucket/p?endpoint=" in refused.err
    back = holdfast.image("restore", "latest:w", "--to", "again")
    assert back.status == 0
    assert "reading without a pin" in back.err
    assert (holdfast.folder / "again").read_bytes() == content
    assert "[lease-held]" in holdfast.repo("take-over-lease").failed(7)
