"""Servers of other projects as processes of their own on loopback: an AWS that is none of ours judges us."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from holdfast.lab.listening import port_for_later

START_TIMEOUT_SECONDS = 120.0
STOP_TIMEOUT_SECONDS = 10.0

_ANNOUNCEMENT = re.compile(r"Running on (http://127\.0\.0\.1:\d+)")


@contextmanager
def moto_server() -> Iterator[str]:
    """Start an unmodified moto on a free port and give its URL once it listens; it ends with the block."""
    with _server([sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], {}) as url:
        yield url


@contextmanager
def ministack_server() -> Iterator[str]:
    """The same with MiniStack, which answers as S3 does and is neither moto nor ours."""
    program = shutil.which("ministack", path=str(Path(sys.executable).parent))
    if program is None:
        raise RuntimeError("MiniStack is not here: the extra `dev` brings it")
    with _server([program], {"GATEWAY_PORT": str(port_for_later()), "BIND_HOST": "127.0.0.1"}) as url:
        yield url


@contextmanager
def _server(command: Sequence[str], settings: Mapping[str, str]) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="holdfast-server-") as folder:
        log, environment = Path(folder) / "log", {**os.environ, "TMPDIR": folder, **settings}
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)
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
    raise RuntimeError(f"{process.args!r} did not start: {log.read_text(errors='replace')[-2000:]}")
