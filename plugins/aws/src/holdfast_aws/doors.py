"""Ways to an appliance and to the server, over TLS that trusts one certificate each; a test hands in others."""

import hashlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from holdfast.domain.errors import UnavailableError, UsageError
from holdfast.plugin_api import ApplianceConnection, ServerIdentity

TIMEOUT_SECONDS = 15


class ServerConnection(Protocol):
    """Requests to the server, with a service's token."""

    def send(self, method: str, path: str, document: object = None) -> Any:
        """The answer's document."""


@dataclass(frozen=True, slots=True)
class Doors:
    """How connections are opened: to an appliance (URL, its certificate), to the server (URL, its certificate's file,
    token), and how the certificate is looked at that a URL offers.
    """

    appliance: Callable[[str, str, ServerIdentity], ApplianceConnection]
    server: Callable[[str, Path, str], ServerConnection]
    offered: Callable[[str], str]


def offered_certificate(url: str) -> str:
    """The certificate, PEM, that is shown at that URL; nothing is said of whether it can be trusted."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise UsageError(f"{url!r} is no address of an appliance", why="it is not https", cure="write https://HOST:PORT")
    try:
        return ssl.get_server_certificate((parts.hostname, parts.port or 443), timeout=TIMEOUT_SECONDS)
    except (OSError, ValueError) as error:
        raise UnavailableError(
            f"{url} shows no certificate", why=str(error), cure="check the address, and that the appliance runs"
        ) from error


def fingerprint(certificate: str) -> str:
    """The SHA-256 of a PEM certificate, in hex."""
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.strip())).hexdigest()
    except ValueError as error:
        raise UsageError("that is no certificate", why=str(error), cure="give one in PEM form") from error
