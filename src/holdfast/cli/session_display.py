"""A session as it runs, for a person: lines of its log, how far it is, and how it ended as an exit code."""

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from holdfast.cli.interruption import LAST_WORDS
from holdfast.cli.quantities import human_size, short_time, to_the_minute
from holdfast.cli.tables import SHORT_ID, Cell, facts_table, listed_id, rows_table
from holdfast.cli.voice import DONE, DONE_WITH_WARNINGS, FAILED, Voice, say
from holdfast.domain.errors import HoldfastError

if TYPE_CHECKING:
    from holdfast.repository.progress import Progress
    from holdfast.rest.client.server import HoldfastClient

_ID = re.compile("[0-9a-f]{32}")
FINAL = frozenset({"succeeded", "warning", "failed", "cancelled"})


def follow(client: "HoldfastClient", voice: Voice, session_id: str) -> Mapping[str, Any]:
    """Show the session until it has ended; its last detail. Whoever stops looking, or has to, reads that it goes on."""
    short = session_id[:SHORT_ID]
    goes_on = f"session {short} goes on; do not start it again: `holdfast session watch {short}`"
    LAST_WORDS.set(goes_on)
    try:
        return _followed(client, voice, session_id)
    except HoldfastError as error:
        error.cure = f"{error.cure}; {goes_on}"
        raise
    except Exception:
        say(goes_on)
        raise


def _followed(client: "HoldfastClient", voice: Voice, session_id: str) -> Mapping[str, Any]:
    detail: Mapping[str, Any] = client.send("GET", f"/sessions/{session_id}")
    shown = 0
    with ExitStack() as stack:
        figures = _Figures(lambda: stack.enter_context(voice.progress(detail["session"]["kind"])))
        for event in client.events(f"/sessions/{session_id}/events"):
            if event["type"] == "session":
                detail = event["document"]
                figures.tell([task["progress"] for task in detail["tasks"]])
            elif event["document"]["sequence"] > shown:
                line = event["document"]
                shown = line["sequence"]
                say(f"{short_time(line['time'])}  {line['message']}")
    if detail["session"]["state"] not in FINAL:
        detail = client.send("GET", f"/sessions/{session_id}")
    return detail


class _Figures:
    """The bytes of all tasks together; nothing is shown of a session that moves none."""

    def __init__(self, begin: "Callable[[], Progress]") -> None:
        self._begin = begin
        self._progress: Progress | None = None
        self._total_bytes = 0
        self._done_bytes = 0

    def tell(self, tasks: list[Mapping[str, Any]]) -> None:
        """How far each task is."""
        total_bytes = sum(one["total_bytes"] for one in tasks)
        done_bytes = sum(one["done_bytes"] for one in tasks)
        if not total_bytes:
            return
        if self._progress is None:
            self._progress = self._begin()
        if total_bytes != self._total_bytes:
            self._total_bytes, self._done_bytes = total_bytes, 0
            self._progress.total(total_bytes)
        self._progress.advance(max(done_bytes - self._done_bytes, 0))
        self._done_bytes = max(done_bytes, self._done_bytes)


def begun(
    client: "HoldfastClient",
    method: str,
    path: str,
    document: object = None,
    query: Mapping[str, str] | None = None,
) -> Mapping[str, Any]:
    """The session that the server begins when it is asked. Who does not wait for its answer cannot know of one."""
    LAST_WORDS.set("the server may have begun it: see `holdfast session list` before the same command is run again")
    session: Mapping[str, Any] = client.send(method, path, document, query)
    return session


def finish(client: "HoldfastClient", voice: Voice, session: Mapping[str, Any], *, wait: bool) -> int:
    """Print a session that a command began: at once, or when it has ended; its exit code."""
    if not wait:
        document = {"session": session, "tasks": []}
        voice.document(document, lambda: facts_table({"session": session["id"], "state": session["state"]}))
        return DONE
    detail = follow(client, voice, session["id"])
    voice.document(detail, lambda: detail_table(detail))
    return status_of(detail)


def status_of(detail: Mapping[str, Any]) -> int:
    """The exit code that a session's end means: that of its errors where they agree, else 1."""
    session = detail["session"]
    match session["state"]:
        case "succeeded":
            return DONE
        case "warning":
            return DONE_WITH_WARNINGS
        case "failed":
            errors = [one["error"] for one in (session, *detail["tasks"]) if one["error"]]
            statuses = {error["exit_status"] for error in errors}
            return int(statuses.pop()) if len(statuses) == 1 else FAILED
        case _:
            return FAILED


def named_session(detail: Mapping[str, Any]) -> str:
    """A session in a question: whoever typed the beginning of an id sees what it does, and since when."""
    session = detail["session"]
    of = session["subject"]
    if _ID.fullmatch(of):  # a restore point: people know its workload
        of = ", ".join(named_workload(task["workload"]) for task in detail["tasks"]) or of[:SHORT_ID]
    made = f"{session['kind']} of {of}, {session['state']}, created {short_time(session['created_at'])}"
    return f"session {session['id'][:SHORT_ID]} ({made})"


def detail_table(detail: Mapping[str, Any]) -> str:
    """A session and its tasks."""
    session = detail["session"]
    facts: dict[str, Cell] = {
        "session": session["id"],
        "kind": session["kind"],
        "of": session["subject"],
        "state": session["state"] + _as_of(detail.get("as_of")),
        "started by": session["trigger"],
        "created": short_time(session["created_at"]),
        "ended": short_time(session["ended_at"]) if session["ended_at"] else None,
    }
    text = facts_table(facts | _error_facts(session["error"]))
    for warning in session["warnings"]:
        text += f"warning  {warning}\n"
    for task in detail["tasks"]:
        text += "\n" + facts_table(_task_facts(task) | _error_facts(task["error"]))
    return text


def _as_of(heard_at: str | None) -> str:
    """What a state is worth that is not from its appliance itself."""
    return "" if heard_at is None else f" when heard of last, {short_time(heard_at)}: its appliance cannot be asked"


def _task_facts(task: Mapping[str, Any]) -> dict[str, Cell]:
    workload, progress = task["workload"], task["progress"]
    workers = [one["instance_id"] or "a process of the appliance" for one in task["workers"]]
    return {
        "task": named_workload(workload),
        "state": task["state"] + ("" if task["state"] in FINAL else f", {task['stage']}"),
        "done": f"{human_size(progress['done_bytes'])} of {human_size(progress['total_bytes'])}"
        if progress["total_bytes"]
        else None,
        "read": human_size(progress["read_bytes"]) if progress["read_bytes"] else None,
        "stored": human_size(progress["stored_bytes"]) if progress["stored_bytes"] else None,
        "workers": ", ".join(workers) or None,
        **{name.replace("_", " "): _told(value) for name, value in task["result"].items() if "_bytes" not in name},
        "warnings": "; ".join(task["warnings"]) or None,
    }


def _told(value: object) -> str:
    """What came of a task: a text, a number, or a map of ids."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return str(value)


def named_workload(workload: Mapping[str, Any]) -> str:
    """By id and name; a task that stands for a whole region, or for a policy that found nothing, has a name alone."""
    if not workload["id"]:
        return str(workload["name"])
    return f"{workload['id']} ({workload['name']})" if workload["name"] else str(workload["id"])


def _error_facts(error: Mapping[str, Any] | None) -> dict[str, Cell]:
    if error is None:
        return {}
    return {"error": f"{error['what']} [{error['code']}]", "why": error["why"], "cure": error["cure"]}


def sessions_table(sessions: list[Mapping[str, Any]]) -> str:
    """A line a session."""
    rows = [
        (
            listed_id(one["id"]),
            one["kind"],
            listed_id(one["subject"]) if _ID.fullmatch(one["subject"]) else one["subject"],
            one["state"],
            one["trigger"],
            to_the_minute(one["created_at"]),
            ", ".join(f"{count} {state}" for state, count in one["counts"].items()),
        )
        for one in sessions
    ]
    headings = ("SESSION", "KIND", "OF", "STATE", "STARTED BY", "CREATED", "TASKS")
    return rows_table(headings, rows, spare=("STARTED BY", "KIND"))
