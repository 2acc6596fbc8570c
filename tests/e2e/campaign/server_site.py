"""A management server behind a killing proxy: it installs its plug-in, deploys an appliance, and takes both away."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.domain.errors import UnavailableError
from holdfast.lab.listening import port_for_later
from holdfast.rest.client.server import HoldfastClient
from tests.e2e.campaign.proxy import KillingProxy
from tests.e2e.lab.account import Account
from tests.labs import start_lab

FINAL = ("succeeded", "warning", "failed", "cancelled")
OPTIONS = {"reach-at": "127.0.0.1", "region": "us-east-1"}
_START_SECONDS, _END_SECONDS = 180, 600


@dataclass
class ServerSite:
    """The server's process, and a person's client of it."""

    account: Account
    proxy: KillingProxy
    folder: Path

    def __post_init__(self) -> None:
        self.port, self.appliance_port = port_for_later(), port_for_later()
        self.start()
        home = self.folder / "home" / "server"
        certificate = (home / "tls" / "certificate.pem").read_text()
        token = (home / "admin-token").read_text().strip()
        self.client = HoldfastClient(f"https://127.0.0.1:{self.port}", token, certificate)

    def start(self) -> None:
        environment = os.environ | {"AWS_ENDPOINT_URL": self.proxy.endpoint, "HOLDFAST_HOME": str(self.folder / "home")}
        words = ("server", "run", "--listen", f"127.0.0.1:{self.port}", "--output", "json")
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "holdfast.cli.main", *words],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        line = self.process.stdout.readline() if self.process.stdout else ""
        assert line, (self.folder / "server.log").read_text()[-3000:]

    def kill(self) -> bool:
        self.process.kill()
        self.process.wait()
        return True

    def revive(self) -> None:
        """Start the server again, without a trap."""
        self.process.wait()
        self.proxy.begin()
        self.start()

    def close(self) -> None:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        if self.process.stdout:
            self.process.stdout.close()

    def send(self, method: str, path: str, body: object = None, query: dict[str, str] | None = None) -> Any:
        """Ask again while the server is not there; one that was killed is started again."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                return self.client.send(method, path, body, query)
            except UnavailableError:
                assert time.monotonic() < deadline
                if self.process.poll() is not None:
                    self.revive()
                time.sleep(0.1)

    def ended(self, ask: tuple[str, str, object, dict[str, str] | None]) -> dict[str, Any]:
        """The session that this request starts, when it has ended."""
        session_id = self.client.send(*ask)["id"]
        deadline = time.monotonic() + _END_SECONDS
        while True:
            session: dict[str, Any] = self.send("GET", f"/sessions/{session_id}")["session"]
            if session["state"] in FINAL:
                return session
            assert time.monotonic() < deadline, (session, self.told(session_id))
            time.sleep(0.2)

    def told(self, session_id: str) -> list[str]:
        return [line["message"] for line in self.send("GET", f"/sessions/{session_id}/log")]

    def install(self) -> dict[str, Any]:
        return self.ended(("POST", "/plugins/aws/install", {"options": OPTIONS}, None))

    def deploy(self) -> dict[str, Any]:
        order = {"name": "north", "allowed_sources": ["127.0.0.1/32"], "port": self.appliance_port}
        return self.ended(("POST", "/appliances/deploy", order, None))

    def remove_appliance(self) -> dict[str, Any]:
        return self.ended(("DELETE", "/appliances/north", None, {"delete": "true"}))

    def remove_plugin(self) -> dict[str, Any]:
        return self.ended(("DELETE", "/plugins/aws", None, None))

    def appliances(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.send("GET", "/appliances")
        return found

    def installed(self) -> bool:
        return any(one["name"] == "aws" and one["state"] == "installed" for one in self.send("GET", "/plugins"))

    def service(self) -> dict[str, Any]:
        """The sync service of the one appliance."""
        plugin = next(one for one in self.send("GET", "/plugins") if one["name"] == "aws")
        found: dict[str, Any] = plugin["services"][0]
        return found

    def census(self) -> dict[str, Any]:
        """What is there at all; versions of objects that were replaced are in no census, and counted here."""
        return {
            kind: found for account in self.account.lab("census").values() for kind, found in account.items() if found
        }


@contextmanager
def running_server_site(folder: Path) -> Iterator[ServerSite]:
    with start_lab(folder / "lab", "quota=off,pending=50ms,iam=20ms") as lab:
        proxy = KillingProxy(lab.endpoint)
        try:
            site = ServerSite(Account(lab.endpoint), proxy, folder)
            try:
                yield site
            finally:
                site.close()
        finally:
            proxy.close()
