"""Ways to an appliance and to the server, over TLS that trusts one certificate each; a test hands in others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from holdfast.plugin_api import ApplianceConnection, ServerIdentity
from holdfast.rest.client.appliance import ApplianceClient, Enrolled, enrol
from holdfast.rest.client.failures import offered_at
from holdfast.rest.client.server import HoldfastClient


class ServerConnection(Protocol):
    """Requests to the server, with a service's token."""

    def send(self, method: str, path: str, document: object = None) -> Any:
        """The answer's document."""


@dataclass(frozen=True, slots=True)
class Doors:
    """How connections are opened: to an appliance (URL, its certificate, who asks), to the server (URL, token, its
    certificate); how an appliance is enrolled (URL, fingerprint, code, who asks), and how the certificate is looked at
    that a URL offers.
    """

    appliance: Callable[[str, str, ServerIdentity], ApplianceConnection]
    server: Callable[[str, str, str], ServerConnection]
    enrol: Callable[[str, str, str, ServerIdentity], Enrolled]
    offered: Callable[[str], str]


DOORS = Doors(ApplianceClient, HoldfastClient, enrol, offered_at)
