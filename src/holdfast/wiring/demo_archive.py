"""The demo's archive: a policy's point in Deep Archive, retrieved while the lab's clock runs ahead, and restored by an
appliance that was off meanwhile.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from holdfast.domain.archive import LIST_PRICES, ArchiveClass, Tier
from holdfast.domain.errors import HoldfastError
from holdfast.domain.numerals import counted
from holdfast.domain.session import ItemError, State
from holdfast.lab.actors import DATA_DEVICE, Administrator, disk_sha256
from holdfast.wiring.demo_processes import Commands, Say

NAME, LOCATION = "archive", "s3://holdfast-demo/archive"
TIER = Tier.BULK
_CLASS = ArchiveClass.DEEP_ARCHIVE
_POLL_SECONDS = 1.0
_PATIENCE_SECONDS = 300.0


class ArchiveStory:
    """From a policy's archive to its data disk as it was."""

    def __init__(self, people: Administrator, commands: Commands, say: Say) -> None:
        self._people = people
        self._commands = commands
        self._say = say

    def prepare(self) -> None:
        """A repository that the appliance knows."""
        self._commands.run("repository", "init", f"{LOCATION}?class=archive&storage_class={_CLASS}")
        self._commands.run("repository", "add", NAME, LOCATION)

    def fill(self) -> dict[str, Any]:
        """Have the policy archive its newest backup now; the task."""
        (task,) = self._commands.run("policy", "run", "demo", "--target", "archive")["tasks"]
        return dict(task)

    def prove(self, archived: Mapping[str, Any], expected: str) -> dict[str, Any]:
        """Restore the data disk; the proof, which holds what was planned and who worked."""
        point = archived["result"]["restore_point"]
        words = ("restore", "volume", point, "--volume", DATA_DEVICE, "--retrieval-tier", TIER.value)
        plan = self._commands.run(*words, "--plan")["retrieval"]
        (offer,) = (one for one in plan["offers"] if one["tier"] == TIER)
        needed = f"{counted(plan['archived_packs'], 'pack')}, {plan['archived_bytes'] / 1024**2:.1f} MiB"
        self._say(f"in {plan['storage_class']}: {needed}; to be retrieved {offer['takes']}")
        session = self._commands.run(*words, "--no-wait")["session"]["id"]
        waiting = self._until(session, lambda task: str(task["stage"]).startswith("retrieving"))
        self._let_two_days_pass()
        task = self._until(session, lambda task: State(task["state"]).final)
        if task["error"] is not None:
            raise ItemError(**task["error"]).as_error()
        workers = [*archived["workers"], *task["workers"]]
        alive = {one["instance_id"] for one in workers} & set(self._people.running_instances())
        actual = disk_sha256(self._people.volume_path(task["result"]["volumes"][DATA_DEVICE]))
        self._say(f"out of the archive, {DATA_DEVICE} alone: sha256 {actual}")
        evidence = {"restore_point": point, "expected": expected, "actual": actual, "workers": workers}
        return {
            "workload": "archive",
            "equal": expected == actual and not waiting["workers"] and not alive,
            "evidence": {**evidence, "retrieval": plan, "while_waiting": waiting["stage"]},
        }

    def _let_two_days_pass(self) -> None:
        longest = LIST_PRICES.offers(_CLASS)[TIER].longest
        (appliance,) = self._commands.run("appliance", "list")["appliances"]
        # An appliance that ran on would have its role's credentials, which end in the lab, but not by its own clock.
        self._people.stop(appliance["instance_id"])
        self._people.let_pass(longest.total_seconds())
        self._people.start(appliance["instance_id"])
        hours = longest.total_seconds() / 3600
        self._say(f"{hours:.0f} hours pass in the lab, in which {appliance['instance_id']} with the appliance is off")

    def _until(self, session: str, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The session's one task, when it is so."""
        deadline_seconds = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline_seconds:
            (task,) = self._commands.ask("session", "show", session)["tasks"]
            if is_so(task):
                return dict(task)
            time.sleep(_POLL_SECONDS)
        raise HoldfastError(
            f"session {session} does not go on",
            why=f"for {_PATIENCE_SECONDS:.0f} s its task is {task['state']}: {task['stage']}",
            cure="run the demo again with --keep and look at its lab",
        )
