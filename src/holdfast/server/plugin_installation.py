"""Installing and removing plug-ins, each in a session of the server.

What is run is known before: it comes from a place that a person named, or with this server; its SHA-256 is shown; and
no index is asked for it or for anything that it might want.
"""

from collections.abc import Mapping
from dataclasses import replace

from holdfast.domain.errors import CancelledError, ConflictError, NotFoundError, PluginContractError, PluginMissingError
from holdfast.domain.identifiers import checked_name
from holdfast.domain.session import LogLevel, Session, SessionKind
from holdfast.plugin_api import CONTRACT, ENTRY_POINT_GROUP, InstalledThing
from holdfast.server.appliances import ApplianceRegister
from holdfast.server.plugins import PluginShelf, missing
from holdfast.server.ports.packages import PluginPackages, Wheel
from holdfast.server.ports.records import PluginState, Records, StoredPlugin
from holdfast.server.sessions import OwnSessions, SessionVoice


class PluginInstallation:
    """Brings plug-ins here, and lets them install what they need."""

    def __init__(
        self,
        records: Records,
        plugins: PluginShelf,
        packages: PluginPackages,
        sessions: OwnSessions,
        register: ApplianceRegister,
    ) -> None:
        self._records = records
        self._register = register
        self._plugins = plugins
        self._packages = packages
        self._sessions = sessions

    def install(self, name: str, source: str | None, options: Mapping[str, str]) -> Session:
        """Install its distribution, unless it is there and no other source is named, then what it needs."""
        checked_name(name, "a plug-in")

        def work(voice: SessionVoice) -> None:
            where = self._bring(name, source, voice)
            plugin = self._plugins.usable(name)
            settings = self._settings(name)
            started = StoredPlugin(name, plugin.facts.version, where, PluginState.INSTALLING, settings)
            self._records.plugins.put(started)
            try:
                installation = plugin.install(self._plugins.context(name, voice, options))
            except BaseException:
                # What `install` made is gone again; what an earlier one made, if there was one, stands.
                if settings:
                    self._records.plugins.put(replace(started, state=PluginState.INSTALLED))
                else:
                    self._records.plugins.remove(name)
                raise
            for thing in installation.things:
                voice.say(_line(thing))
            done = replace(started, settings=installation.settings, installed_by=voice.session_id)
            self._records.plugins.put(replace(done, state=PluginState.INSTALLED))
            self.tell_appliances(name, voice)

        return self._sessions.start(SessionKind.INSTALL, name, work, {"plugin": name})

    def tell_appliances(self, name: str, voice: SessionVoice) -> None:
        """Let its appliances know what was installed; what one refuses is said."""
        for appliance, reason in self._register.tell_of_installation(name).items():
            voice.say(f"appliance {appliance} does not take on everything: {reason}", LogLevel.WARNING)

    def remove(self, name: str) -> Session:
        """Take all away that its `install` created, and its distribution. Raises ConflictError while it is needed."""
        try:
            stored = self._records.plugins.get(name)
        except NotFoundError:
            raise missing(name) from None
        used = [appliance.name for appliance in self._records.appliances.all() if appliance.plugin == name]
        if used:
            raise ConflictError(
                f"plug-in {name} is in use",
                why="these appliances need it: " + ", ".join(used),
                cure="remove them first: holdfast appliance remove NAME",
            )

        def work(voice: SessionVoice) -> None:
            plugin = self._plugins.usable(name)
            self._records.plugins.put(replace(stored, state=PluginState.REMOVING))
            try:
                plugin.uninstall(self._plugins.context(name, voice))
            except BaseException:
                self._records.plugins.put(stored)
                raise
            self._records.plugins.remove(name)
            for entry in self._packages.found():
                if entry.name == name:
                    own = self._packages.uninstall(entry.distribution)
                    became = "is removed from this server" if own else "stays: this environment has it, not this server"
                    voice.say(f"distribution {entry.distribution} {entry.version} {became}")

        return self._sessions.start(SessionKind.REMOVE, name, work, {"plugin": name})

    def _bring(self, name: str, source: str | None, voice: SessionVoice) -> str:
        """Have the distribution installed; where it came from. One that came with this server follows the server's."""
        there = [entry for entry in self._packages.found() if entry.name == name]
        try:
            wheel = self._packages.obtain(name, source)
        except NotFoundError:
            if not there or source is not None:
                raise
            wheel = None
        from_elsewhere = source is None and self._source(name) not in ("", wheel.source if wheel else "")
        if there and (wheel is None or from_elsewhere or self._packages.holds(wheel)):
            voice.say(f"distribution {there[0].distribution} {there[0].version} is installed already")
            return self._source(name) or (wheel.source if wheel else "")
        if wheel is None:
            raise missing(name)
        voice.say(f"{wheel.distribution} {wheel.version} from {wheel.source}, SHA-256 {wheel.sha256}")
        if voice.cancelled():
            raise CancelledError("the installation was cancelled", why="somebody asked for it", cure="run it again")
        _check(name, wheel)
        self._packages.install(wheel)
        return wheel.source

    def _source(self, name: str) -> str:
        try:
            return self._records.plugins.get(name).source
        except NotFoundError:
            return ""

    def _settings(self, name: str) -> Mapping[str, str]:
        try:
            return self._records.plugins.get(name).settings
        except NotFoundError:
            return {}


def _check(name: str, wheel: Wheel) -> None:
    """Nothing of a wheel is installed, let alone run, that this server would refuse."""
    if name not in wheel.plugins:
        raise PluginMissingError(
            f"{wheel.distribution} brings no plug-in {name}",
            why=f"it announces {', '.join(sorted(wheel.plugins)) or 'none'} (entry points {ENTRY_POINT_GROUP})",
            cure="name the folder, wheel or URL of the plug-in",
        )
    if wheel.plugins[name] != CONTRACT:
        raise PluginContractError(
            f"plug-in {name} is refused",
            why=f"it was made for version {wheel.plugins[name]} of the plug-in contract, this server has {CONTRACT}",
            cure=f"install the {name} plug-in that belongs to this server: holdfast plugin install {name}",
        )


def _line(thing: InstalledThing) -> str:
    return f"{thing.where}: {thing.kind} {thing.name}" + (f" ({thing.detail})" if thing.detail else "")
