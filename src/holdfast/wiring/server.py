"""`holdfast server run`: the management server put together."""

import json
import os
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

from holdfast.database.connection import Database
from holdfast.database.server_records import server_records
from holdfast.database.sole_process import sole_process
from holdfast.domain.history import SessionHistory
from holdfast.domain.identifiers import new_id
from holdfast.domain.secret_box import SecretBox
from holdfast.plugin_api import ServerIdentity
from holdfast.protocol.certificates import fingerprint_of
from holdfast.rest.listening import listening
from holdfast.rest.server_api.application import server_application
from holdfast.rest.tls import keep_certificate, server_context
from holdfast.server.composition import Outside, Parts, compose
from holdfast.server.machine.packages import InstalledPackages
from holdfast.server.machine.processes import AttachedProcesses
from holdfast.server.machine.service_files import ServiceFiles
from holdfast.server.ports.records import Records
from holdfast.server.ports.surroundings import Surroundings
from holdfast.server.service import ManagementServer
from holdfast.wiring import admin_token
from holdfast.wiring.ending import ended_by_signals
from holdfast.wiring.key_box import key_box
from holdfast.wiring.key_service import LazyKeyService
from holdfast.wiring.location_memory import home_folder
from holdfast.wiring.private_files import private_folder, sole_user, write_private
from holdfast.wiring.server_home import SERVER_ID, ServerHome

Announce = Callable[[dict[str, str]], None]


def run(
    listen: str, database_url: str | None, kms_key: str | None, history: SessionHistory, announce: Announce
) -> None:
    """Run the server until a signal ends it; `announce` is handed its address and where its token lies.

    Raises ConflictError for a second server on one home or database, or an address in use.
    """
    home = ServerHome(home_folder())
    private_folder(home.home)
    private_folder(home.folder)
    with (
        sole_user(home.folder, "a management server"),
        ended_by_signals() as ended,
        sole_process(database_url or home.database, "server", ended.set),
        closing(Database.open(database_url or home.database, "server")) as database,
    ):
        records = server_records(database)
        place = _Place()
        box = key_box(home.key, kms_key, LazyKeyService())
        parts, server = _composed(home, records, box, ended, place, history)
        key_path, certificate_path = home.tls / "private-key.pem", home.certificate
        server.prepare()
        with listening(server_application(server).asgi, listen, server_context(key_path, certificate_path)) as address:
            place.url = f"https://{_reachable(address)}"
            facts = _first_words(home, parts, place.url)
            server.start()
            try:
                announce(facts)
                ended.wait()
            finally:
                server.stop()


class _Place:
    """Where the server answers: known once it does."""

    url = ""


def _composed(
    home: ServerHome,
    records: Records,
    box: SecretBox,
    ended: threading.Event,
    place: _Place,
    history: SessionHistory,
) -> tuple[Parts, ManagementServer]:
    now = _now()
    server_id = records.settings.get(SERVER_ID)
    if server_id is None:
        server_id = new_id(os.urandom(16))
        records.settings.put(SERVER_ID, server_id)
    key_path, certificate_path = keep_certificate(home.tls, f"holdfast server {server_id[:12]}", now)
    identity = ServerIdentity(certificate_path, key_path, server_id)
    packages = InstalledPackages(private_folder(home.plugins))
    parts = compose(
        Outside(
            records=records,
            packages=packages,
            processes=AttachedProcesses(home.logs, packages.paths),
            door=ServiceFiles(home.services, lambda: place.url, certificate_path, identity, write_private),
            box=box,
            identity=identity,
            plugin_folder=home.plugins,
            surroundings=Surroundings(_now, os.urandom, ended.wait),
            history=history,
        )
    )
    return parts, ManagementServer(parts)


def _first_words(home: ServerHome, parts: Parts, url: str) -> dict[str, str]:
    """What a person, and commands on this machine, need to know; the administrator's token is there."""
    admin_token.keep(home, parts.tokens)
    fingerprint = fingerprint_of(home.certificate.read_text(encoding="ascii"))
    write_private(home.connection, json.dumps({"url": url, "certificate_sha256": fingerprint}).encode())
    return {
        "url": url,
        "certificate_sha256": fingerprint,
        "token_file": str(home.admin_token),
        "home": str(home.home),
    }


def _reachable(address: str) -> str:
    """An address that this machine can ask, where the server answers on all of them."""
    host, _, port = address.rpartition(":")
    everywhere = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - replaced, not listened on
    return f"{everywhere.get(host, host)}:{port}"


def _now() -> datetime:
    return datetime.now(UTC)
