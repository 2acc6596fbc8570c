"""Which processes run for which appliance, and with which token each shows itself."""

from collections.abc import Sequence
from functools import partial

from holdfast.domain.infrastructure import Appliance, ApplianceState
from holdfast.plugin_api import ServiceSpec
from holdfast.server.plugins import PluginShelf
from holdfast.server.ports.processes import ServiceDoor
from holdfast.server.ports.records import Records, TokenKind
from holdfast.server.supervisor import Supervisor, Wanted
from holdfast.server.tokens import TokenBook


class ApplianceServices:
    """Says to the supervisor what shall run."""

    def __init__(
        self, records: Records, plugins: PluginShelf, supervisor: Supervisor, tokens: TokenBook, door: ServiceDoor
    ) -> None:
        self._records = records
        self._plugins = plugins
        self._supervisor = supervisor
        self._tokens = tokens
        self._door = door
        self._shown: dict[tuple[str, str], str] = {}

    def resume(self, appliance: Appliance) -> None:
        """At the start of the server: what its services had been shown before opens nothing any more."""
        self._tokens.revoke_services(appliance.name)
        self.follow(appliance)

    def follow(self, appliance: Appliance) -> None:
        """Keep what its plug-in names running."""
        if appliance.state == ApplianceState.DEPLOYING:
            return
        specs: Sequence[ServiceSpec] = self._plugins.installed(appliance.plugin).services(appliance)
        self._supervisor.want(
            appliance.name,
            {
                spec.name: Wanted(
                    appliance.plugin, appliance.name, spec.name, spec.arguments, partial(self._words, appliance, spec)
                )
                for spec in specs
            },
        )

    def leave(self, name: str) -> None:
        """Nothing runs for it any more, and its tokens open nothing."""
        self._supervisor.want(name, {})
        self._tokens.revoke_services(name)
        self._door.forget(name)

    def _words(self, appliance: Appliance, spec: ServiceSpec) -> tuple[str, ...]:
        """Each start has a token of its own, and ends the one before."""
        shown = self._shown.pop((appliance.name, spec.name), None)
        if shown is not None:
            self._tokens.revoke(shown)
        token = self._tokens.issue(TokenKind.SERVICE, appliance.name)
        self._shown[appliance.name, spec.name] = token
        return spec.arguments + self._door.arguments(appliance.name, spec.name, token)
