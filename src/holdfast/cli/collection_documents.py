"""The documents of collections of garbage, under the stable names of docs/cli.md."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from holdfast.cli.quantities import human_size, short_time, to_the_minute
from holdfast.cli.tables import Cell, facts_table
from holdfast.domain.numerals import counted

if TYPE_CHECKING:
    from holdfast.domain.collection import Collected

Document = dict[str, Any]


def collection(found: "Collected", *, dry_run: bool) -> Document:
    """Everything that was found and done."""
    return _figures(dataclasses.asdict(found), dry_run=dry_run)


def collection_of(detail: Mapping[str, Any]) -> Document | None:
    """The same of a session of an appliance; None where it came to nothing."""
    (task,) = detail["tasks"]
    if not task["result"]:
        return None
    return _figures(task["result"], dry_run=detail["session"]["kind"] == "look-for-garbage")


def _figures(found: Mapping[str, Any], *, dry_run: bool) -> Document:
    waiting = [{"session": session, "opened": since} for session, since in sorted(found["waiting"].items())]
    named = list(found.get("not_renewed", ()))
    count = found.get("not_renewed_objects", len(named))
    return {"dry_run": dry_run, **found, "waiting": waiting, "not_renewed": named, "not_renewed_objects": count}


def collection_table(document: Mapping[str, Any]) -> str:
    """For people."""
    would = "to be " if document["dry_run"] else ""
    facts: dict[str, Cell] = {
        "restore points": document["restore_points"],
        "packs before": _packs(document["packs"], document["stored_bytes"]),
        f"{would}condemned": _packs(document["condemned_packs"], document["condemned_bytes"]),
        f"{would}repacked": f"{_packs(document['repacked_packs'], document['written_bytes'], ' written anew')}",
    }
    if not document["dry_run"]:
        facts["deleted"] = _packs(document["deleted_packs"], document["freed_bytes"])
        held = document["locked_packs"]
        facts["kept for now"] = f"{document['kept_packs']} ({held} locked)" if held else document["kept_packs"]
        facts["locks renewed"] = document["renewed_locks"] or None
        facts["not renewed"] = _some(document["not_renewed"], document["not_renewed_objects"]) or None
    if document.get("young_packs"):
        facts["too young to go"] = _packs(document["young_packs"], document["young_bytes"], " in an archive class")
    if document.get("unfinished_packs"):
        held = _packs(document["unfinished_packs"], document["unfinished_bytes"])
        facts["of unfinished sessions"] = f"{held}, for a day after their last sign of life"
    return facts_table(facts)


def _packs(count: int, size_bytes: int, what: str = "") -> str:
    return f"{count} ({human_size(size_bytes)}{what})"


def last_collection(detail: Mapping[str, Any]) -> Document:
    """What `repository show NAME` says of the newest one: how it ended or where it stands, and its figures."""
    session, (task,) = detail["session"], detail["tasks"]
    about = {name: session[name] for name in ("state", "trigger", "created_at", "ended_at")}
    return {
        "session": session["id"],
        **about,
        "appliance": detail["appliance"],
        "error": session["error"] or task["error"],
        **(collection_of(detail) or {}),
    }


def last_collection_facts(last: Mapping[str, Any] | None) -> dict[str, Cell]:
    """For people."""
    if last is None:
        return {"garbage collected": "never"}
    when = short_time(last["ended_at"] or last["created_at"])
    facts: dict[str, Cell] = {"garbage collected": f"{when}, {last['state']}"}
    if "deleted_packs" in last:
        facts["freed then"] = _packs(last["deleted_packs"], last["freed_bytes"])
        facts["held up by"] = counted(len(last["waiting"]), "backup") if last["waiting"] else None
    if last["error"]:
        facts["error then"] = f"{last['error']['what']} [{last['error']['code']}]"
        facts |= {"why": last["error"]["why"], "cure": last["error"]["cure"]}
    return facts


def what_waits(found: "Collected") -> str:
    """Which sessions hold the rest up, and until when."""
    since = ", ".join(f"{name[:8]} (since {to_the_minute(time)})" for name, time in sorted(found.waiting.items()))
    return (
        f"nothing more is deleted while {counted(len(found.waiting), 'session')} may build upon it: {since}; "
        "run this again when it has ended, or a day after its last sign of life"
    )


def what_was_not_renewed(objects: Sequence[str]) -> str:
    """What a renewal of locks met, and what to do about it."""
    return (
        f"all else is locked, but {_some(objects, len(objects))} {'is' if len(objects) == 1 else 'are'} damaged or "
        "missing: run `holdfast repository check` to see whom that hurts, and `holdfast repository repair`"
    )


def _some(objects: Sequence[str], count: int) -> str:
    more = f" and {count - 3} more" if count > 3 else ""
    return f"{', '.join(objects[:3])}{more}"
