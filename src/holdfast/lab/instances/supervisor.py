"""The first process of an instance: everything the instance runs descends from it, and ends with it.

Run by the plain interpreter as `supervisor.py FOLDER PROGRAM...`, with nothing but the standard library. Its standard
input is a pipe whose other end only the lab holds: when that closes, because the instance stops or because the lab is
gone in whatever way, all processes get SIGTERM, and SIGKILL after a grace. Processes that went into sessions of their
own stay its descendants: orphans are handed to it, not to init.

SIGUSR1 is a power-off from inside, SIGUSR2 a reboot; it says so with a line on standard output before it ends.
"""

import ctypes
import errno
import os
import select
import signal
import sys
import time
from types import FrameType

GRACE_SECONDS = 2.0  # of sleep here: on a machine that stands still nobody's grace is used up
POWER_OFF = "off"
REBOOT = "reboot"
_POLL_SECONDS = 0.02
_PR_SET_CHILD_SUBREAPER = 36


def descendants(ancestor: int) -> list[int]:
    """The ids of all processes below one, from /proc."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    words = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            children.setdefault(int(words[1]), []).append(int(name))
    found: list[int] = []
    ahead = [ancestor]
    while ahead:
        below = children.get(ahead.pop(), [])
        found += below
        ahead += below
    return found


def signal_all(pids: list[int], number: int) -> None:
    """Send a signal to each process that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


class Supervisor:
    """Runs programs one after the other, reaps what ends, and ends all of it."""

    def __init__(self, folder: str, programs: list[str]) -> None:
        self._folder = folder
        self._programs = programs
        self._running: tuple[int, str] | None = None
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        self._console = os.open(f"{folder}/console.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._nothing = os.open(os.devnull, os.O_RDONLY)

    def run(self) -> None:
        """Until standard input closes or the instance powers itself off."""
        # The interpreter adds this one to its own environment; programs get what the instance was given.
        os.environ.pop("LC_CTYPE", None)
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        signal.set_wakeup_fd(self._waker)
        # Handlers end with exec, so that programs start with the default of every signal; SIG_IGN would be inherited.
        for number in (
            signal.SIGCHLD, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT, signal.SIGHUP,
        ):  # fmt: skip
            signal.signal(number, _on_signal)
        with open(f"{self._folder}/supervisor.pid", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
        self._start_next()
        while True:
            ready, _, _ = select.select([0, self._woken], [], [])
            if 0 in ready:
                break
            received = os.read(self._woken, 4096)
            if signal.SIGUSR1 in received or signal.SIGUSR2 in received:
                _say(REBOOT if signal.SIGUSR2 in received else POWER_OFF)
                break
            self._reap()
        self._end()

    def _start_next(self) -> None:
        self._running = None
        while self._programs and self._running is None:
            program = self._programs.pop(0)
            try:
                pid = os.posix_spawn(
                    program,
                    [program],
                    os.environ,
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, self._nothing, 0),
                        (os.POSIX_SPAWN_DUP2, self._console, 1),
                        (os.POSIX_SPAWN_DUP2, self._console, 2),
                    ],
                    setsid=True,
                    setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
                )
            except OSError as error:
                if error.errno == errno.ETXTBSY:
                    # Another thread of the lab was starting a process while the file was written: gone in a moment.
                    self._programs.insert(0, program)
                    time.sleep(_POLL_SECONDS)
                    continue
                self._note(f"{os.path.basename(program)} cannot be run: {error.strerror}")
            else:
                self._running = pid, program

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._running is not None and pid == self._running[0]:
                name = os.path.basename(self._running[1])
                self._note(f"{name} ended with status {os.waitstatus_to_exitcode(status)}")
                self._start_next()

    def _note(self, words: str) -> None:
        os.write(self._console, f"cloud-init: {words}\n".encode())

    def _end(self) -> None:
        self._programs.clear()
        left = descendants(os.getpid())
        signal_all(left, signal.SIGTERM)
        signal_all(left, signal.SIGCONT)
        grace_seconds = GRACE_SECONDS
        while True:
            self._reap()
            left = descendants(os.getpid())
            if not left:
                return
            if grace_seconds <= 0:
                signal_all(left, signal.SIGKILL)
            time.sleep(_POLL_SECONDS)
            grace_seconds -= _POLL_SECONDS


def _on_signal(number: int, frame: FrameType | None) -> None:
    """The number arrives through the wake-up descriptor."""


def _say(word: str) -> None:
    try:
        os.write(1, f"{word}\n".encode())
    except OSError:
        # The lab is gone, and nobody asks.
        return


if __name__ == "__main__":
    Supervisor(sys.argv[1], sys.argv[2:]).run()
