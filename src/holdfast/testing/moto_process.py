"""An unmodified moto server as a process of its own on loopback: an AWS that is none of ours judges us."""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 10.0

_ANNOUNCEMENT = re.compile(r"Running on (http://127\.0\.0\.1:\d+)")


@contextmanager
def moto_server() -> Iterator[str]:
    """Start a server on a free port and give its URL once it listens; it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="holdfast-moto-") as folder:
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield _announced_url(process, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _announced_url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """The address that the server prints once its socket is bound; RuntimeError with its log when it ends or hangs."""
    deadline_seconds = time.monotonic() + START_TIMEOUT_SECONDS
    while process.poll() is None and time.monotonic() < deadline_seconds:
        announced = _ANNOUNCEMENT.search(log.read_text(errors="replace"))
        if announced:
            return announced.group(1)
        time.sleep(0.05)
    raise RuntimeError(f"the moto server did not start: {log.read_text(errors='replace')[-2000:]}")
