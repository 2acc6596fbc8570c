"""Which plug-ins there are, which of them may be used, and the context that each call gets.

The number of the contract is looked at before anything of a plug-in is used: one that was made for another contract is
listed with the reason and never called.
"""

import importlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from holdfast.domain.errors import HoldfastError, NotFoundError, PluginContractError, PluginMissingError
from holdfast.plugin_api import CONTRACT, InstalledThing, Plugin, PluginContext, ServerIdentity
from holdfast.server.ports.packages import EntryPoint, PluginPackages
from holdfast.server.ports.records import PluginState, Records, StoredPlugin
from holdfast.server.sessions import SessionVoice
from holdfast.server.supervisor import ServiceState

# What importing and describing itself may raise in code that was made for something else.
_FOREIGN_FAILURES = (
    ImportError, AttributeError, NameError, SyntaxError, TypeError, ValueError, LookupError, OSError, RuntimeError,
)  # fmt: skip
AVAILABLE = "available"
REFUSED = "refused"
MISSING = "missing"


@dataclass(frozen=True, slots=True)
class PluginReport:
    """A plug-in as it is listed. `state`: `installed`, `available` (its distribution is there, nothing was installed
    for it), `refused` or `missing` (with the reason), `installing`, `removing`.
    """

    name: str
    version: str
    contract: int
    state: str
    summary: str = ""
    reason: str = ""
    source: str = ""
    workloads: tuple[str, ...] = ()
    services: tuple[ServiceState, ...] = ()
    things: tuple[InstalledThing, ...] = ()


@dataclass(frozen=True, slots=True)
class _Looked:
    """What became of an entry point: a plug-in, or the reason why it is none."""

    entry: EntryPoint
    plugin: Plugin | None
    reason: str = ""


class PluginShelf:
    """Finds plug-ins, those too that are installed while the server runs."""

    def __init__(
        self,
        records: Records,
        packages: PluginPackages,
        identity: ServerIdentity,
        folder: Path,
        services_of: Callable[[str], tuple[ServiceState, ...]],
    ) -> None:
        """`folder` is where plug-ins keep what they can make again; `services_of` says how the processes of one do."""
        self._records = records
        self._packages = packages
        self._identity = identity
        self._folder = folder
        self._services_of = services_of
        self._looked: dict[tuple[str, str, str, int], _Looked] = {}
        self._lock = threading.Lock()

    def usable(self, name: str) -> Plugin:
        """The plug-in, installed for this server or not. Raises PluginMissingError, PluginContractError."""
        looked = self._look(name)
        if looked is None:
            raise missing(name)
        if looked.plugin is None:
            raise PluginContractError(
                f"plug-in {name} is refused",
                why=looked.reason,
                cure=f"install the {name} plug-in that belongs to this server: holdfast plugin install {name}",
            )
        return looked.plugin

    def installed(self, name: str) -> Plugin:
        """The plug-in, when its `install` has been done. Raises PluginMissingError, PluginContractError."""
        try:
            stored = self._records.plugins.get(name)
        except NotFoundError:
            raise missing(name) from None
        plugin = self.usable(name)
        if stored.state != PluginState.INSTALLED:
            raise PluginMissingError(
                f"plug-in {name} is not ready",
                why=f"it is {stored.state}",
                cure="wait until it is installed (holdfast session list), or install it again",
            )
        return plugin

    def context(
        self, name: str, voice: SessionVoice | None = None, options: Mapping[str, str] | None = None
    ) -> PluginContext:
        """What a call of that plug-in gets; without a session it is silent and cannot be cancelled."""
        try:
            settings = self._records.plugins.get(name).settings
        except NotFoundError:
            settings = {}
        return PluginContext(
            self._identity,
            self._records.ledger,
            voice.say if voice else _silent,
            voice.cancelled if voice else _never,
            voice.session_id if voice else "",
            self._folder / name,
            settings,
            options or {},
        )

    def reports(self) -> list[PluginReport]:
        """All of them, by name: what was asked for, and what else is there."""
        stored = {plugin.name: plugin for plugin in self._records.plugins.all()}
        names = sorted({entry.name for entry in self._packages.found()} | set(stored))
        return [self._report(name, stored.get(name)) for name in names]

    def _report(self, name: str, stored: StoredPlugin | None) -> PluginReport:
        looked = self._look(name)
        services = self._services_of(name)
        source = stored.source if stored else ""
        if looked is None:
            version = stored.version if stored else ""
            why = "its distribution is not installed any more"
            return PluginReport(name, version, CONTRACT, MISSING, reason=why, source=source, services=services)
        entry, plugin = looked.entry, looked.plugin
        if plugin is None:
            return PluginReport(name, entry.version, entry.contract, REFUSED, reason=looked.reason, source=source)
        facts = plugin.facts
        state = str(stored.state) if stored else AVAILABLE
        things: tuple[InstalledThing, ...] = ()
        reason = ""
        if stored is not None and stored.state == PluginState.INSTALLED:
            try:
                things = tuple(plugin.things(self.context(name)))
            except HoldfastError as error:
                reason = str(error)
        return PluginReport(
            name, facts.version, facts.contract, state, facts.summary, reason, source, facts.workloads, services, things
        )

    def _look(self, name: str) -> _Looked | None:
        """What is there under that name now; each version is loaded once. None when nothing is."""
        entries = [entry for entry in self._packages.found() if entry.name == name]
        if not entries:
            return None
        entry = min(entries, key=lambda one: one.contract != CONTRACT)
        key = (entry.name, entry.distribution, entry.version, entry.contract)
        with self._lock:
            if key not in self._looked:
                self._looked[key] = _examine(entry)
            return self._looked[key]


def missing(name: str) -> PluginMissingError:
    """What a verb meets whose plug-in is not there."""
    return PluginMissingError(
        f"plug-in {name} is not installed",
        why="this server does nothing in a cloud without a plug-in",
        cure=f"run `holdfast plugin install {name}`",
    )


def _examine(entry: EntryPoint) -> _Looked:
    if entry.contract != CONTRACT:
        return _Looked(entry, None, _other_contract(entry.contract))
    importlib.invalidate_caches()
    try:
        plugin = entry.load()
        contract = cast(Plugin, plugin).facts.contract
    except _FOREIGN_FAILURES as error:
        return _Looked(entry, None, f"it cannot be loaded: {type(error).__name__}: {error}")
    if contract != CONTRACT:
        return _Looked(entry, None, _other_contract(contract))
    return _Looked(entry, cast(Plugin, plugin))


def _other_contract(contract: int) -> str:
    return f"it was made for version {contract} of the plug-in contract, this server has version {CONTRACT}"


def _silent(line: str) -> None:
    """Nobody listens."""


def _never() -> bool:
    return False
