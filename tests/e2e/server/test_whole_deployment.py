"""Everything real but AWS: a server, its commands, the plug-in of this checkout, an appliance that boots in the lab."""

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from holdfast.lab.listening import port_for_later
from holdfast.protocol.certificates import fingerprint_of
from holdfast.server.machine.packages import shipped
from tests.labs import start_lab


class Site:
    """A lab, a server, and commands on the server's machine."""

    def __init__(self, python, folder, lab):
        self.lab, self.folder = lab, folder
        self.program = [str(python), "-m", "holdfast.cli.main"]
        self.environment = os.environ | {"AWS_ENDPOINT_URL": lab.endpoint, "HOLDFAST_HOME": str(folder / "home")}
        self.port = port_for_later()
        self.server: Any = None

    def start(self):
        command = [*self.program, "server", "run", "--listen", "127.0.0.1:0", "--output", "json"]
        with open(self.folder / "server.log", "ab") as log:
            self.server = subprocess.Popen(command, env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.server.stdout.readline()
        assert line, (self.folder / "server.log").read_text()

    def run(self, *words, status=0):
        command = [*self.program, *words, "--output", "json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == status, (words, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout else None

    def appliance(self):
        return self.run("appliance", "list")["appliances"][0]

    def until(self, condition, seconds=240):
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, self.appliance()
            time.sleep(0.5)
        return found

    def census(self):
        with urllib.request.urlopen(f"{self.lab.endpoint}/_lab/census") as answer:
            accounts = json.load(answer)
        return {kind: found for account in accounts.values() for kind, found in account.items() if found}

    def kill(self):
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()

    def deploy(self):
        words = ["--allow", "127.0.0.1/32", "--port", str(self.port)]
        return self.run("appliance", "deploy", "north", *words)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """What the plug-in can make again; made once for both tests."""
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture
def place(python, tmp_path, bundles):
    plugins = tmp_path / "home" / "server" / "plugins"
    plugins.mkdir(parents=True)
    (plugins / "aws").symlink_to(bundles)
    with start_lab(tmp_path / "lab", "quota=off,pending=100ms") as lab:
        made = Site(python, tmp_path, lab)
        made.start()
        yield made
        made.server.send_signal(signal.SIGTERM)
        assert made.server.wait(60) == 0
        made.server.stdout.close()


def test_from_nothing_to_an_appliance_and_back(place):
    place.run("policy", "list", status=4)
    options = ["--set", "reach-at=127.0.0.1", "--set", "region=us-east-1", "--set", "repositories=backups"]
    place.run("plugin", "install", "aws", "--from", str(shipped("aws")), *options)
    place.deploy()

    appliance = place.appliance()
    assert (appliance["state"], appliance["url"]) == ("available", f"https://127.0.0.1:{place.port}")
    place.until(lambda: place.appliance()["synced_at"])

    # The service is killed, then the server: both are there again, and nothing was deployed twice.
    def service():
        plugin = next(one for one in place.run("plugin", "list")["plugins"] if one["name"] == "aws")
        return plugin["services"][0]

    first = service()
    os.kill(first["pid"], signal.SIGKILL)
    place.until(lambda: (service()["pid"] or first["pid"]) != first["pid"])
    second = service()["pid"]
    place.kill()
    place.until(lambda: not Path(f"/proc/{second}").exists())
    place.start()
    place.until(lambda: service()["state"] == "running")
    synced = place.appliance()["synced_at"]
    place.until(lambda: place.appliance()["synced_at"] > synced)
    assert len(place.census()["instances"]) == 1

    # Another certificate: nothing is sent to it until a person says that it is right.
    home = next((place.folder / "lab").rglob("appliance/appliance/tls"))
    pinned = appliance["certificate"]
    shutil.rmtree(home)
    os.kill(_listening(place.port), signal.SIGTERM)
    place.until(lambda: place.appliance()["state"] == "certificate-changed")
    place.run("policy", "list", status=5)
    offered = fingerprint_of(place.appliance()["offered_certificate"])
    place.run("appliance", "accept-certificate", "north", "--fingerprint", offered)
    place.until(lambda: place.appliance()["state"] == "available")
    assert place.appliance()["certificate"] != pinned
    place.run("policy", "list")

    place.run("appliance", "remove", "north", "--delete", "--yes")
    place.run("plugin", "remove", "aws", "--yes")
    assert place.census() == {}


def test_a_server_that_is_killed_while_it_deploys_leaves_nothing(place):
    options = ["--set", "reach-at=127.0.0.1", "--set", "region=us-east-1"]
    place.run("plugin", "install", "aws", "--from", str(shipped("aws")), *options)
    words = ["--allow", "127.0.0.1/32", "--port", str(place.port), "--no-wait"]
    session = place.run("appliance", "deploy", "north", *words)
    place.until(lambda: place.census().get("instances"))
    place.kill()
    place.start()
    identifier = session.get("id") or session["session"]["id"]
    place.until(lambda: place.run("session", "show", identifier)["session"]["state"] == "failed")
    assert place.run("appliance", "list")["appliances"] == []
    found = place.census()
    assert not {"instances", "security_groups", "network_interfaces", "volumes"} & set(found), found
    place.run("plugin", "remove", "aws", "--yes")


def _listening(port):
    """The process that listens at a port of this machine."""
    inode = None
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{port:04X}") and fields[3] == "0A":
            inode = fields[9]
    for folder in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(os.readlink(one) == f"socket:[{inode}]" for one in folder.iterdir()):
                return int(folder.parent.name)
        except OSError:
            continue
    raise AssertionError(f"nobody listens at {port}")
