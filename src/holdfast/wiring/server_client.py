"""What a command needs of the management server: a client of the one that is meant, and policies as documents.

Which server: HOLDFAST_SERVER with HOLDFAST_TOKEN, else the one that runs on this machine under this HOLDFAST_HOME.
"""

import json
import os
from pathlib import Path
from typing import Any

from holdfast.domain.errors import NotAuthenticatedError, NotFoundError, UnavailableError
from holdfast.domain.policy import Ec2Policy
from holdfast.protocol import policies
from holdfast.protocol.encoding import from_document
from holdfast.rest.client.server import HoldfastClient
from holdfast.wiring.location_memory import home_folder
from holdfast.wiring.private_files import read_private
from holdfast.wiring.server_home import ServerHome


def open_client() -> HoldfastClient:
    """A client of the server that is meant. Raises UnavailableError where none is known, NotAuthenticatedError without
    a token.
    """
    home = ServerHome(home_folder())
    return HoldfastClient(_url(home), _token(home), _certificate(home))


def policy_of(text: str) -> tuple[str, dict[str, Any]]:
    """(name, document) of a policy that a person wrote. Raises UsageError for one that cannot be meant."""
    document = policies.parse_policy(text)
    return policies.read_policy(document).name, document


def document_of(policy: object) -> dict[str, Any]:
    """A policy as REST shows it, in the form that people write."""
    return policies.policy_document(from_document(Ec2Policy, policy, "the policy"))


def policy_schema() -> dict[str, Any]:
    """The JSON Schema of policy documents."""
    return policies.policy_schema()


def _url(home: ServerHome) -> str:
    given = os.environ.get("HOLDFAST_SERVER")
    if given:
        return given
    connection = read_private(home.connection)
    if connection is None:
        raise UnavailableError(
            "there is no management server to ask",
            why=f"HOLDFAST_SERVER is not set, and none has been started under {home.folder.parent}",
            cure="set HOLDFAST_SERVER=https://HOST:PORT, or start one: holdfast server run",
        )
    return str(json.loads(connection)["url"])


def _token(home: ServerHome) -> str:
    given = os.environ.get("HOLDFAST_TOKEN")
    if given:
        return given.strip()
    kept = None if os.environ.get("HOLDFAST_SERVER") else read_private(home.admin_token)
    if kept is None:
        raise NotAuthenticatedError(
            "there is no token to show to the server",
            why=f"HOLDFAST_TOKEN is not set, and {home.admin_token} is not that server's",
            cure="set HOLDFAST_TOKEN; the server's start writes one into its folder, admin-token",
        )
    return kept.decode("ascii", "replace").strip()


def _certificate(home: ServerHome) -> str | None:
    """PEM; None: whatever the system trusts."""
    given = os.environ.get("HOLDFAST_SERVER_CERTIFICATE")
    if given is None and os.environ.get("HOLDFAST_SERVER"):
        return None
    path = Path(given) if given else home.certificate
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(
            f"the server's certificate {path} cannot be read",
            why=str(error),
            cure="let HOLDFAST_SERVER_CERTIFICATE name a copy of the server's tls/certificate.pem",
        ) from error
