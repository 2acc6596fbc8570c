"""Holdfast as the demo's person runs it: one process a command, and a server that keeps running."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from holdfast.domain.errors import HoldfastError, UnavailableError

Say = Callable[[str], None]
STOP_SECONDS = 30.0
_PROGRAM = (sys.executable, "-m", "holdfast.cli.main")


class Commands:
    """Runs commands in one environment; what they say on standard error goes to `say`."""

    def __init__(self, environment: Mapping[str, str], password: Path, say: Say) -> None:
        self.environment = {**environment, "HOLDFAST_PASSWORD_FILE": str(password)}
        self._say = say

    def run(self, *words: str) -> dict[str, Any]:
        """Show and run one command, and return its document. Raises HoldfastError with what it said when it failed."""
        self._say(f"$ holdfast {' '.join(words)}")
        return self.ask(*words)

    def ask(self, *words: str) -> dict[str, Any]:
        """The same of what nobody need see."""
        process = subprocess.Popen(
            [*_PROGRAM, *words, "--output", "json"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        heard: list[str] = []
        ears = threading.Thread(target=self._listen, args=(process, heard), daemon=True)
        ears.start()
        out = process.stdout.read() if process.stdout is not None else ""
        status = process.wait()
        ears.join()
        if status:
            raise HoldfastError(
                f"`holdfast {' '.join(words[:2])}` ended with {status}",
                why=" ".join(heard)[-800:] or "it said nothing",
                cure="run the demo again with --keep and look at its lab",
            )
        document: dict[str, Any] = json.loads(out)
        return document

    def _listen(self, process: "subprocess.Popen[str]", heard: list[str]) -> None:
        for line in process.stderr or ():
            heard.append(line.strip())
            self._say(f"    {line.rstrip()}")


class RunningServer:
    """`holdfast server run` on a free port, ended with the `with` or, kept, by whoever is told its pid."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._log = log.open("wb")
        words = ("server", "run", "--listen", "127.0.0.1:0", "--output", "json")
        self._process = subprocess.Popen(
            [*_PROGRAM, *words],
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=self._log,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.facts = self._first_document(log)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def stop(self, patience_seconds: float = STOP_SECONDS) -> None:
        """End it and wait, as long as that; then kill it. Safe to call twice."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(patience_seconds)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()

    def _first_document(self, log: Path) -> dict[str, Any]:
        text = ""
        for line in self._process.stdout or ():
            text += line
            if line.rstrip() == "}":
                document: dict[str, Any] = json.loads(text)
                return document
        self.stop()
        raise UnavailableError(
            "the server did not start",
            why=log.read_text(encoding="utf-8", errors="replace").strip()[-500:] or "it said nothing",
            cure="run `holdfast server run` by itself and see what it says",
        )


def environment_of(folder: Path, more: Mapping[str, str]) -> dict[str, str]:
    """This environment with a home of its own, and nothing that leads to another server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    return {**kept, **more, "HOLDFAST_HOME": str(folder / "home")}
