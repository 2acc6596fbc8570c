"""The processes of one instance while it is switched on: a supervisor, and whatever descends from it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from holdfast.lab.instances import supervisor

# The plain interpreter: an instance must not find what is installed in the environment that the lab runs in.
INTERPRETER: str = getattr(sys, "_base_executable", sys.executable)

FREEZE_SECONDS = 30.0
_POLL_SECONDS = 0.02


class Machine:
    """Runs `programs` one after the other, at once. `asked` is told what the instance asks for (supervisor's words)
    and `ended` when every process is gone; both are called from a thread of the machine's own.
    """

    def __init__(
        self,
        folder: Path,
        programs: Sequence[Path],
        environment: Mapping[str, str],
        asked: Callable[[str], None],
        ended: Callable[[], None],
    ) -> None:
        self._home = environment["HOME"]
        self._asked = asked
        self._ended = ended
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [INTERPRETER, "-I", "-S", supervisor.__file__, str(folder), *map(str, programs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            cwd=self._home,
            start_new_session=True,
        )
        self._watcher = threading.Thread(target=self._watch, name=f"machine {folder.name}", daemon=True)
        self._watcher.start()

    def pids(self) -> list[int]:
        """The ids of all processes that the instance runs; the supervisor is none of them."""
        return supervisor.descendants(self._process.pid)

    def switch_off(self) -> None:
        """Ask all processes to end; `ended` tells when they have. Safe to call again."""
        with self._lock:
            if self._process.stdin is not None:
                self._process.stdin.close()

    def wait(self, timeout_seconds: float) -> None:
        """Wait until every process is gone; what is left after that long is killed."""
        self._watcher.join(timeout_seconds)
        if self._watcher.is_alive():
            self._process.kill()
            self._watcher.join()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """No process of the instance runs meanwhile."""
        deadline = time.monotonic() + FREEZE_SECONDS
        # Signals take effect when the process next leaves the kernel, and a process may have forked before that.
        while (running := [p for p in self.pids() if not _stands_still(p)]) and time.monotonic() < deadline:
            supervisor.signal_all(running, signal.SIGSTOP)
            time.sleep(0.001)
        try:
            yield
        finally:
            supervisor.signal_all(self.pids(), signal.SIGCONT)

    def _watch(self) -> None:
        if self._process.stdout is not None:
            with self._process.stdout as lines:
                for line in lines:
                    self._asked(line.decode("ascii", "replace").strip())
        self._process.wait()
        # A supervisor that was killed has left orphans: they are known by the folder they call home.
        while orphans := _with_home(self._home):
            supervisor.signal_all(orphans, signal.SIGKILL)
            time.sleep(_POLL_SECONDS)
        self.switch_off()
        self._ended()


def _stands_still(pid: int) -> bool:
    """Whether a process is stopped, ended or gone."""
    try:
        return Path("/proc", str(pid), "stat").read_bytes().rpartition(b")")[2].split()[0] in (b"T", b"Z")
    except OSError:
        return True


def _with_home(home: str) -> list[int]:
    wanted = f"HOME={home}".encode()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                environment = Path("/proc", name, "environ").read_bytes()
            except OSError:
                continue
            if wanted in environment.split(b"\0"):
                found.append(int(name))
    return found
