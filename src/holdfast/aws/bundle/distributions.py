"""Which distributions a kind of bundle is made of, and which files each of them would install."""

import json
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from holdfast.domain.errors import HoldfastError, MissingExtraError
from holdfast.domain.extras import how_to_install


@dataclass(frozen=True, slots=True)
class InstalledFile:
    """One file of a distribution: its path below site-packages, and where it lies here.

    `fingerprint` changes when the content does: the hash that the distribution recorded, or the empty string where
    only the file itself can tell.
    """

    name: str
    place: Path
    fingerprint: str


def required_distributions(root: str, extras: frozenset[str]) -> list[metadata.Distribution]:
    """`root` with `extras` and everything that they require on this machine, ascending by name.

    Raises MissingExtraError when something required is not installed.
    """
    found: dict[str, metadata.Distribution] = {}
    asked: set[tuple[str, str]] = set()
    waiting = [(root, extra) for extra in ("", *sorted(extras))]
    while waiting:
        name, extra = waiting.pop()
        key = (canonicalize_name(name), extra)
        if key in asked:
            continue
        asked.add(key)
        distribution = found.get(key[0]) or _installed(name, needed_by=root)
        found[key[0]] = distribution
        for requirement in map(Requirement, distribution.requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                waiting += [(requirement.name, wanted) for wanted in ("", *sorted(requirement.extras))]
    return [found[name] for name in sorted(found)]


def installed_files(distribution: metadata.Distribution) -> Iterator[InstalledFile]:
    """Every file that a wheel of the distribution would put into site-packages, in no order.

    An editable installation has its metadata in site-packages and its packages where they are written. Raises
    HoldfastError for an installation that has no record of its files.
    """
    if distribution.files is None:
        raise HoldfastError(
            f"no bundle can be made of {distribution.name} {distribution.version}",
            why="its installation has no record of its files",
            cure="install it with pip, from a wheel",
        )
    for file in distribution.files:
        if file.parts[0] != ".." and not Path(file).is_absolute():
            place = Path(str(file.locate()))
            if place.is_file():
                yield InstalledFile(file.as_posix(), place, file.hash.value if file.hash else "")
    project = _editable_project(distribution)
    if project is not None:
        for package in _wheel_packages(project, distribution):
            for place in package.rglob("*"):
                if place.is_file():
                    yield InstalledFile(place.relative_to(package.parent).as_posix(), place, "")


def _installed(name: str, needed_by: str) -> metadata.Distribution:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError as error:
        raise MissingExtraError(
            f"no bundle can be made here: {name} is not installed",
            why=f"{needed_by} needs it on an instance, and bundles are made of what is installed here",
            cure=how_to_install("appliance", sys.executable),
        ) from error


def _editable_project(distribution: metadata.Distribution) -> Path | None:
    """The folder of the project when the distribution is installed in editable form (PEP 610)."""
    text = distribution.read_text("direct_url.json")
    origin = json.loads(text) if text else {}
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlsplit(origin["url"]).path))


def _wheel_packages(project: Path, distribution: metadata.Distribution) -> list[Path]:
    """The packages that hatchling would put into the wheel."""
    settings = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    targets = settings.get("tool", {}).get("hatch", {}).get("build", {}).get("targets", {})
    packages = [project / name for name in targets.get("wheel", {}).get("packages", ())]
    if not packages or not all(package.is_dir() for package in packages):
        raise HoldfastError(
            f"no bundle can be made of {distribution.name}, which is installed in editable form",
            why=f"{project / 'pyproject.toml'} does not say which packages are its own",
            cure="install it from a wheel",
        )
    return packages
