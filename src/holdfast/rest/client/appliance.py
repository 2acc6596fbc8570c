"""The client of an appliance: `ApplianceConnection` of the plug-in contract, over TLS that both sides have pinned."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.domain.errors import CertificateError, HoldfastError, NotAuthenticatedError, UnavailableError
from holdfast.plugin_api import ServerIdentity
from holdfast.protocol.appliance_answers import ApplianceFacts
from holdfast.protocol.certificates import fingerprint_of, same_fingerprint
from holdfast.protocol.encoding import from_json, to_json
from holdfast.rest.client.failures import broke_off, not_taken, offered_at
from holdfast.rest.client.requests import Requests
from holdfast.rest.event_names import STILL_HERE
from holdfast.rest.tls import client_context


class ApplianceClient:
    """Requests to one appliance, which trusts `identity` and is trusted by `certificate` (PEM) alone.

    An appliance that belongs to another server by now raises ConflictError; one that shows another certificate raises
    CertificateError, and `offered_certificate` fetches that one.
    """

    def __init__(
        self,
        url: str,
        certificate: str,
        identity: ServerIdentity | None,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._certificate = certificate
        shown = (identity.private_key, identity.certificate) if identity is not None else (None, None)
        context = client_context(certificate, *shown)
        self._shows_certificate = identity is not None
        self._requests = Requests(url, context, pinned=certificate, sleep=sleep)

    def send(self, method: str, path: str, document: object = None, query: Mapping[str, str] | None = None) -> Any:
        """The answer's document. Raises the error that the appliance answered, CertificateError, UnavailableError."""
        try:
            return self._requests.send(method, path, document, query)
        except UnavailableError as error:
            if broke_off(error) and self._shows_certificate and self._is_not_taken():
                raise not_taken(self._requests.place) from error
            raise

    def events(self, path: str) -> Iterator[Mapping[str, Any]]:
        """{"type", "document"} of each event of a stream until it ends; `still-here` is the sign of life of a stream in
        which nothing happens.
        """
        for name, document in self._requests.events(path):
            yield {"type": name or STILL_HERE, "document": document}

    def close(self) -> None:
        """Close the connections."""
        self._requests.close()

    def _is_not_taken(self) -> bool:
        """Whether the appliance answers those who show no certificate, and hangs up on ours still."""
        stranger = ApplianceClient(self._requests.place, self._certificate, None)
        try:
            stranger.send("GET", "/appliance")
        except NotAuthenticatedError:
            return not self._is_answered()
        except HoldfastError:
            return False
        finally:
            stranger.close()
        return False

    def _is_answered(self) -> bool:
        try:
            self._requests.send("GET", "/appliance")
        except UnavailableError as error:
            return not broke_off(error)
        except HoldfastError:
            return True
        return True


@dataclass(frozen=True, slots=True)
class Enrolled:
    """An appliance that belongs to this server now, and its certificate (PEM), to be pinned."""

    facts: ApplianceFacts
    certificate: str


def enrol(url: str, fingerprint: str, code: str, identity: ServerIdentity) -> Enrolled:
    """Take an appliance on: it shows the certificate with that SHA-256, and is told ours with its one-time code.

    Raises CertificateError before the code is sent to anybody else, NotAuthenticatedError for a wrong code.
    """
    offered = offered_at(url)
    if not same_fingerprint(fingerprint_of(offered), fingerprint):
        raise CertificateError(
            f"{url} shows another certificate than the one that was named",
            why=f"named is {fingerprint}, offered is {fingerprint_of(offered)} (SHA-256)",
            cure="compare the fingerprint with what the appliance printed when it started",
        )
    # Without our certificate: the appliance does not know it yet.
    client = ApplianceClient(url, offered, None)
    order = {"code": code, "server_id": identity.server_id, "certificate": identity.certificate.read_text()}
    try:
        answer = client.send("POST", "/enrolment", order)
    finally:
        client.close()
    return Enrolled(from_json(ApplianceFacts, to_json(answer), "the appliance's answer"), offered)
