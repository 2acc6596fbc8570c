"""A program: a management server without REST over a folder, told what to do by lines of JSON, answering in lines.

It runs in a virtual environment of its own, so that what it installs is installed nowhere else.
"""

import json
import os
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from holdfast.database.connection import Database
from holdfast.database.server_records import server_records
from holdfast.domain.errors import HoldfastError
from holdfast.plugin_api import DeployOrder, ServerIdentity
from holdfast.protocol.encoding import to_document
from holdfast.server.composition import Outside, compose
from holdfast.server.machine.packages import InstalledPackages
from holdfast.server.machine.processes import AttachedProcesses
from holdfast.server.machine.service_files import ServiceFiles
from holdfast.server.ports.surroundings import Surroundings
from holdfast.server.service import ManagementServer
from holdfast.wiring.key_box import key_box
from holdfast.wiring.key_service import LazyKeyService
from holdfast.wiring.private_files import write_private


def made(folder):
    ending = threading.Event()
    identity = ServerIdentity(folder / "certificate.pem", folder / "key.pem", "5" * 32)
    door = ServiceFiles(
        folder / "services", lambda: "https://127.0.0.1:1", identity.certificate, identity, write_private
    )
    packages = InstalledPackages(folder / "wheels")
    outside = Outside(
        server_records(Database.open(folder / "server.sqlite", "server")),
        packages,
        AttachedProcesses(folder / "logs", packages.paths),
        door,
        key_box(folder / "box.key", None, LazyKeyService()),
        identity,
        folder,
        Surroundings(lambda: datetime.now(UTC), os.urandom, ending.wait),
    )
    return ManagementServer(compose(outside))


def ended(server, session):
    while not (detail := server.get_session(session.id)[1]).session.state.final:
        time.sleep(0.01)
    return to_document(detail.session) | {"log": [line.message for line in server.session_log(session.id)]}


def answer(server, verb, words):
    match verb:
        case "install":
            return ended(server, server.install_plugin(words["name"], words.get("source"), words.get("options", {})))
        case "remove":
            return ended(server, server.remove_plugin(words["name"]))
        case "plugins":
            return [to_document(report) for report in server.list_plugins()]
        case "deploy":
            return ended(server, server.deploy_appliance(DeployOrder(words["name"]), plugin=words["plugin"]))
        case "undeploy":
            return ended(server, server.remove_appliance(words["name"], delete=True))
        case "ask":
            return server.ask_appliance(None, "GET", "/appliance")
    raise AssertionError(verb)


def main():
    server = made(Path(sys.argv[1]))
    server.prepare()
    server.start()
    for line in sys.stdin:
        verb, words = json.loads(line)
        try:
            told = answer(server, verb, words)
        except HoldfastError as error:
            told = {"code": error.code, "what": error.what, "why": error.why, "cure": error.cure}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
    server.stop()


if __name__ == "__main__":
    main()
