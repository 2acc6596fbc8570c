"""The client of the management server: for commands, and for the services of plug-ins."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from holdfast.domain.errors import NotAuthenticatedError
from holdfast.rest.client.requests import Requests
from holdfast.rest.tls import client_context


class HoldfastClient:
    """Requests to one server with a token. `certificate`: the one (PEM) that is trusted; None: the system's."""

    def __init__(
        self, url: str, token: str, certificate: str | None, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        if not (token.isascii() and token.isprintable() and token):
            raise NotAuthenticatedError(
                "the token is none",
                why="it holds characters that no token has, or is empty",
                cure="look at HOLDFAST_TOKEN",
            )
        headers = {"Authorization": f"Bearer {token}"}
        self._requests = Requests(url, client_context(certificate), pinned=certificate, headers=headers, sleep=sleep)

    def send(self, method: str, path: str, document: object = None, query: Mapping[str, str] | None = None) -> Any:
        """The answer's document. Raises the error that the server answered, CertificateError, UnavailableError."""
        return self._requests.send(method, path, document, query)

    def events(self, path: str) -> Iterator[Mapping[str, Any]]:
        """{"type", "document"} of each event of a stream until it ends. Raises the error that ended it."""
        for name, document in self._requests.events(path):
            if name:
                yield {"type": name, "document": document}

    def close(self) -> None:
        """Close the connections."""
        self._requests.close()
