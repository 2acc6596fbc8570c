"""A server as a process: plug-ins come while it runs, services are kept running, and end with it however it ends."""

import hashlib
import json
import os
import signal
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from holdfast.server.machine.packages import shipped
from tests.e2e.lab.fleet import alive

ROOT = Path(__file__).resolve().parents[3]
TIN = Path(__file__).with_name("tin_plugin")


class OwnServer:
    """The program, running."""

    def __init__(self, python, folder):
        self._command = [python, "-m", "tests.e2e.server.own_server", folder]
        self.folder = folder
        self.process: Any = None

    def start(self):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        self.process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
        )
        return self

    def ask(self, verb, **words):
        self.process.stdin.write(json.dumps([verb, words]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the server ended"
        return json.loads(line)

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0
        self.process.stdout.close()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def service(self):
        return next(report for report in self.ask("plugins") if report["name"] == "tin")["services"][0]


@pytest.fixture
def server(python, tmp_path):
    running = OwnServer(python, tmp_path / "home").start()
    yield running
    if running.process.poll() is None:
        if any(report["state"] == "installed" for report in running.ask("plugins")):
            running.ask("undeploy", name="t")
            running.ask("remove", name="tin")
        running.end()


@pytest.fixture
def with_tin(server, tmp_path):
    done = server.ask("install", name="tin", source=str(TIN), options={"place": str(tmp_path / "cloud")})
    assert done["state"] == "succeeded", done
    return server


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
    return found


def test_a_plugin_comes_from_a_folder_and_goes_again(with_tin, tmp_path):
    report = next(one for one in with_tin.ask("plugins") if one["name"] == "tin")
    assert (report["state"], report["version"], report["contract"]) == ("installed", "1.2", 1)
    assert report["things"][0]["name"] == str(tmp_path / "cloud")
    own = with_tin.folder / "wheels" / "installed"
    assert [place.name for place in own.iterdir()] == ["holdfast-tin"]
    wheel = next((with_tin.folder / "wheels").glob("holdfast_tin-1.2-*.whl"))
    assert with_tin.ask("remove", name="tin")["state"] == "succeeded"
    assert "tin" not in [one["name"] for one in with_tin.ask("plugins")]
    assert list(own.iterdir()) == []
    assert not (tmp_path / "cloud").exists()
    again = with_tin.ask("install", name="tin", source=str(wheel), options={"place": str(tmp_path / "other")})
    checksum = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert again["log"][0] == f"holdfast-tin 1.2 from {wheel}, SHA-256 {checksum}"
    assert (tmp_path / "other").exists()


def test_two_servers_of_one_environment_have_each_their_own_plugins(with_tin, python, tmp_path):
    other = OwnServer(python, tmp_path / "other-home").start()
    assert "tin" not in [one["name"] for one in other.ask("plugins")]
    done = other.ask("install", name="tin", source=str(TIN), options={"place": str(tmp_path / "other-cloud")})
    assert done["state"] == "succeeded"
    assert other.ask("deploy", name="t", plugin="tin")["state"] == "succeeded"
    until(lambda: other.service()["pid"])
    other.ask("undeploy", name="t")
    assert other.ask("remove", name="tin")["state"] == "succeeded"
    other.end()
    assert next(one for one in with_tin.ask("plugins") if one["name"] == "tin")["state"] == "installed"


def test_what_the_environment_brings_is_taken_as_it_is_and_stays(with_tin, python, tmp_path):
    """A server that is restarted finds its own first; when that goes, the environment's is there."""
    wheel = next((with_tin.folder / "wheels").glob("holdfast_tin-1.2-*.whl"))
    pip = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True)
    try:
        with_tin.end()
        with_tin.start()
        done = with_tin.ask("remove", name="tin")
        assert done["log"][-1] == "distribution holdfast-tin 1.2 is removed from this server"
        again = with_tin.ask("install", name="tin", source=str(wheel), options={"place": str(tmp_path / "cloud")})
        assert again["log"][0] == "distribution holdfast-tin 1.2 is installed already"
        assert list((with_tin.folder / "wheels" / "installed").iterdir()) == []
        done = with_tin.ask("remove", name="tin")
        assert done["log"][-1].startswith("distribution holdfast-tin 1.2 stays")
    finally:
        subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "holdfast-tin"], check=True)


def test_a_bare_name_is_looked_up_nowhere(server):
    for source in ("holdfast-tin", "https://example.org/holdfast_tin-1.2-py3-none-any.whl", "http://example.org/x.whl"):
        done = server.ask("install", name="tin", source=source)
        assert (done["state"], done["error"]["code"]) == ("failed", "usage")
    done = server.ask("install", name="unheard-of")
    assert done["error"]["code"] == "not-found"


def test_a_wheel_made_for_another_contract_is_refused_unopened(server, python, tmp_path):
    mark = tmp_path / "loaded"
    wheel = tmp_path / "holdfast_other-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("holdfast_other.py", f"open({str(mark)!r}, 'w').close()\n")
        about = "holdfast_other-1.dist-info"
        file.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: holdfast-other\nVersion: 1\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/entry_points.txt", "[holdfast.plugins.v2]\nother = holdfast_other:PLUGIN\n")
        file.writestr(f"{about}/RECORD", "")
    done = server.ask("install", name="other", source=str(wheel))
    assert done["error"]["code"] == "plugin-contract"
    pip = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, wheel], check=True)
    report = next(one for one in server.ask("plugins") if one["name"] == "other")
    assert (report["state"], report["contract"]) == ("refused", 2)
    assert not mark.exists()
    subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "holdfast-other"], check=True)


def test_the_shipped_plugin_is_made_and_found(server):
    """Its stack is not: there is no cloud here. What is brought stays for another try."""
    place = str(shipped("aws"))
    done = server.ask("install", name="aws", source=place, options={"colour": "red"})
    assert "holdfast-aws 0.1.0" in done["log"][0]
    assert (done["state"], done["error"]["code"]) == ("failed", "usage")
    report = next(one for one in server.ask("plugins") if one["name"] == "aws")
    assert (report["state"], report["version"], report["workloads"]) == ("available", "0.1.0", ["EC2Policy"])


def test_a_service_that_is_killed_runs_again(with_tin):
    assert with_tin.ask("deploy", name="t", plugin="tin")["state"] == "succeeded"
    assert with_tin.ask("ask")["stored"]
    first = until(lambda: with_tin.service()["pid"])
    os.kill(first, signal.SIGKILL)
    second = until(lambda: (pid := with_tin.service()["pid"]) and pid != first and pid)
    assert with_tin.service()["restarts"] == 1
    token = next((with_tin.folder / "services").glob("*.token"))
    assert token.stat().st_mode & 0o777 == 0o600
    words = Path(f"/proc/{second}/cmdline").read_text() + Path(f"/proc/{second}/environ").read_text()
    assert token.read_text() not in words
    with_tin.end()
    assert not alive(second)
    with_tin.start()


def test_services_of_a_killed_server_end_and_are_replaced(with_tin):
    with_tin.ask("deploy", name="t", plugin="tin")
    pid = until(lambda: with_tin.service()["pid"])
    with_tin.kill()
    until(lambda: not alive(pid))
    with_tin.start()
    assert until(lambda: with_tin.service()["pid"]) != pid
