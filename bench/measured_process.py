"""Run one program to its end and say what it cost: CPU of the whole process tree, wall time, peak memory."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class ProgramFailedError(Exception):
    """A program that is measured did not end well; nothing it used up is a figure."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a program used. CPU counts it and every process it waited for; `peak_bytes` is its resident memory."""

    user_seconds: float
    system_seconds: float
    wall_seconds: float
    peak_bytes: int
    output: str

    @property
    def cpu_seconds(self) -> float:
        """User and system time."""
        return self.user_seconds + self.system_seconds


def measure(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, cores: frozenset[int] | None = None
) -> Usage:
    """Run `command` in `folder` (on `cores` only, where given). Raises ProgramFailedError with its last words."""
    error_file = folder / "errors.txt"
    if cores:
        command = ["taskset", "--cpu-list", ",".join(map(str, sorted(cores))), *command]
    began_seconds = time.monotonic()
    with error_file.open("wb") as errors:
        process = subprocess.Popen(command, cwd=folder, env=dict(environment), stdout=subprocess.PIPE, stderr=errors)
        assert process.stdout is not None
        with process.stdout:
            output = process.stdout.read().decode()
        _pid, status, used = os.wait4(process.pid, 0)
    wall_seconds = time.monotonic() - began_seconds
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        words = error_file.read_text()[-2000:]
        raise ProgramFailedError(f"{' '.join(command)} ended with {process.returncode}:\n{words}")
    return Usage(used.ru_utime, used.ru_stime, wall_seconds, used.ru_maxrss * 1024, output)
