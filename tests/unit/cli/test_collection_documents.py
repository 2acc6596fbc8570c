"""Collections as people and programs see them: the same words for one on this machine and one of an appliance."""

from dataclasses import replace

from holdfast.cli.collection_documents import (
    collection,
    collection_of,
    collection_table,
    last_collection,
    last_collection_facts,
)
from holdfast.domain.collection import Collected
from holdfast.protocol.encoding import to_document

HELD_UP = Collected(7, 3, 40, 4 << 20, 5, 1 << 20, 2, 1000, 0, 0, 5, {"ab" * 16: "2026-11-25T23:05:29.1Z"})
DAMAGED = {"code": "damaged", "what": "packs/aa is missing", "why": "it was removed", "cure": "bring it back"}


def detail(found=HELD_UP, kind="collect-garbage", state="warning", error=None):
    """As the server answers it."""
    times = {"created_at": "2026-11-25T23:00:00.5Z", "ended_at": "2026-11-25T23:06:00.5Z"}
    session = {"id": "cd" * 16, "kind": kind, "state": state, "trigger": "schedule", "error": None, **times}
    task = {"result": {} if found is None else to_document(found), "error": error}
    return {"session": session, "tasks": [task], "appliance": "north"}


def test_an_appliance_says_what_this_machine_says():
    here = collection(HELD_UP, dry_run=False)
    assert collection_of(detail()) == here
    assert here["waiting"] == [{"session": "ab" * 16, "opened": "2026-11-25T23:05:29.1Z"}]
    assert collection_of(detail(kind="look-for-garbage")) == collection(HELD_UP, dry_run=True)
    assert collection_of(detail(None)) is None


def test_a_few_of_what_could_not_be_locked_longer_are_shown_with_how_many_there_are():
    lost = replace(HELD_UP, not_renewed=tuple("abcde"))
    here = collection(lost, dry_run=False)
    assert (here["not_renewed"], here["not_renewed_objects"]) == (list("abcde"), 5)
    assert "a, b, c and 2 more" in collection_table(here)
    cut = detail(lost)
    cut["tasks"][0]["result"] |= {"not_renewed_objects": 7000}
    assert "a, b, c and 6997 more" in collection_table(collection_of(cut) or {})


def test_who_only_looks_is_told_of_no_deletion():
    assert "to be condemned  5 (1.0 MiB)" in collection_table(collection(HELD_UP, dry_run=True))
    assert "deleted" not in collection_table(collection(HELD_UP, dry_run=True))
    assert "deleted" in collection_table(collection(HELD_UP, dry_run=False))


def test_the_last_one_is_shown_with_what_holds_it_up_or_what_is_wrong():
    assert last_collection_facts(None) == {"garbage collected": "never"}
    last = last_collection(detail())
    assert (last["state"], last["appliance"], last["error"], last["freed_bytes"]) == ("warning", "north", None, 0)
    assert last_collection_facts(last) == {
        "garbage collected": "2026-11-25T23:06:00Z, warning",
        "freed then": "0 (0 B)",
        "held up by": "1 backup",
    }
    failed = last_collection(detail(None, state="failed", error=DAMAGED))
    assert failed["error"] == DAMAGED
    assert "freed_bytes" not in failed
    facts = last_collection_facts(failed)
    assert (facts["error then"], facts["cure"]) == ("packs/aa is missing [damaged]", "bring it back")
