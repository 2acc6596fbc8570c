"""Where an instance lives on this machine: its home, its console, and the programs that every Debian has."""

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from holdfast.lab.instances.machine import INTERPRETER

SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
# What GetConsoleOutput gives: the last 64 KB.
CONSOLE_BYTES = 64 * 1024
_SHUTDOWN = """#!/bin/sh
# shutdown [-h | -P | -H | -r] [TIME]: TIME is "now", "+MINUTES" or nothing, which is one minute.
signal={signal}; when=+1
for word; do
  case $word in
    -r | --reboot) signal=USR2 ;;
    now | +*) when=$word ;;
  esac
done
[ "$when" = now ] && when=+0
minutes=${{when#+}}
if [ "$minutes" -gt 0 ]; then
  (sleep "$((minutes * 60))" && kill -s "$signal" "$(cat {pid_file})") &
else
  kill -s "$signal" "$(cat {pid_file})"
fi
"""
_AT_ONCE = """#!/bin/sh
exec kill -s {signal} "$(cat {pid_file})"
"""


class InstanceFolder:
    """The folder of one instance; nothing is there before `make`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.home = path / "home"
        self.console = path / "console.log"
        self._bin = path / "bin"
        self._boot = path / "boot"

    def make(self) -> None:
        """Make what a boot needs; what is there stays."""
        for folder in (self.home, self._bin, self._boot):
            folder.mkdir(parents=True, exist_ok=True)
        self.console.touch(0o600)
        if not (self._bin / "python3").exists():
            (self._bin / "python3").symlink_to(INTERPRETER)
        pid_file = shlex.quote(str(self.path / "supervisor.pid"))
        for name, template, signal in (
            ("shutdown", _SHUTDOWN, "USR1"),
            ("poweroff", _AT_ONCE, "USR1"),
            ("halt", _AT_ONCE, "USR1"),
            ("reboot", _AT_ONCE, "USR2"),
        ):
            _write_program(self._bin / name, template.format(signal=signal, pid_file=pid_file).encode())

    def environment(self, endpoint: str, metadata_endpoint: str) -> dict[str, str]:
        """All variables that the instance's processes start with; the last two stand in for the network."""
        return {
            "HOME": str(self.home),
            "PATH": f"{self._bin}:{SYSTEM_PATH}",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": metadata_endpoint,
        }

    def write_programs(self, texts: Sequence[bytes]) -> list[Path]:
        """The programs of one boot as files."""
        paths = [self._boot / f"part-{number:03}" for number in range(1, len(texts) + 1)]
        for path, text in zip(paths, texts, strict=True):
            _write_program(path, text)
        return paths

    def note(self, words: str) -> None:
        """A line on the console."""
        with self.console.open("a", encoding="utf-8") as file:
            file.write(f"{words}\n")

    def console_tail(self) -> bytes:
        """The end of what the instance wrote to its console."""
        try:
            with self.console.open("rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - CONSOLE_BYTES))
                return file.read()
        except FileNotFoundError:
            return b""

    def forget_home(self) -> None:
        """The disk is gone; the console can still be read."""
        for folder in (self.home, self._bin, self._boot):
            shutil.rmtree(folder, ignore_errors=True)

    def remove(self) -> None:
        """Nothing of the instance is left."""
        shutil.rmtree(self.path, ignore_errors=True)


def _write_program(path: Path, text: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o700)
    with open(descriptor, "wb") as file:
        file.write(text)
