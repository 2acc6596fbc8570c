"""Secrets that are recognised wherever they turn up, and the places where they could."""

import base64
import re
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

# Tokens of Holdfast tell themselves by their form.
TOKEN = re.compile(rb"hf_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}")
LOOK_SECONDS = 0.1


class Canaries:
    """Secrets by name; each in the forms that programs write bytes in."""

    def __init__(self) -> None:
        self._forms: dict[str, tuple[bytes, ...]] = {}

    def add(self, name: str, secret: bytes) -> None:
        assert len(secret) >= 12, "what is short is found everywhere"
        coded = base64.b64encode(secret)
        self._forms[name] = (secret, secret.hex().encode(), coded.rstrip(b"="), secret.hex().upper().encode())

    def in_bytes(self, content: bytes) -> set[str]:
        return {name for name, forms in self._forms.items() if any(form in content for form in forms)}


def files_with(canaries: Canaries, folders: Iterable[Path], keepers: Mapping[str, str]) -> Iterator[str]:
    """A line for each file that holds a secret and is not its keeper, or keeps it where others can read it.

    `keepers`: for a secret, a pattern of the one file that it lies in.
    """
    for path in sorted(one for folder in folders for one in folder.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        with suppress(FileNotFoundError):
            content, mode = path.read_bytes(), stat.S_IMODE(path.stat().st_mode)
            found = canaries.in_bytes(content) | ({"a token"} if TOKEN.search(content) else set())
            for name in sorted(found):
                if not re.search(keepers.get(name, r"\A\Z"), str(path)):
                    yield f"{name} stands in {path}"
                elif mode != 0o600:
                    yield f"{path}, which holds {name}, has mode {mode:o}"


class Watch:
    """Looks at queues and processes again and again, beside whatever goes on."""

    def __init__(self, sqs: Any, known: Iterable[bytes]) -> None:
        self._sqs = sqs
        self._known = tuple(known)
        self.messages: set[bytes] = set()
        self.commands: set[bytes] = set()
        self.environments: dict[bytes, set[bytes]] = {}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._go_on, args=(look,)) for look in (self._queues, self._processes)]

    def __enter__(self) -> "Watch":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *unused: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _go_on(self, look: Any) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            look()

    def _queues(self) -> None:
        """A message that is shown for no time at all stays where it is for whom it is meant."""
        for url in self._sqs.list_queues().get("QueueUrls", ()):
            with suppress(ClientError):
                words = {"QueueUrl": url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 0}
                for message in self._sqs.receive_message(**words).get("Messages", ()):
                    self.messages.add(str(message["Body"]).encode())

    def _processes(self) -> None:
        """The arguments of every process, and the environment of those that run on instances."""
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                command = (folder / "cmdline").read_bytes()
                self.commands.add(command)
                environment = (folder / "environ").read_bytes()
                if b"AWS_EC2_METADATA_SERVICE_ENDPOINT=" in environment:
                    self.environments.setdefault(command, set()).add(environment)
