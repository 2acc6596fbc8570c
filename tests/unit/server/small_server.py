"""A server whose records are real (SQLite in a folder) and whose world is made up: plug-in, processes, packages."""

import itertools
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from holdfast.database.connection import Database
from holdfast.database.server_records import server_records
from holdfast.domain.cloud_ledger import LedgerRow
from holdfast.domain.errors import ConflictError, HoldfastError, NotFoundError
from holdfast.domain.infrastructure import Appliance, ApplianceState
from holdfast.plugin_api import CONTRACT, Installation, InstalledThing, PluginFacts, ServerIdentity, ServiceSpec
from holdfast.protocol.appliance_answers import ChangePage
from holdfast.protocol.encoding import to_document
from holdfast.rest.tls import make_certificate
from holdfast.server.composition import Outside, compose
from holdfast.server.ports.packages import EntryPoint, Wheel
from holdfast.server.ports.surroundings import Surroundings
from holdfast.server.service import ManagementServer

START = datetime(2026, 3, 1, tzinfo=UTC)


@cache
def pem_of(name):
    """A certificate; of one name it is always the same."""
    return make_certificate(name, START)[1].decode("ascii")


class ReversingBox:
    """Seals by turning round: enough to see that nothing is kept in clear."""

    def seal(self, plain, purpose):
        return purpose.encode() + b":" + plain[::-1]

    def open(self, sealed, purpose):
        assert sealed.startswith(purpose.encode() + b":")
        return sealed[len(purpose) + 1 :][::-1]


class FakeConnection:
    """An appliance that knows repositories, tells of its changes and answers what it was told to."""

    def __init__(self, plugin, appliance):
        self.plugin, self.appliance, self.closed = plugin, appliance, False

    def send(self, method, path, document=None, query=None):
        self.plugin.asked.append((self.appliance.name, method, path, document))
        self.plugin.queries.append(query)
        if (self.appliance.name, method, path) in self.plugin.trouble_of:
            raise self.plugin.trouble_of[self.appliance.name, method, path]
        answer = self.plugin.answers.get((method, path))
        if isinstance(answer, HoldfastError):
            raise answer
        if answer is not None:
            return answer
        if path == "/changes":
            changes, after = self.plugin.changes.get(self.appliance.name, ()), int(query["after"])
            return to_document(ChangePage(tuple(one for one in changes if one.usn > after), len(changes), after))
        if method == "PUT" and path.startswith("/repositories/"):
            return document["repository"] | {"repository_id": "r" * 8}
        return {}

    def events(self, path):
        yield {"type": "session", "document": {}}

    def close(self):
        self.closed = True


class FakePlugin:
    """A plug-in that makes things in a cloud that is a set of names. `trouble`: method -> error to raise."""

    def __init__(self, name="aws", contract=CONTRACT):
        self.name, self.contract = name, contract
        self.cloud, self.trouble, self.asked, self.answers, self.calls = set(), {}, [], {}, []
        self.queries, self.trouble_of, self.changes = [], {}, {}
        self.gate, self._left = threading.Event(), []
        self.gate.set()

    def outlive(self):
        """The process that it hangs in was killed: what hangs there does so until the test is over."""
        self._left.append(self.gate)
        self.gate = threading.Event()
        self.gate.set()

    def let_go(self):
        """The test is over."""
        for gate in (*self._left, self.gate):
            gate.set()

    def _begin(self, method):
        self.calls.append(method)
        gate = self.gate
        assert gate.wait(120)
        if gate is not self.gate:
            raise ConflictError(f"{method} was never done", why="its process was killed meanwhile", cure="none")
        if method in self.trouble:
            raise self.trouble[method]

    @property
    def facts(self):
        return PluginFacts(self.name, "1.0", self.contract, "a fake", ("EC2Policy",))

    def install(self, context):
        self._begin("install")
        context.say("making the stack")
        self.cloud.add("stack")
        return Installation((InstalledThing("aws", "stack", "holdfast-1"),), {"stack": "holdfast-1"})

    def things(self, context):
        self._begin("things")
        return [InstalledThing("aws", "stack", context.settings["stack"])]

    def uninstall(self, context):
        self._begin("uninstall")
        self.cloud.discard("stack")

    def services(self, appliance):
        return (ServiceSpec("sync", ("-m", "fake.sync")),)

    def deploy(self, order, context):
        row = LedgerRow(
            context.session_id, "instance", "", "eu-west-1", context.session_id, order.name, 1, "deployment",
            context.session_id, "", START, None, None,
        )  # fmt: skip
        context.ledger.intend(row)
        self.cloud.add(order.name)
        try:
            self._begin("deploy")
        except HoldfastError:
            self.clean(context.session_id, context)
            raise
        context.ledger.created(row.id, f"i-{order.name}", START)
        return self.appliance(order.name, instance_id=f"i-{order.name}")

    def connect(self, order, context):
        self._begin("connect")
        return self.appliance(order.name)

    def accept_certificate(self, appliance, context):
        self._begin("accept_certificate")
        return replace(appliance, certificate=appliance.offered_certificate)

    def tell(self, appliance, context):
        self._begin("tell")
        self.asked.append((appliance.name, "tell", "", context.settings["stack"]))

    def disconnect(self, appliance, context, *, delete):
        self._begin("disconnect")
        if delete:
            self.cloud.discard(appliance.name)

    def clean(self, session_id, context):
        self._begin("clean")
        for row in context.ledger.open_rows(session_id=session_id):
            self.cloud.discard(row.task_id)
            context.ledger.dropped(row.id, START)

    def connection(self, appliance, context):
        return FakeConnection(self, appliance)

    def appliance(self, name, instance_id=""):
        return Appliance(
            name, self.name, f"https://{name}:11005", ApplianceState.AVAILABLE, pem_of(name),
            appliance_id=name * 2, version="0.1.0", region="eu-west-1", instance_id=instance_id,
        )  # fmt: skip


class FakePackages:
    """Distributions are entries of a dict."""

    def __init__(self):
        self.plugins, self.shelf, self.loaded, self.version = {}, {}, [], "1.0"

    def put(self, plugin, contract=CONTRACT, version="1.0"):
        def load():
            self.loaded.append(plugin.name)
            return plugin

        self.plugins[plugin.name] = EntryPoint(plugin.name, f"holdfast-{plugin.name}", version, contract, load)

    def found(self):
        return list(self.plugins.values())

    def obtain(self, name, source):
        if name not in self.shelf:
            raise NotFoundError("no wheel", why="none", cure="none")
        contract = self.shelf[name][1]
        return Wheel(
            Path(f"{name}.whl"), f"holdfast-{name}", self.version, "ab" * 32, source or "this server", {name: contract}
        )

    def holds(self, wheel):
        name = wheel.distribution.removeprefix("holdfast-")
        return name in self.plugins and self.plugins[name].version == wheel.version

    def install(self, wheel):
        name = wheel.distribution.removeprefix("holdfast-")
        plugin, contract = self.shelf[name]
        self.put(plugin, contract, wheel.version)

    def uninstall(self, distribution):
        self.plugins = {name: one for name, one in self.plugins.items() if one.distribution != distribution}
        return True


class FakeProcess:
    def __init__(self, pid, arguments):
        self.pid, self.arguments, self.status, self.stops = pid, arguments, None, 0

    def ended(self):
        return self.status

    def stop(self):
        self.stops += 1
        if self.status is None:
            self.status = -15


class FakeProcesses:
    """`trouble`: name -> what starting it raises."""

    def __init__(self):
        self.started, self.trouble = [], {}

    def start(self, name, arguments):
        if name in self.trouble:
            raise self.trouble[name]
        process = FakeProcess(100 + len(self.started), arguments)
        self.started.append(process)
        return process

    @property
    def running(self):
        return [one for one in self.started if one.status is None]


class FakeDoor:
    def __init__(self):
        self.tokens, self.forgotten = {}, []

    def arguments(self, appliance, service, token):
        self.tokens[appliance, service] = token
        return ("--appliance", appliance)

    def forget(self, appliance):
        self.forgotten.append(appliance)


class SmallServer:
    """One server over a folder; `again` is the same after its process was killed."""

    def __init__(self, folder, plugin=None, packages=None):
        self.folder = folder
        self.now, self._next = START, None
        self.plugin = plugin or FakePlugin()
        self.packages = packages or FakePackages()
        self.processes, self.door = FakeProcesses(), FakeDoor()
        self.ending = threading.Event()
        self.database = Database.open(folder / "server.sqlite", "server")
        self.records = server_records(self.database)
        counter = itertools.count(int.from_bytes(folder.name.encode()[-2:], "big"))
        lock = threading.Lock()

        def random_bytes(count):
            with lock:
                number = next(counter)
            return (number + time.monotonic_ns()).to_bytes(max(count, 9), "big")[-count:]

        self.surroundings = Surroundings(
            lambda: self.now, random_bytes, lambda seconds: self.ending.wait(min(seconds, 0.01))
        )
        identity = ServerIdentity(folder / "certificate.pem", folder / "private-key.pem", "5" * 32)
        outside = Outside(
            self.records, self.packages, self.processes, self.door, ReversingBox(), identity, folder, self.surroundings
        )
        self.parts = compose(outside)
        self.server = ManagementServer(self.parts)

    def later(self, seconds):
        self.now += timedelta(seconds=seconds)

    def with_plugin(self):
        """The plug-in is there and installed."""
        self.packages.put(self.plugin)
        self.wait(self.server.install_plugin("aws", None, {}))
        return self

    def wait(self, session, seconds=120):
        """The session when it has ended."""
        deadline = time.monotonic() + seconds
        while not (found := self.records.sessions.get(session.id)).state.final:
            assert time.monotonic() < deadline, found
            time.sleep(0.005)
        return found

    def log(self, session):
        return [line.message for line in self.server.session_log(session.id)]

    def again(self):
        """Killed: nothing was ended, its threads are of no effect any more."""
        self.ending.set()
        self._next = SmallServer(self.folder, self.plugin, self.packages)
        return self._next

    def end(self):
        """The test is over: no thread of it or of those that came after it goes on."""
        self.ending.set()
        self.plugin.let_go()
        self.parts.sessions.stop()
        if self._next is not None:
            self._next.end()


def owned_by_another():
    return ConflictError("owned by another server", why="somebody connected it elsewhere", cure="connect it again")
