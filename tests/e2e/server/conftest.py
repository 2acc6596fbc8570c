"""A lab, the plug-in's way to it, and a server's identity with a context for each call."""

import hashlib
import json
import os
import site
import subprocess
import sys
import threading
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from holdfast.aws.bundle.building import Bundle
from holdfast.aws.clients import PatientClient
from holdfast.domain.errors import HoldfastError
from holdfast.patience import Waiting
from holdfast.plugin_api import PluginContext, ServerIdentity
from holdfast.protocol.appliance_answers import API_VERSION, ApplianceFacts
from holdfast.protocol.encoding import to_document
from holdfast.repository.stores.s3.session import AwsSession
from holdfast.rest.tls import keep_certificate
from holdfast_aws.cloud import Cloud
from holdfast_aws.doors import Doors
from holdfast_aws.plugin import AwsPlugin
from tests.labs import start_lab
from tests.unit.aws.memory_ledger import MemoryLedger

ROOT = Path(__file__).resolve().parents[3]
REGION = "eu-west-1"
SERVER_ID = "5e" * 16

# Minutes of boots; the demo goes the same way.
collect_ignore = [] if os.environ.get("PRODUCT") == "whole" else ["test_whole_deployment.py"]


@pytest.fixture(scope="module")
def lab():
    with start_lab(faults="quota=off,pending=100ms,iam=50ms,boot=never") as running:
        yield running


@pytest.fixture
def endpoint(lab, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", lab.endpoint)
    return lab.endpoint


@pytest.fixture
def client(endpoint):
    """A boto client of the lab, to look with."""
    return lambda service: AwsSession(REGION).client(service)


class Failing:
    """A client of the lab, all whose calls are counted by the world; one may be refused, or its answer be lost."""

    def __init__(self, client, world):
        self._client, self._world = client, world

    def __getattr__(self, name):
        return getattr(self._client, name)

    def call(self, operation, resource, **parameters):
        return self._world.made(operation, lambda: self._client.call(operation, resource, **parameters))

    def try_call(self, operation, resource, **parameters):
        return self._world.made(operation, lambda: self._client.try_call(operation, resource, **parameters))

    def try_call_on_new(self, operation, resource, **parameters):
        return self._world.made(operation, lambda: self._client.try_call_on_new(operation, resource, **parameters))


class FakeDoor:
    """A connection to an appliance that is not there: answers are given beforehand."""

    def __init__(self, doors, url, certificate):
        self.doors, self.url, self.certificate = doors, url, certificate

    def send(self, method, path, document=None, query=None):
        self.doors.asked.append((method, path, document))
        answer = self.doors.answers.get((method, path))
        if isinstance(answer, HoldfastError):
            raise answer
        return answer

    def close(self):
        self.doors.closed += 1


class FakeDoors:
    """Ways to appliances, made up."""

    def __init__(self):
        self.asked, self.opened, self.closed = [], [], 0
        facts = ApplianceFacts("a9" * 16, "0.1.0", API_VERSION, 0, REGION, "123456789012", True)
        self.answers = {("GET", "/appliance"): to_document(facts)}
        self.doors = Doors(self._appliance, self._none, self._none, self._none)

    def _appliance(self, url, certificate, identity):
        self.opened.append((url, certificate))
        return FakeDoor(self, url, certificate)

    @staticmethod
    def _none(*words):
        raise AssertionError(words)


def small_bundle(kind, folder, told):
    """A bundle that nothing could boot from."""
    path = folder / f"{kind}.tar.gz"
    path.write_bytes(kind.encode() * 1000)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Bundle(path, sha256, path.stat().st_size, "cp311", "x86_64", "0.1.0", kind)


class World:
    """The plug-in's cloud, and what the server hands to its calls."""

    def __init__(self, folder: Path) -> None:
        self.trouble: dict[str, HoldfastError] = {}
        self.calls: list[str] = []
        self.said: list[str] = []
        self._failure: tuple[int | None, Any, bool] = (None, None, False)
        self.ledger = MemoryLedger()
        self.settings: dict[str, str] = {}
        self.session = os.urandom(16).hex()
        self.cancel = threading.Event()
        key, certificate = keep_certificate(folder / "tls", "a server", datetime.now(UTC))
        self.identity = ServerIdentity(certificate, key, SERVER_ID)
        self.folder = folder
        self.doors = FakeDoors()
        quick = Waiting(sleep=lambda seconds: time.sleep(min(seconds, 0.1)))
        self.cloud = Cloud(self._client, lambda: datetime.now(UTC), quick, small_bundle)
        self.plugin = AwsPlugin(self.cloud, self.doors.doors)

    def _client(self, service, region):
        return Failing(PatientClient(AwsSession(region or REGION), service), self)

    def fail_at(self, number, error=None, *, lost=False):
        """The call with that number, from now on, fails; `lost`: it is made, and its answer does not come."""
        self.calls.clear()
        self._failure = (number, error, lost)

    def made(self, operation, call):
        """Make it, or not. What is asked again and again until it is so counts once: how often hangs on time."""
        number, error, lost = self._failure
        if self.calls[-1:] != [operation]:
            self.calls.append(operation)
        if len(self.calls) - 1 == number:
            self._failure = (None, None, False)
            if lost:
                call()
            raise error
        if operation in self.trouble:
            raise self.trouble[operation]
        return call()

    def context(self, session_id="a1" * 16, **options):
        return PluginContext(
            self.identity,
            self.ledger,
            self.said.append,
            self.cancel.is_set,
            session_id,
            self.folder,
            self.settings,
            {name.replace("_", "-"): value for name, value in options.items()},
        )


@pytest.fixture
def world(tmp_path, endpoint):
    return World(tmp_path)


@pytest.fixture
def census(endpoint):
    """What exists in the lab now, but what was there always."""

    def count():
        with urllib.request.urlopen(f"{endpoint}/_lab/census") as answer:
            accounts = json.load(answer)
        return {f"{kind}": found for account in accounts.values() for kind, found in account.items() if found}

    return count


@pytest.fixture(scope="session")
def python(tmp_path_factory):
    """A virtual environment that sees what this one has, and has nothing itself."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    own = next(folder.glob("lib/python*/site-packages"))
    lines = [f"import site; site.addsitedir({place!r})" for place in site.getsitepackages()]
    (own / "tests.pth").write_text("\n".join([*lines, str(ROOT), ""]))
    return folder / "bin" / "python"
