"""The port to distributions that bring plug-ins: the server's own, and those of the environment that it runs in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Wheel:
    """A distribution in one file, ready to be installed. `sha256` is the file's, in hex; `plugins` what it announces:
    name -> number of the contract that it was made for.
    """

    path: Path
    distribution: str
    version: str
    sha256: str
    source: str
    plugins: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """A plug-in as its distribution announces it. `contract` is the number in the name of its group; `load` imports its
    code and gives back the object.
    """

    name: str
    distribution: str
    version: str
    contract: int
    load: Callable[[], object]


class PluginPackages(Protocol):
    """What is installed, and how more of it comes and goes."""

    def found(self) -> list[EntryPoint]:
        """Every entry point of a group of plug-ins, of whatever contract, installed this very moment."""

    def obtain(self, name: str, source: str | None) -> Wheel:
        """The wheel of a plug-in: from a folder, a wheel or an https URL whose fragment is its SHA-256; None: the one
        that came with this server. Raises UsageError, NotFoundError, IntegrityError, UnavailableError.
        """

    def holds(self, wheel: Wheel) -> bool:
        """Whether exactly that is installed."""

    def install(self, wheel: Wheel) -> None:
        """Install it and nothing else: no index is asked. Raises HoldfastError."""

    def uninstall(self, distribution: str) -> bool:
        """Remove what `install` installed; False, and nothing is removed, where the environment brought it."""
