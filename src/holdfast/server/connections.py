"""Ways to appliances: each opened once by its plug-in, and opened anew when the appliance has another certificate."""

import threading
from collections.abc import Iterator, Mapping
from typing import Any

from holdfast.domain.errors import CertificateError, ConflictError, UnavailableError, UsageError
from holdfast.domain.infrastructure import Appliance, ApplianceState
from holdfast.plugin_api import ApplianceConnection
from holdfast.server.plugins import PluginShelf, missing
from holdfast.server.ports.records import Records

_REACHABLE = frozenset({ApplianceState.AVAILABLE, ApplianceState.UNAVAILABLE})


class ApplianceConnections:
    """Speaks to appliances, through their plug-ins."""

    def __init__(self, records: Records, plugins: PluginShelf) -> None:
        self._records = records
        self._plugins = plugins
        self._open: dict[tuple[str, str, str], ApplianceConnection] = {}
        self._lock = threading.Lock()

    def chosen(self, name: str | None) -> Appliance:
        """The appliance that is meant; None: the only one. Raises NotFoundError, UsageError, PluginMissingError."""
        if name is not None:
            return self._records.appliances.get(name)
        every = self._records.appliances.all()
        if len(every) == 1:
            return every[0]
        if not every:
            self.check_cloud()
            raise UsageError(
                "there is no appliance",
                why="this server works with none so far",
                cure="run `holdfast appliance deploy` or `holdfast appliance connect`",
            )
        raise UsageError(
            "it is not said which appliance is meant",
            why="there are several: " + ", ".join(appliance.name for appliance in every),
            cure="name one with --appliance",
        )

    def check_cloud(self) -> None:
        """Raises PluginMissingError on a server that knows no cloud."""
        if not self._records.plugins.all() and not self._records.appliances.all():
            raise missing("aws")

    def send(
        self,
        appliance: Appliance,
        method: str,
        path: str,
        document: object = None,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """Its answer, or the error that it answers. Raises UnavailableError, CertificateError, ConflictError."""
        return self._of(appliance).send(method, path, document, query)

    def events(self, appliance: Appliance, path: str) -> Iterator[Mapping[str, Any]]:
        """Events of a stream of it."""
        return self._of(appliance).events(path)

    def forget(self, name: str) -> None:
        """Close what is open to that appliance."""
        with self._lock:
            for key in [key for key in self._open if key[0] == name]:
                self._open.pop(key).close()

    def close(self) -> None:
        """Close all."""
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()

    def _of(self, appliance: Appliance) -> ApplianceConnection:
        if appliance.state not in _REACHABLE:
            raise _refusal(appliance)
        key = (appliance.name, appliance.url, appliance.certificate)
        with self._lock:
            if key not in self._open:
                plugin = self._plugins.installed(appliance.plugin)
                self._open[key] = plugin.connection(appliance, self._plugins.context(appliance.plugin))
            return self._open[key]


def _refusal(appliance: Appliance) -> CertificateError | ConflictError | UnavailableError:
    what = f"appliance {appliance.name} is {appliance.state}"
    why = appliance.reason or "nothing is asked of it in this state"
    if appliance.state == ApplianceState.CERTIFICATE_CHANGED:
        cure = f"compare the fingerprints, then run `holdfast appliance accept-certificate {appliance.name}`"
        return CertificateError(what, why=why, cure=cure)
    if appliance.state == ApplianceState.OWNED_BY_ANOTHER:
        return ConflictError(what, why=why, cure="connect it again from here with a new code, or remove it here")
    return UnavailableError(what, why=why, cure="wait until its session has ended (holdfast session list)")
