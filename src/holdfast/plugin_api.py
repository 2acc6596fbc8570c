"""The plug-in contract, version 1: everything that a plug-in and the management server know of each other.

A plug-in is a distribution with an entry point in the group `holdfast.plugins.v1`, whose object is a `Plugin`. The
server knows no cloud: what a plug-in does not do for it is not done. A plug-in keeps no state of its own on the server;
what it creates in a cloud it writes into the ledger that it is handed, before it creates it.

A new version of this contract is a new group and a new number; a plug-in made for another number is listed and refused.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from holdfast.domain.cloud_ledger import CloudLedger
from holdfast.domain.infrastructure import Appliance

CONTRACT = 1
ENTRY_POINT_GROUP = "holdfast.plugins.v1"


@dataclass(frozen=True, slots=True)
class PluginFacts:
    """Who a plug-in is. `workloads`: kinds of policies that it brings (`EC2Policy`)."""

    name: str
    version: str
    contract: int
    summary: str
    workloads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InstalledThing:
    """Something that a plug-in has put somewhere: `where`: `server` or `aws`; `kind` and `name`: words for a person."""

    where: str
    kind: str
    name: str
    detail: str = ""
    healthy: bool = True


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """A process that the server keeps running. `arguments` follow the server's own Python interpreter.

    Behind them the server puts where it is and with what the process shows itself: `--server URL --server-certificate
    FILE --token-file FILE --certificate FILE --private-key FILE --appliance NAME`. The process ends when its standard
    input does: nothing else tells it that the server is gone.
    """

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """With what the server shows itself to appliances: PEM files, the key's mode 0600."""

    certificate: Path
    private_key: Path
    server_id: str


@dataclass(frozen=True, slots=True)
class PluginContext:
    """What the server hands to every call. `say` shows a line of progress to whoever asked; `cancelled` says whether to
    stop. `settings` is what this plug-in's `install` gave back; `options` are the words of the person, checked by it.
    `folder` is its own on the server, for what it can make again.
    """

    identity: ServerIdentity
    ledger: CloudLedger
    say: Callable[[str], None]
    cancelled: Callable[[], bool]
    session_id: str
    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Installation:
    """What `install` made, and what the server keeps of it: no secrets."""

    things: tuple[InstalledThing, ...]
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DeployOrder:
    """A new appliance. What is None the plug-in chooses; `allowed_sources` are CIDR blocks that may reach it."""

    name: str
    region: str | None = None
    instance_type: str | None = None
    vpc_id: str | None = None
    subnet_id: str | None = None
    security_group_id: str | None = None
    key_name: str | None = None
    allowed_sources: tuple[str, ...] = ()
    public_address: bool = True
    port: int = 11005


@dataclass(frozen=True, slots=True)
class ConnectOrder:
    """An appliance that runs already. `code` is its one-time enrolment code, `fingerprint` the SHA-256 of its
    certificate in hex: a certificate that has another one is refused.
    """

    name: str
    url: str
    fingerprint: str
    code: str = field(repr=False)


class ApplianceConnection(Protocol):
    """Requests to one appliance over mutually pinned TLS: documents in, documents out (docs/rest.md)."""

    def send(self, method: str, path: str, document: object = None, query: Mapping[str, str] | None = None) -> Any:
        """The answer's document. Raises the error that the appliance answered, CertificateError, UnavailableError."""

    def events(self, path: str) -> Iterator[Mapping[str, Any]]:
        """Events of a stream until it ends."""

    def close(self) -> None:
        """Close the connections."""


class Plugin(Protocol):
    """What the server asks of a plug-in. A method that is called again after a crash goes on, or does nothing."""

    @property
    def facts(self) -> PluginFacts:
        """Who it is; asked before anything else, and never fails."""

    def install(self, context: PluginContext) -> Installation:
        """Create what the integration needs. Raises ConflictError, PermissionDeniedError, …; then nothing is left."""

    def things(self, context: PluginContext) -> Sequence[InstalledThing]:
        """What is there now of what was installed, and whether it is healthy."""

    def uninstall(self, context: PluginContext) -> None:
        """Take all away that `install` created. Raises ConflictError while appliances of its need it."""

    def services(self, appliance: Appliance) -> Sequence[ServiceSpec]:
        """The processes that the server keeps running for an appliance."""

    def deploy(self, order: DeployOrder, context: PluginContext) -> Appliance:
        """Launch an appliance and see it answer. When it fails, nothing is left."""

    def connect(self, order: ConnectOrder, context: PluginContext) -> Appliance:
        """Take an appliance on that runs already: it pins the server's certificate, the server pins its."""

    def accept_certificate(self, appliance: Appliance, context: PluginContext) -> Appliance:
        """A person said that the certificate which is offered now is right."""

    def tell(self, appliance: Appliance, context: PluginContext) -> None:
        """Tell an appliance that answers, and may have been told of an earlier installation or of its removal, that it
        stays, and what it needs to know of the installation that there is now.
        """

    def disconnect(self, appliance: Appliance, context: PluginContext, *, delete: bool) -> None:
        """Let go of it; `delete` removes the instance and what was deployed with it, too."""

    def clean(self, session_id: str, context: PluginContext) -> None:
        """A deployment of that session was cut short: remove what the ledger says it may have left."""

    def connection(self, appliance: Appliance, context: PluginContext) -> ApplianceConnection:
        """A connection to an appliance; makes no request yet."""
