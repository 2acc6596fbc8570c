"""The parts of a server, put together over its ports."""

from dataclasses import dataclass
from pathlib import Path

from holdfast.domain.history import SessionHistory
from holdfast.domain.secret_box import SecretBox
from holdfast.plugin_api import ServerIdentity
from holdfast.server.appliances import ApplianceRegister
from holdfast.server.connections import ApplianceConnections
from holdfast.server.deployments import Deployments
from holdfast.server.history import Pruning
from holdfast.server.plugin_installation import PluginInstallation
from holdfast.server.plugins import PluginShelf
from holdfast.server.ports.packages import PluginPackages
from holdfast.server.ports.processes import Processes, ServiceDoor
from holdfast.server.ports.records import Records
from holdfast.server.ports.surroundings import Surroundings
from holdfast.server.recovery import Recovery
from holdfast.server.repositories import RepositoryShelf
from holdfast.server.services import ApplianceServices
from holdfast.server.sessions import OwnSessions
from holdfast.server.supervisor import ServiceState, Supervisor
from holdfast.server.tokens import TokenBook

_USUAL_HISTORY = SessionHistory()


@dataclass(frozen=True, slots=True)
class Outside:
    """What a server needs of the world. `plugin_folder` is where plug-ins keep what they can make again."""

    records: Records
    packages: PluginPackages
    processes: Processes
    door: ServiceDoor
    box: SecretBox
    identity: ServerIdentity
    plugin_folder: Path
    surroundings: Surroundings
    history: SessionHistory = _USUAL_HISTORY


@dataclass(frozen=True, slots=True)
class Parts:
    """What a server is made of."""

    records: Records
    identity: ServerIdentity
    surroundings: Surroundings
    tokens: TokenBook
    plugins: PluginShelf
    connections: ApplianceConnections
    supervisor: Supervisor
    services: ApplianceServices
    repositories: RepositoryShelf
    register: ApplianceRegister
    sessions: OwnSessions
    deployments: Deployments
    installation: PluginInstallation
    recovery: Recovery
    pruning: Pruning


def compose(outside: Outside) -> Parts:
    """Each part with what it needs."""
    records, surroundings = outside.records, outside.surroundings
    supervisor = Supervisor(outside.processes, surroundings)

    def services_of(plugin: str) -> tuple[ServiceState, ...]:
        return tuple(state for owner, state in supervisor.states() if owner == plugin)

    tokens = TokenBook(records.tokens, surroundings)
    plugins = PluginShelf(records, outside.packages, outside.identity, outside.plugin_folder, services_of)
    connections = ApplianceConnections(records, plugins)
    services = ApplianceServices(records, plugins, supervisor, tokens, outside.door)
    repositories = RepositoryShelf(records, connections, outside.box)
    register = ApplianceRegister(records, plugins, connections, services, repositories, surroundings)
    sessions = OwnSessions(records.sessions, surroundings)
    installation = PluginInstallation(records, plugins, outside.packages, sessions, register)
    return Parts(
        records=records,
        identity=outside.identity,
        surroundings=surroundings,
        tokens=tokens,
        plugins=plugins,
        connections=connections,
        supervisor=supervisor,
        services=services,
        repositories=repositories,
        register=register,
        sessions=sessions,
        deployments=Deployments(records, plugins, register, sessions),
        installation=installation,
        recovery=Recovery(records, plugins, sessions, installation, surroundings),
        pruning=Pruning(records, surroundings, outside.history),
    )
