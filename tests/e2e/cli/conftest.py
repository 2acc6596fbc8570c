"""Somebody who runs the program in a folder, with a password and a home of its own."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.program import PROGRAM, Outcome, run_here

collect_ignore = [] if os.environ.get("PRODUCT") == "whole" else ["test_demo_stopped.py"]


class Holdfast:
    """Runs commands in one folder, with a password file and a home of its own; `start` makes them processes."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.password_file = folder / "password"
        self.password_file.write_bytes(b"correct horse battery staple\n")
        # What opens the repository.
        self.key_file = self.password_file
        self.repository = str(folder / "repository")
        self.environment = {**environment, "HOLDFAST_HOME": str(folder / "home")}

    def run(self, *words: object, data: bytes = b"", environment: Mapping[str, str] | None = None) -> Outcome:
        return run_here(list(map(str, words)), {**self.environment, **(environment or {})}, self.folder, data)

    def start(self, *words: object, program: Sequence[str] = PROGRAM, **more: Any) -> "subprocess.Popen[bytes]":
        """A run that the test watches or interrupts; it must end it."""
        return subprocess.Popen(
            [*program, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.environment,
            **{"stdin": subprocess.DEVNULL, **more},
        )

    @property
    def opening(self) -> list[str]:
        return ["--repository", self.repository, "--password-file", str(self.key_file)]

    def init(self, *words: object) -> Outcome:
        """Make the repository with the password; what follows opens it with the recovery code: a password takes a
        quarter of a second each time.
        """
        done = self.run("repository", "init", self.repository, "--password-file", self.password_file, *words)
        assert done.status == 0, done.err
        [code] = re.findall(r"HF1-[-A-Z0-9]+", done.text)
        self.key_file = self.password_file.with_suffix(".recovery")
        self.key_file.write_text(f"{code}\n")
        return done

    def repo(self, verb: str, *words: object) -> Outcome:
        """`repository VERB` on this repository."""
        return self.run("repository", verb, self.repository, "--password-file", self.key_file, *words)

    def image(self, verb: str, *words: object, data: bytes = b"") -> Outcome:
        """`image VERB` on this repository."""
        return self.run("image", verb, *words, *self.opening, data=data)

    def done(self, verb: str, *words: object, data: bytes = b"", status: int = 0) -> Any:
        """The document of an `image VERB` that succeeds."""
        done = self.image(verb, *words, "--output", "json", data=data)
        assert done.status == status, done.err
        return done.document

    def check(self, *words: object) -> Any:
        """The document of `repository check`, which must find nothing."""
        done = self.repo("check", "--output", "json", *words)
        assert done.status == 0, done.err
        assert done.document["damage"] == []
        return done.document


@pytest.fixture
def holdfast(tmp_path: Path) -> Holdfast:
    return Holdfast(tmp_path, dict(os.environ))


@pytest.fixture
def demo_folder(holdfast: Holdfast) -> Path:
    """Where the demo keeps its things, and nobody else anything."""
    place = holdfast.folder / "temporary"
    place.mkdir()
    holdfast.environment["TMPDIR"] = str(place)
    holdfast.environment["PATH"] += os.pathsep + "/usr/sbin" + os.pathsep + "/sbin"
    if shutil.which("mkfs.ext4", path=holdfast.environment["PATH"]) is None:
        pytest.skip("needs mkfs.ext4 (e2fsprogs)")
    return place


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Holdfast:
    made = Holdfast(tmp_path_factory.mktemp("template"), dict(os.environ))
    made.init()
    (made.folder / "disk").write_bytes(patterned([1, 2, 3, 4]))
    made.done("backup", "disk", "--workload", "w")
    return made


@pytest.fixture
def filled(_template: Holdfast, holdfast: Holdfast) -> Holdfast:
    """A repository with one point of workload `w`, whose source is the file `disk`."""
    shutil.copytree(_template.repository, holdfast.repository)
    shutil.copy(_template.folder / "disk", holdfast.folder / "disk")
    holdfast.key_file = holdfast.folder / _template.key_file.name
    shutil.copy(_template.key_file, holdfast.key_file)
    return holdfast


def patterned(blocks: Sequence[int | None], tail: bytes = b"") -> bytes:
    """A volume of 512 KiB blocks: each filled from its number's own bytes, None for zeros; and a ragged end."""
    size = 512 * 1024
    filled = (
        bytes(size) if seed is None else (seed.to_bytes(4, "big") + bytes(range(252))) * (size // 256)
        for seed in blocks
    )
    return b"".join(filled) + tail
