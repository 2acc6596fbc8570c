"""Deploying and removing appliances, each in a session of the server."""

from collections.abc import Mapping
from dataclasses import replace

from holdfast.domain.errors import ConflictError, HoldfastError
from holdfast.domain.infrastructure import Appliance, ApplianceState
from holdfast.domain.session import LogLevel, Session, SessionKind
from holdfast.plugin_api import DeployOrder
from holdfast.server.appliances import ApplianceRegister
from holdfast.server.plugins import PluginShelf
from holdfast.server.ports.records import Records
from holdfast.server.sessions import OwnSessions, SessionVoice


class Deployments:
    """Starts the sessions, and does their work."""

    def __init__(
        self, records: Records, plugins: PluginShelf, register: ApplianceRegister, sessions: OwnSessions
    ) -> None:
        self._records = records
        self._plugins = plugins
        self._register = register
        self._sessions = sessions

    def deploy(self, order: DeployOrder, plugin: str, options: Mapping[str, str]) -> Session:
        """Launch an appliance. Its name is taken from now on; when it fails, nothing is left."""
        self._plugins.installed(plugin)
        self._register.reserve(order.name)
        self._records.appliances.put(Appliance(order.name, plugin, "", ApplianceState.DEPLOYING, ""))

        def work(voice: SessionVoice) -> None:
            context = self._plugins.context(plugin, voice, options)
            try:
                appliance = self._plugins.installed(plugin).deploy(order, context)
            except BaseException:
                self._records.appliances.remove(order.name)
                raise
            settled = self._register.settled(appliance)
            voice.say(f"appliance {appliance.name} answers at {appliance.url}")
            if settled.reason:
                voice.say(f"it does not take on every repository: {settled.reason}", LogLevel.WARNING)

        return self._sessions.start(SessionKind.DEPLOY, order.name, work, {"plugin": plugin, "options": dict(options)})

    def remove(self, name: str, *, delete: bool) -> Session:
        """Let go of an appliance; `delete` removes what was deployed with it, too. Its restore points stay."""
        appliance = self._records.appliances.get(name)
        if appliance.state == ApplianceState.DEPLOYING:
            raise ConflictError(
                f"appliance {name} is being deployed", why="its session runs", cure="cancel that session instead"
            )
        if delete and not appliance.instance_id:
            raise ConflictError(
                f"appliance {name} was not deployed from here",
                why="it was connected, and what is not ours is not deleted",
                cure="remove it without deleting it, then end its instance yourself",
            )
        self._plugins.installed(appliance.plugin)
        before = appliance.state
        self._records.appliances.put(replace(appliance, state=ApplianceState.REMOVING))

        def work(voice: SessionVoice) -> None:
            plugin = self._plugins.installed(appliance.plugin)
            try:
                plugin.disconnect(appliance, self._plugins.context(appliance.plugin, voice), delete=delete)
            except HoldfastError as error:
                # It is what it was; the person may ask again.
                self._records.appliances.put(replace(appliance, state=before, reason=f"not removed: {error.what}"))
                voice.say("nothing was forgotten: the appliance is still known here", LogLevel.WARNING)
                raise
            self._register.forget(name)
            voice.say(f"appliance {name} is removed; its restore points stay")
            if appliance.instance_id and not delete:
                text = f"its instance {appliance.instance_id} stays, with its disk and group: it is yours to end now"
                voice.say(text, LogLevel.WARNING)

        return self._sessions.start(SessionKind.REMOVE, name, work, {"plugin": appliance.plugin, "delete": delete})
