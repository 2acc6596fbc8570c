"""The whole story in an AWS of its own: back up a volume, change it, back up the change, lose it, restore it, compare.

Holdfast runs as a person would run it, one process a command; what proves it is hashed outside its data path, before
the
loss and after the restore.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from holdfast.domain.errors import HoldfastError, UsageError
from holdfast.lab.actors import GIB, Administrator, credentials, disk_sha256
from holdfast.lab.process import start_lab

BLOCK_BYTES = 512 * 1024
MIB = 1024**2
LEAST_BYTES = 64 * MIB
CHANGED_FILES = 3
WORKLOAD = "demo-volume"

Say = Callable[[str], None]


def run(size_bytes: int, keep: bool, say: Say) -> dict[str, Any]:
    """Tell the story with a file system of `size_bytes` and return the document of docs/cli.md; `say` gets a line a
    step.

    With `keep` the lab goes on running and its folder stays, and what ends them is said.
    """
    if size_bytes < LEAST_BYTES or size_bytes > 64 * GIB:
        raise UsageError(
            f"a demo of {size_bytes} bytes", why="allowed are 64MiB to 64GiB", cure="choose another --size"
        )
    began_seconds = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="holdfast-demo-"))
    lab = start_lab(state=folder / "lab", attached=not keep)
    try:
        say(f"an AWS of its own answers at {lab.endpoint}")
        document = _Story(lab.endpoint, folder, say).tell(size_bytes)
    finally:
        if keep:
            say(f"kept: the lab at {lab.endpoint} and {folder}")
            say(f"to end and remove them: kill {lab.pid}; rm -r {folder}")
        else:
            lab.stop()
            shutil.rmtree(folder)
    if not keep:
        say("the lab and everything in it were ended and removed")
    return document | {"duration_seconds": round(time.monotonic() - began_seconds, 1)}


class _Story:
    """One telling, in one folder, against one lab."""

    def __init__(self, endpoint: str, folder: Path, say: Say) -> None:
        self._folder = folder
        self._say = say
        self._administrator = Administrator(endpoint, folder)
        self._password = folder / "password"
        self._password.write_text("the demo's password\n", encoding="utf-8")
        self._environment = os.environ | credentials(endpoint) | {"HOLDFAST_HOME": str(folder / "home")}
        self._repository = "s3://holdfast-demo/backups"

    def tell(self, size_bytes: int) -> dict[str, Any]:
        """Every step; the document says whether what came back is what was lost."""
        people, say = self._administrator, self._say
        people.make_bucket("holdfast-demo")
        self._holdfast("repository", "init", self._repository)
        say(f"made an encrypted repository at {self._repository}")

        volume = people.make_disk(size_bytes)
        first = people.snapshot(volume)
        say(f"{volume} holds an ext4 file system with files; {first} is its first snapshot")
        full = self._back_up(first)
        say(f"full backup: {_sizes(full)}")

        people.change_disk(volume, CHANGED_FILES)
        expected = disk_sha256(people.disk(volume))
        second = people.snapshot(volume)
        before = people.blocks_read()
        incremental = self._back_up(second)
        blocks = people.blocks_read() - before
        say(f"{CHANGED_FILES} files written, one removed; incremental backup: {_sizes(incremental)}")
        say(f"the incremental asked AWS for {blocks} blocks of {size_bytes // BLOCK_BYTES}: only what changed")

        people.lose(volume, [first, second])
        say(f"{volume} and its snapshots are destroyed")
        restored = self._holdfast(
            "image", "restore", f"latest:{WORKLOAD}", "--repository", self._repository, "--to", "ebs:"
        )
        again = people.volume_from(restored["snapshot_id"])
        actual = disk_sha256(people.disk(again))
        people.check_file_system(again)
        say(f"restored to {restored['snapshot_id']}, {again} was made from it, its file system is sound")
        say(f"restore: {restored['read_bytes'] / MIB:.1f} MiB fetched in {restored['duration_seconds']:.1f} s")
        say(f"before the loss   sha256 {expected}")
        say(f"after the restore sha256 {actual}")
        equal = expected == actual and blocks * BLOCK_BYTES == incremental["read_bytes"] < full["read_bytes"]
        return {
            "proved": equal,
            "proofs": [
                {
                    "workload": "ec2-volume",
                    "equal": equal,
                    "evidence": {
                        "restore_point": incremental["restore_point"],
                        "expected": expected,
                        "actual": actual,
                        "workers": [],
                        "requests": restored["requests"],
                    },
                }
            ],
            "full": full,
            "incremental": incremental | {"blocks_asked_of_aws": blocks},
            "restore": restored,
        }

    def _back_up(self, snapshot_id: str) -> dict[str, Any]:
        source = f"ebs:{snapshot_id}"
        return self._holdfast("image", "backup", source, "--repository", self._repository, "--workload", WORKLOAD)

    def _holdfast(self, *words: str) -> dict[str, Any]:
        """Run one command of Holdfast and return its document. Raises HoldfastError with what it said when it
        failed.
        """
        self._say(f"$ holdfast {' '.join(words)}")
        given = ["--password-file", str(self._password), "--output", "json"]
        done = subprocess.run(
            [sys.executable, "-m", "holdfast.cli.main", *words, *given],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise HoldfastError(
                f"`holdfast {words[0]} {words[1]}` ended with {done.returncode}",
                why=done.stderr.strip()[-500:] or "it said nothing",
                cure="run the demo again with --keep and look at its lab",
            )
        document: dict[str, Any] = json.loads(done.stdout)
        return document


def _sizes(backup: dict[str, Any]) -> str:
    read, stored = backup["read_bytes"], backup["stored_bytes"]
    return f"read {read / MIB:.1f} MiB, stored {stored / MIB:.1f} MiB, {_rate(read, backup['duration_seconds'])}"


def _rate(size_bytes: int, seconds: float) -> str:
    return f"{size_bytes / MIB / max(seconds, 0.001):.0f} MiB/s"
