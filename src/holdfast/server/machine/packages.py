"""Distributions that bring plug-ins: found by their entry points, installed by pip from one file into a folder each.

The folders are this server's own and come first on the path; what the environment has beside them is found, too, and
never changed: other servers may run in it. pip is never given a name to look up: a wheel that was named, or made of a
folder that was named, and no dependency.
"""

import hashlib
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

import holdfast
from holdfast.domain.errors import HoldfastError, NotFoundError, UsageError
from holdfast.server.machine.wheels import download, plugins_of, recorded, wheel_name
from holdfast.server.ports.packages import EntryPoint, Wheel

_GROUP = re.compile(r"holdfast\.plugins\.v([0-9]+)")
SHIPPED = "this installation of holdfast"
_PIP_SECONDS = 300
_SHOWN_CHARACTERS = 300
# As pip would read them from this user's settings: an index, a target folder.
_QUIET = ("--isolated", "--disable-pip-version-check", "--no-input", "--quiet")


class InstalledPackages:
    """Implements PluginPackages. `folder` holds wheels that were made or fetched here, and `installed/` with
    a folder for each distribution.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._installed = folder / "installed"
        for place in self.paths():
            _come_first(place)

    def paths(self) -> list[Path]:
        """What stands on the path before the environment, here and in services."""
        return sorted(place for place in self._installed.glob("[!.]*") if place.is_dir())

    def found(self) -> list[EntryPoint]:
        """Every entry point of a group of plug-ins."""
        importlib.invalidate_caches()
        entries: dict[tuple[str, str], EntryPoint] = {}
        for distribution in metadata.distributions():
            for point in distribution.entry_points:
                group = _GROUP.fullmatch(point.group)
                if group is not None:
                    # Of a distribution that is there twice, the one that comes first on the path is imported.
                    key = (distribution.name, point.name)
                    one = EntryPoint(point.name, distribution.name, distribution.version, int(group[1]), point.load)
                    entries.setdefault(key, one)
        return list(entries.values())

    def obtain(self, name: str, source: str | None) -> Wheel:
        """The wheel that `source` names, or that came with this server."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if source is None:
            place = shipped(name)
            return _described(self._build(place), SHIPPED)
        if urlsplit(source).scheme in ("http", "https"):
            return _described(download(source, self._folder), source.partition("#")[0])
        place = Path(source).expanduser()
        if place.is_dir():
            return _described(self._build(place.resolve()), str(place))
        if place.is_file() and place.suffix == ".whl":
            return _described(place.resolve(), str(place))
        raise UsageError(
            f"{source!r} is no source of a plug-in",
            why="it is no folder or wheel that is there, and no https URL; names are not looked up anywhere",
            cure="name a folder, a wheel file, or https://…/NAME.whl#sha256=CHECKSUM",
        )

    def holds(self, wheel: Wheel) -> bool:
        """Whether every file of the wheel is installed as it is in there."""
        importlib.invalidate_caches()
        try:
            files = metadata.distribution(wheel.distribution).files or ()
        except metadata.PackageNotFoundError:
            return False
        installed = {file.as_posix(): f"{file.hash.mode}={file.hash.value}" for file in files if file.hash is not None}
        return recorded(wheel.path).items() <= installed.items()

    def install(self, wheel: Wheel) -> None:
        """Install it, in place of another version."""
        place = self._installed / wheel.distribution
        self._installed.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._installed.glob(".*"):
            shutil.rmtree(left)  # of an installation that was cut short
        with tempfile.TemporaryDirectory(dir=self._installed, prefix=".", ignore_cleanup_errors=True) as new:
            words = ("--no-deps", "--no-index", "--no-warn-script-location")
            _pip("install", *words, "--target", f"{new}/new", str(wheel.path))
            if place.exists():
                place.rename(f"{new}/old")
            Path(f"{new}/new").rename(place)
        _come_first(place)
        self._forget_code(wheel.distribution)

    def uninstall(self, distribution: str) -> bool:
        """Remove it, when it is one of this server's own; whether it was."""
        place = self._installed / canonicalize_name(distribution)
        if not place.is_dir():
            return False
        self._forget_code(distribution)
        sys.path[:] = [one for one in sys.path if one != str(place)]
        shutil.rmtree(place)
        importlib.invalidate_caches()
        return True

    def _forget_code(self, distribution: str) -> None:
        """The code of an earlier version must not be taken for another one's."""
        importlib.invalidate_caches()
        for point in metadata.distribution(distribution).entry_points:
            top = point.module.partition(".")[0]
            for loaded in [module for module in sys.modules if module.partition(".")[0] == top]:
                del sys.modules[loaded]

    def _build(self, place: Path) -> Path:
        """A wheel made of the folder, with the build tool that is installed here."""
        with tempfile.TemporaryDirectory(dir=self._folder) as new:
            _pip("wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", new, str(place))
            made = next(Path(new).glob("*.whl"))
            return made.replace(self._folder / made.name)


def _come_first(place: Path) -> None:
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))


def shipped(name: str) -> Path:
    """The folder of the plug-in that came with this server: in its installation, or in the checkout it runs from."""
    package = Path(holdfast.__file__).resolve().parent
    for place in (package / "shipped_plugins" / name, package.parents[1] / "plugins" / name):
        if (place / "pyproject.toml").is_file():
            return place
    raise NotFoundError(
        f"no plug-in {name} came with this server",
        why=f"neither {package.name} holds one of that name, nor the checkout it runs from",
        cure="say where it is: holdfast plugin install NAME --from FOLDER|WHEEL|URL",
    )


def _described(path: Path, source: str) -> Wheel:
    distribution, version = wheel_name(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Wheel(path, distribution, version, digest, source, plugins_of(path, _GROUP))


def _pip(verb: str, *words: str) -> None:
    _run([sys.executable, "-m", "pip", verb, *_QUIET, *words], {**os.environ, "PIP_CONFIG_FILE": os.devnull})


def _run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    what = f"pip {command[3]} failed"
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=_PIP_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise HoldfastError(what, why=f"it took longer than {_PIP_SECONDS} s", cure="run it again") from error
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())
        raise HoldfastError(
            what,
            why=said[-_SHOWN_CHARACTERS:] or f"it ended with status {done.returncode}",
            cure="run the server in a virtual environment that has pip, with room on the disk of its home",
        )
