"""A site: a lab, a management server and appliances as processes of their own, and a person who types commands."""

import ctypes
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from holdfast.lab.actors import REGION, Administrator, credentials
from holdfast.lab.listening import port_for_later
from holdfast.rest.client.server import HoldfastClient
from tests.e2e.program import PROGRAM, Outcome, run_here
from tests.labs import start_lab

HURRIED = [sys.executable, "-m", "tests.e2e.product.hurried_appliance"]
ROOT = Path(__file__).resolve().parents[3]
STOP_SECONDS = 120
BLOCK_BYTES = 512 * 1024
PR_SET_PDEATHSIG = 1
WHOLE = os.environ.get("PRODUCT") == "whole"
FAULTS = "quota=off,pending=50ms,iam=50ms"


def _end_with_parent() -> None:
    """Also where nothing of the tests is left to end it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Process:
    """A program that says where it answers, as one document, and runs until it is ended."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=ROOT,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - no thread of the tests holds a lock in between
            )
        text = ""
        for line in self._process.stdout or ():
            text += line
            if line.rstrip().endswith("}"):
                break
        assert text, self.words()
        self.facts: dict[str, str] = json.loads(text)

    @property
    def pid(self) -> int:
        return self._process.pid

    def words(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def end(self) -> None:
        """As a person ends it. Safe to call twice."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@dataclass
class Appliance:
    """One that was started by hand, with everything it keeps in `home`."""

    process: Process
    home: Path

    @property
    def url(self) -> str:
        return self.process.facts["url"]

    @property
    def fingerprint(self) -> str:
        return self.process.facts["certificate_sha256"]

    @property
    def code_file(self) -> str:
        return self.process.facts["enrolment_code_file"]


class Site:
    """Everything that runs is ended by `close`. What appears in the lab is seen by `census`."""

    def __init__(self, folder: Path, faults: str = FAULTS) -> None:
        self.folder = folder
        self.lab = start_lab(faults=faults)
        self.environment = {**os.environ, **credentials(self.lab.endpoint), "HOLDFAST_HOME": str(folder / "home")}
        self.environment["HOLDFAST_PASSWORD_FILE"] = str(folder / "password")
        (folder / "password").write_text("correct horse battery staple\n")
        self.region = REGION
        self.people = Administrator(self.lab.endpoint, folder)
        self.server: Process | None = None
        self.appliance: Appliance | None = None
        self._running: list[Process] = []
        self._client: HoldfastClient | None = None
        # The instance that a module protects, where it has one.
        self.instance = ""

    # ---------------------------------------------------------------------------------------------------- processes

    def start_server(self, home: Path | None = None) -> Process:
        """A server on a free port; without `home` the one that commands speak to."""
        environment = self.environment if home is None else {**self.environment, "HOLDFAST_HOME": str(home)}
        words = ["server", "run", "--listen", "127.0.0.1:0", "--output", "json"]
        process = self._started([*PROGRAM, *words], environment, "server.log")
        if home is None:
            self.server = process
        return process

    def start_appliance(self, name: str, listen: str = "", **patience: float) -> Appliance:
        """An appliance in a hurry, started by hand."""
        home = self.folder / name
        words = [str(home), listen or _address(), *(f"{key}={value}" for key, value in patience.items())]
        return Appliance(self._started([*HURRIED, *words], self.environment, f"{name}.log"), home)

    def run_appliance(self, name: str, listen: str = "", *more: str) -> Appliance:
        """The same by the command that people use."""
        home = self.folder / name
        words = ["appliance", "run", "--home", str(home), "--listen", listen or _address(), "--output", "json", *more]
        return Appliance(self._started([*PROGRAM, *words], self.environment, f"{name}.log"), home)

    def _started(self, command: list[str], environment: Mapping[str, str], log: str) -> Process:
        process = Process(command, environment, self.folder / log)
        self._running.append(process)
        return process

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        for process in reversed(self._running):
            process.end()
        self.lab.stop()

    # ----------------------------------------------------------------------------------------------------- a person

    def type(self, *words: object, home: Path | None = None) -> Outcome:
        """A command, and what came of it."""
        environment = self.environment if home is None else {**self.environment, "HOLDFAST_HOME": str(home)}
        arguments = [*map(str, words), "--output", "json"]
        if not WHOLE:
            return run_here(arguments, environment, self.folder)
        command = [*PROGRAM, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, timeout=600, check=False, cwd=self.folder)
        return Outcome(done.returncode, done.stdout, done.stderr.decode())

    def do(self, *words: object, status: int = 0, home: Path | None = None) -> Any:
        """The document of a command that ends with `status`."""
        done = self.type(*words, home=home)
        assert done.status == status, (words, done.status, done.err, done.out.decode())
        return done.document

    def refused(self, *words: object, status: int, home: Path | None = None) -> str:
        """What a command says that is refused: what, why and cure, and nothing else."""
        return self.type(*words, home=home).failed(status)

    def ask(self, method: str, path: str, document: object = None, **query: str) -> Any:
        """The same as a command asks, without the second that a command costs."""
        return self.client.send(method, path, document, query)

    @property
    def client(self) -> HoldfastClient:
        if self._client is None:
            home = self.folder / "home" / "server"
            token = (home / "admin-token").read_text().strip()
            certificate = (home / "tls" / "certificate.pem").read_text()
            assert self.server is not None
            self._client = HoldfastClient(self.server.facts["url"], token, certificate)
        return self._client

    def run(self, policy: str, **order: Any) -> Any:
        """Run a policy to its end; the session's detail."""
        return self.ended(self.ask("POST", f"/policies/{policy}/run", {"targets": [], **order}))

    def ended(self, session: Any, seconds: float = 300) -> Any:
        """The session's detail once it has ended."""

        def detail() -> Any:
            found = self.ask("GET", f"/sessions/{session['id']}")
            return found if found["session"]["ended_at"] else None

        return self.until(detail, seconds)

    def until(self, condition: Callable[[], Any], seconds: float = 180) -> Any:
        deadline_seconds = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline_seconds, "it did not come to that"
            time.sleep(0.1)
        return found

    def apply(self, name: str, status: int = 0, dry_run: bool = False, **spec: Any) -> Any:
        """Apply a policy of this name."""
        words = ["policy", "apply", "-f", self.policy(name, **spec), *(["--dry-run"] if dry_run else [])]
        return self.do(*words, status=status)

    def policy(self, name: str, **spec: Any) -> Path:
        """A policy's document, as a file."""
        whole = {"account": "own", "regions": [REGION], "worker": {"mode": "local"}, **spec}
        document = {"apiVersion": "holdfast/v1", "kind": "EC2Policy", "metadata": {"name": name}, "spec": whole}
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(document))
        return path

    def connect(self, name: str, appliance: Appliance, home: Path | None = None) -> Any:
        """Take it on."""
        words = ("--url", appliance.url, "--fingerprint", appliance.fingerprint, "--code-file", appliance.code_file)
        return self.do("appliance", "connect", name, *words, home=home)

    # ------------------------------------------------------------------------------------------------------ the lab

    def aws(self, service: str) -> Any:
        """A client of the account's owner."""
        return boto3.client(
            service,
            endpoint_url=self.lab.endpoint,
            region_name=REGION,
            aws_access_key_id="demo",
            aws_secret_access_key="demo",
        )

    def content(self, instance: str) -> dict[str, str]:
        """Device -> a hash of what its disk holds, whatever of it are holes."""
        return {device: content_of(path) for device, path in self.people.disks(instance).items()}

    def volume_content(self, volume: str) -> str:
        """The same of one volume."""
        return content_of(Path(self.lab_route("GET", f"volumes/{volume}")["path"]))

    def census(self) -> dict[str, list[str]]:
        """What exists now in all accounts, by kind; buckets are left out."""
        found: dict[str, list[str]] = {}
        for account in self.lab_route("GET", "census").values():
            for kind, ids in account.items():
                if ids and kind != "buckets":
                    found.setdefault(kind, []).extend(ids)
        return {kind: sorted(ids) for kind, ids in found.items()}

    def lab_states(self) -> set[str]:
        """The states that instances are in."""
        reservations = self.aws("ec2").describe_instances()["Reservations"]
        return {one["State"]["Name"] for reservation in reservations for one in reservation["Instances"]}

    def temporary(self, session: str) -> dict[str, int]:
        """What the appliance made for a session and removed: kind -> how many, by its ledger."""
        assert self.appliance is not None
        path = self.appliance.home / "appliance" / "appliance.sqlite"
        statement = (
            "SELECT kind, count(*) FROM (SELECT kind, object_id FROM cloud_ledger WHERE session_id = ? "
            "GROUP BY kind, object_id HAVING count(*) = count(gone_at)) GROUP BY kind"
        )
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return dict(database.execute(statement, (session,)).fetchall())

    def lab_route(self, method: str, path: str, document: object = None) -> Any:
        """One of the lab's own routes."""
        data = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.lab.endpoint}/_lab/{path}", data, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)


def _address() -> str:
    """Where an appliance answers that may be started again there."""
    return f"127.0.0.1:{port_for_later()}"


def content_of(path: Path) -> str:
    """Of the blocks that are not zeros, with where they are: a disk of 8 GiB with little in it is read in a moment."""
    digest = hashlib.sha256()
    with path.open("rb") as disk:
        end = disk.seek(0, os.SEEK_END)
        digest.update(b"%d" % end)
        place = 0
        while place < end:
            try:
                place = disk.seek(place, os.SEEK_DATA) // BLOCK_BYTES * BLOCK_BYTES
            except OSError:
                break  # nothing but a hole follows
            disk.seek(place)
            block = disk.read(BLOCK_BYTES)
            if any(block):
                digest.update(b"@%d" % place + block)
            place += BLOCK_BYTES
    return digest.hexdigest()


def workers_of(pid: int) -> list[int]:
    """Workers that are processes of the appliance with that id."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == pid and b"worker" in words:
            found.append(int(folder.name))
    return found


def changed(before: Mapping[str, list[str]], after: Mapping[str, list[str]]) -> dict[str, tuple[int, int]]:
    """Kind -> (how many came, how many went)."""
    kinds = sorted({*before, *after})
    pairs = {kind: (set(before.get(kind, ())), set(after.get(kind, ()))) for kind in kinds}
    return {kind: (len(now - then), len(then - now)) for kind, (then, now) in pairs.items() if now != then}
