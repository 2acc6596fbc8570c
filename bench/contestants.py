"""The programs that are compared, each with the commands that a person would type. Encryption is on everywhere."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

PASSWORD = "correct horse battery staple"  # noqa: S105 - opens repositories that are gone a minute later
VOLUME = "volume.img"

FULL = "full backup"
RESTORE = "restore"
CHECK = "check, all data read"
VERIFY = "verify one point"
LISTED = "incremental, with list"
COMPARED = "incremental, without list"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one contestant works in one round: the volume lies there as `volume.img`, all it writes stays there."""

    folder: Path
    changed_blocks: Path

    @property
    def repository(self) -> Path:
        """The repository that the steps use one after the other."""
        return self.folder / "repository"

    @property
    def twin(self) -> Path:
        """A copy of it as it was after the full backup."""
        return self.folder / "twin"

    @property
    def restored(self) -> Path:
        """Where a restore leaves the volume."""
        return self.folder / "restored" / VOLUME

    def prepare(self, volume: Path) -> None:
        """Make the folder with the volume in its first state and the file that holds the password."""
        self.restored.parent.mkdir(parents=True)
        (self.folder / "password").write_text(PASSWORD)
        os.link(volume, self.folder / VOLUME)

    def replace_volume(self, volume: Path) -> None:
        """The volume is in its second state from now on."""
        (self.folder / VOLUME).unlink()
        os.link(volume, self.folder / VOLUME)

    def copy_repository(self) -> None:
        """Make the twin: an incremental in it leaves the repository as the full backup left it."""
        shutil.copytree(self.repository, self.twin)

    def remove(self) -> None:
        """Everything that was written goes."""
        shutil.rmtree(self.folder)

    def environment(self) -> dict[str, str]:
        """Home, caches and passwords, all inside the folder."""
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "HOLDFAST_HOME": str(self.folder / "home"),
            "HOLDFAST_PASSWORD_FILE": str(self.folder / "password"),
            "RESTIC_PASSWORD": PASSWORD,
            "BORG_BASE_DIR": str(self.folder),
            "BORG_PASSPHRASE": PASSWORD,
        }


class Contestant(Protocol):
    """A program with its settings."""

    @property
    def name(self) -> str:
        """How figures call it."""

    def version(self) -> str:
        """As it says itself."""

    def initialise(self, place: Place) -> list[str]:
        """The command that makes a repository; not measured."""

    def steps(self, place: Place) -> Mapping[str, list[str]]:
        """Step -> command, for what this program can do."""

    def requests(self, step: str, output: str) -> dict[str, int] | None:
        """Object requests that the command reported, where it reports them."""


@dataclass(frozen=True, slots=True)
class Holdfast:
    """This project's command line at one compression level. `steps_wanted` limits what is measured."""

    level: str
    steps_wanted: frozenset[str] | None = None

    @property
    def name(self) -> str:
        """`holdfast` and the level."""
        return f"holdfast {self.level}"

    def version(self) -> str:
        """The distribution's version."""
        code = "import holdfast; print('holdfast', holdfast.__version__)"
        return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()

    def initialise(self, place: Place) -> list[str]:
        """`repository init`."""
        return [_beside_python("holdfast"), "repository", "init", str(place.repository)]

    def steps(self, place: Place) -> Mapping[str, list[str]]:
        """All of them; a list of changed blocks is what an EBS snapshot gives."""
        program = _beside_python("holdfast")
        quiet = ["--output", "json", "--no-progress"]
        at = ["--repository", str(place.repository)]
        backup = [program, "image", "backup", VOLUME, "--workload", "volume", "--compression", self.level, *quiet]
        listed = ["--repository", str(place.twin), "--changed-blocks", str(place.changed_blocks)]
        # The others compute no hash of what they restored, so ours is left out here too.
        target = ["--to", str(place.restored), "--no-sha256"]
        found = {
            FULL: [*backup, *at],
            RESTORE: [program, "image", "restore", "latest:volume", *target, *quiet, *at],
            CHECK: [program, "repository", "check", str(place.repository), "--read-data", *quiet],
            VERIFY: [program, "image", "verify", "latest:volume", *quiet, *at],
            LISTED: [*backup, *listed],
            COMPARED: [*backup, *at],
        }
        return (
            found if self.steps_wanted is None else {step: found[step] for step in found if step in self.steps_wanted}
        )

    def requests(self, step: str, output: str) -> dict[str, int] | None:
        """From the JSON document of backup and restore."""
        found: dict[str, int] | None = json.loads(output).get("requests")
        return found


@dataclass(frozen=True, slots=True)
class Restic:
    """restic, repository version 2, at one compression mode."""

    mode: str
    steps_wanted: frozenset[str] | None = None

    @property
    def name(self) -> str:
        """`restic` and the mode."""
        return f"restic {self.mode}"

    def version(self) -> str:
        """The first line of `restic version`."""
        return _first_line(["restic", "version"])

    @staticmethod
    def modes() -> list[str]:
        """Compression modes that the installed version offers."""
        words = subprocess.run(["restic", "help", "backup"], check=True, capture_output=True, text=True).stdout
        return [mode for mode in ("auto", "fastest", "max") if f"{mode}|" in words or f"|{mode}" in words]

    def _program(self, place: Place) -> list[str]:
        cache = str(place.folder / "cache")
        return ["restic", "--repo", str(place.repository), "--cache-dir", cache, "--compression", self.mode]

    def initialise(self, place: Place) -> list[str]:
        """Version 2 of the format, the one that compresses."""
        return [*self._program(place), "init", "--repository-version", "2"]

    def steps(self, place: Place) -> Mapping[str, list[str]]:
        """restic has no lists of changed blocks and verifies the repository as a whole."""
        program = self._program(place)
        found = {
            FULL: [*program, "backup", VOLUME],
            RESTORE: [*program, "restore", "latest", "--target", str(place.restored.parent)],
            CHECK: [*program, "check", "--read-data"],
            COMPARED: [*program, "backup", VOLUME],
        }
        return (
            found if self.steps_wanted is None else {step: found[step] for step in found if step in self.steps_wanted}
        )

    def requests(self, step: str, output: str) -> None:
        """It does not say."""


@dataclass(frozen=True, slots=True)
class Borg:
    """BorgBackup with zstd level 3 and its default encryption (AES-CTR and HMAC-SHA256)."""

    steps_wanted: frozenset[str] | None = None

    @property
    def name(self) -> str:
        """`borg` and the compression."""
        return "borg zstd,3"

    def version(self) -> str:
        """As `borg --version` says."""
        return _first_line(["borg", "--version"])

    def initialise(self, place: Place) -> list[str]:
        """repokey: the key lies in the repository, under the passphrase."""
        return ["borg", "init", "--encryption", "repokey", str(place.repository)]

    def steps(self, place: Place) -> Mapping[str, list[str]]:
        """The second archive has a name of its own; extract writes into the folder it runs in."""
        create = ["borg", "create", "--compression", "zstd,3"]
        extract = f'cd "$1" && exec borg extract "$2::first" {VOLUME}'
        found = {
            FULL: [*create, f"{place.repository}::first", VOLUME],
            RESTORE: ["sh", "-c", extract, "sh", str(place.restored.parent), str(place.repository)],
            CHECK: ["borg", "check", "--verify-data", str(place.repository)],
            COMPARED: [*create, f"{place.repository}::second", VOLUME],
        }
        return _only(self.steps_wanted, found)

    def requests(self, step: str, output: str) -> None:
        """It does not say."""


def _only(wanted: frozenset[str] | None, found: dict[str, list[str]]) -> dict[str, list[str]]:
    """The steps that are wanted; None wants all."""
    return {step: command for step, command in found.items() if wanted is None or step in wanted}


def _beside_python(name: str) -> str:
    """A console script of the environment that runs this."""
    return str(Path(sys.executable).parent / name)


def _first_line(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]
