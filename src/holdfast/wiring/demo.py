"""The whole story in an AWS of its own: protect an instance, let it work, lose it, restore it, compare.

Holdfast runs as a person would run it, one process a command; what proves it is hashed outside its data path, before
the loss and after the restore.
"""

import shutil
import tempfile
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from holdfast.domain.errors import UsageError
from holdfast.lab.actors import DATA_DEVICE, GIB, REGION, Administrator, credentials, disk_sha256
from holdfast.lab.listening import port_for_later
from holdfast.lab.process import start_lab
from holdfast.wiring.demo_archive import ArchiveStory
from holdfast.wiring.demo_processes import STOP_SECONDS, Commands, RunningServer, Say, environment_of

MIB = 1024**2
BLOCK_BYTES = 512 * 1024
LEAST_BYTES = 64 * MIB
CHANGED_FILES = 3
HURRY_SECONDS = 1.0
LOCATION = "s3://holdfast-demo/backups"
POLICY = """\
apiVersion: holdfast/v1
kind: EC2Policy
metadata:
  name: demo
spec:
  account: own
  regions: [{region}]
  select: {{tags: {{backup: daily}}}}
  snapshot: {{keep: 2}}
  backup:
    repository: main
    schedule: {{cron: "0 2 * * *", time_zone: Europe/Berlin}}
    retention: {{keep: 7}}
  archive:
    repository: archive
    monthly: {{months: 12, week: last, day: sunday, at: "23:30"}}
"""


def run(size_bytes: int, keep: bool, say: Say) -> dict[str, Any]:
    """Tell the story with a data disk of `size_bytes` and return the document of docs/cli.md; `say` gets a line a step.

    With `keep` lab and server go on running and their folder stays, and what ends them is said.
    """
    if size_bytes < LEAST_BYTES or size_bytes > 64 * GIB:
        raise UsageError(
            f"a demo of {size_bytes} bytes", why="allowed are 64MiB to 64GiB", cure="choose another --size"
        )
    began_seconds = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="holdfast-demo-"))
    lab = start_lab(state=folder / "lab", attached=not keep)
    server: RunningServer | None = None
    # Whoever interrupts it does not want to wait for a server to end by itself: what it holds is thrown away.
    patience_seconds = HURRY_SECONDS
    try:
        say(f"an AWS of its own answers at {lab.endpoint}")
        environment = environment_of(folder, credentials(lab.endpoint))
        server = RunningServer(environment, folder / "server.log")
        say(f"the management server answers at {server.facts['url']}, its token lies in {server.facts['token_file']}")
        document = _Story(lab.endpoint, folder, environment, say).tell(size_bytes)
        patience_seconds = STOP_SECONDS
    finally:
        if keep:
            say(f"kept: the lab at {lab.endpoint}, everything in {folder}")
            say(f"to use it: export HOLDFAST_HOME={folder / 'home'} AWS_ENDPOINT_URL={lab.endpoint}")
            pids = " ".join(str(one.pid) for one in (server, lab) if one is not None)
            say(f"to end and remove it: kill {pids}; rm -r {folder}")
        else:
            if server is not None:
                server.stop(patience_seconds)
            lab.stop()
            shutil.rmtree(folder)
    if not keep:
        say("server, lab, appliance and everything in them were ended and removed")
    return document | {"duration_seconds": round(time.monotonic() - began_seconds, 1)}


class _Story:
    """One telling, in one folder, against one lab."""

    def __init__(self, endpoint: str, folder: Path, environment: Mapping[str, str], say: Say) -> None:
        self._folder = folder
        self._say = say
        self._people = Administrator(endpoint, folder)
        password = folder / "password"
        password.write_text("the demo's password\n", encoding="utf-8")
        self._commands = Commands(environment, password, say)
        self._archive = ArchiveStory(self._people, self._commands, say)

    def tell(self, size_bytes: int) -> dict[str, Any]:
        """Every step; the document says whether what came back is what was lost."""
        people, say = self._people, self._say
        self._prepare()
        instance = people.start_instance("web-1", size_bytes, {"backup": "daily"})
        address = people.instance(instance)["PrivateIpAddress"]
        say(f"{instance} (web-1, {address}) runs with a root disk and an ext4 file system on {DATA_DEVICE}")
        self._protect()
        full = self._back_up(instance)
        people.change_files(instance, CHANGED_FILES)
        expected = people.hashes(instance)
        before = people.blocks_read()
        incremental = self._back_up(instance)
        blocks = people.blocks_read() - before
        say(f"{CHANGED_FILES} files were written and one removed: the incremental asked AWS for {blocks} blocks")

        point = incremental["result"]["restore_point"]
        archived = self._archive.fill()
        self._tell_workers(archived)
        people.destroy(instance)
        say(f"{instance}, its volumes and every snapshot of the account are destroyed")
        self._commands.run("restore", "instance", point, "--plan")
        restored = self._restore(point)
        again = restored["result"]["instance_id"]
        actual = people.hashes(again)
        people.check_file_system(people.disks(again)[DATA_DEVICE])
        facts = people.instance(again)
        say(f"{again} runs at {facts['PrivateIpAddress']}, its file system is sound")
        say(f"before the loss   {_shown(expected)}")
        say(f"after the restore {_shown(actual)}")
        workers = [*full["workers"], *incremental["workers"], *restored["workers"]]
        alive = {one["instance_id"] for one in workers} & set(people.running_instances())
        same_place = facts["PrivateIpAddress"] == address and set(actual) == set(expected)
        proofs = [
            _proof("ec2-instance", expected, actual, point, workers, equal=same_place and not alive),
            self._without_server(point, expected[DATA_DEVICE]),
            self._archive.prove(archived, expected[DATA_DEVICE]),
        ]
        frugal = int(incremental["progress"]["read_bytes"]) < int(full["progress"]["read_bytes"])
        return {
            "proved": frugal and all(proof["equal"] for proof in proofs),
            "proofs": proofs,
            "full": full,
            "incremental": {**incremental, "blocks_asked_of_aws": blocks},
            "restore": restored,
        }

    def _prepare(self) -> None:
        """Repository, plug-in, appliance."""
        self._people.make_bucket("holdfast-demo")
        self._commands.run("repository", "init", LOCATION)
        self._commands.run(
            "plugin",
            "install",
            "aws",
            "--set",
            f"region={REGION}",
            "--set",
            "reach-at=127.0.0.1",
            "--set",
            "repositories=holdfast-demo/backups,holdfast-demo/archive?archive",
        )
        self._commands.run("plugin", "list")
        self._commands.run("appliance", "deploy", "demo", "--allow", "127.0.0.1/32", "--port", str(port_for_later()))
        self._commands.run("repository", "add", "main", LOCATION)
        self._archive.prepare()
        self._commands.run("account", "add", "own")

    def _protect(self) -> None:
        document = self._folder / "policy.yaml"
        document.write_text(POLICY.format(region=REGION), encoding="utf-8")
        applied = self._commands.run("policy", "apply", "-f", str(document))
        self._say(f"the policy protects {', '.join(applied['matched'])}")

    def _back_up(self, instance: str) -> dict[str, Any]:
        task = self._one_task(self._commands.run("policy", "run", "demo"))
        self._tell_workers(task)
        progress, seconds = task["progress"], _seconds(task)
        read, stored = progress["read_bytes"], progress["stored_bytes"]
        rate = read / MIB / max(seconds, 0.001)
        self._say(f"backed up {instance}: read {read / MIB:.1f} MiB, stored {stored / MIB:.1f} MiB, {rate:.1f} MiB/s")
        return task

    def _restore(self, point: str) -> dict[str, Any]:
        task = self._one_task(self._commands.run("restore", "instance", point, "--yes"))
        self._tell_workers(task)
        return task

    def _one_task(self, detail: Mapping[str, Any]) -> dict[str, Any]:
        (task,) = detail["tasks"]
        return dict(task)

    def _tell_workers(self, task: Mapping[str, Any]) -> None:
        for worker in task["workers"]:
            self._say(f"worker {worker['instance_id']} came at {worker['started_at']} and went at {worker['ended_at']}")

    def _without_server(self, point: str, expected: str) -> dict[str, Any]:
        """The same data disk, with nothing but this program, the location and the password."""
        target = self._folder / "rescued.raw"
        words = ("--repository", LOCATION, "--volume", DATA_DEVICE, "--to", str(target))
        done = self._commands.run("image", "restore", point, *words)
        actual = disk_sha256(target)
        target.unlink()
        self._say(f"without server and appliance, {DATA_DEVICE} alone: sha256 {actual}")
        evidence = {"restore_point": point, "expected": expected, "actual": actual, "workers": []}
        return {
            "workload": "ec2-volume",
            "equal": expected == actual,
            "evidence": {**evidence, "requests": done["requests"]},
        }


def _proof(
    workload: str,
    expected: Mapping[str, str],
    actual: Mapping[str, str],
    point: str,
    workers: list[Any],
    *,
    equal: bool,
) -> dict[str, Any]:
    evidence = {"restore_point": point, "expected": dict(expected), "actual": dict(actual), "workers": workers}
    return {"workload": workload, "equal": equal and expected == actual, "evidence": evidence}


def _shown(hashes: Mapping[str, str]) -> str:
    return ", ".join(f"{device} {sha256}" for device, sha256 in hashes.items())


def _seconds(task: Mapping[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(task[name]) for name in ("started_at", "ended_at"))
    return (ended - began).total_seconds()
