"""The ordering rules, searched exhaustively: no interleaving loses anything; without any one rule something is lost.

A step is a request to the store; every party may stop for ever at every step, which is how a crash looks to the others.
"""

import dataclasses

import pytest

from tests.model.rules import Rules, names
from tests.model.scenarios import SCENARIOS
from tests.model.search import search

GARBAGE = "a backup while garbage goes"
KNOWN = "garbage in a run with what is needed"
LATE = "a parent that needs what is condemned"
READING = "a restore while its point goes"
MERGED = "runs are merged"
RENEWAL = "a long backup goes over to a newer plan"
TWICE = "a chunk that lies twice"
COPYING = "a copy while its original goes"
ELSEWHERE = "a dead session's chunk that lies elsewhere too"
LOCKS = "locks are renewed while a parent goes"
REPAIR = "a repair while garbage goes"
TURNED = "a key epoch begins while garbage goes"
MISLED = "a key epoch begins, and one answer is wrong"
LOSES_IN = {
    "one_winner": GARBAGE,
    "packs_before_point": GARBAGE,
    "retired_before_record": READING,
    "ended_while_open": TURNED,
    "recorded_while_open": TURNED,
    "recorded_before_told": "a key epoch begins while a point is accepted",
    "taken_is_no_tombstone": MISLED,
    "open_before_plan": GARBAGE,
    "only_runs_in_force": "two that go over",
    "never_condemned": KNOWN,
    "only_fit_parents": LATE,
    "adopted_after_acknowledged": "a dead session's packs",
    "adopted_found_again": "a dead session's packs",
    "adopted_never_condemned": "a dead session's packs",
    "renewed_before_acknowledged": RENEWAL,
    "roots_from_ledger": GARBAGE,
    "unknown_points_stop": "the ledger's end is lost while garbage goes",
    "open_resolved_by_get": GARBAGE,
    "roots_asked_in_two_ways": MISLED,
    "ledger_read_again": GARBAGE,
    "told_before_asked": "a plan shows late while garbage goes",
    "unacknowledged_must_end": GARBAGE,
    "expiry_by_tombstone": GARBAGE,
    "plans_are_cumulative": KNOWN,
    "named_stays_condemned": KNOWN,
    "map_keeps_condemned": "a name that is taken again",
    "open_keeps_condemned": "a name that is taken again, and a backup that is open",
    "survivors_stay_condemned": "the name of a survivor is taken again, and the chunk moved twice",
    "pinned_map_keeps_condemned": "a name that is taken again, and a reader of what is deleted",
    "adopted_by_content": "a name that is taken again, and the dead session that had it is gone on with",
    "unnamed_is_asked_again": "a name that is taken again, and always a backup that is open",
    "found_by_runs_too": "a name that is taken again, and the chunk moved twice",
    "named_runs_stay": ELSEWHERE,
    "runs_never_return": "two collectors and a backup",
    "merged_before_named": "two merge runs",
    "merged_only_where_named": "runs are merged while garbage goes",
    "merged_from_runs_in_force": MERGED,
    "unnamed_runs_outlive_the_plan": "two merge runs",
    "handed_over_as_the_next": "a plan is handed over while garbage goes",
    "undeleted_stays_condemned": "garbage that is locked",
    "marked_again": GARBAGE,
    "cold_needs_no_session_open": "an archive while garbage goes",
    "cold_survivors_by_runs": "a repair of an archive while garbage goes",
    "live_means_clean": LATE,
    "all_condemned_copies_kept": "a copy that two collections rely on",
    "survivors_in_runs": ELSEWHERE,
    "survivors_in_runs_in_force": ELSEWHERE,
    "damage_is_condemned": REPAIR,
    "survivors_never_condemned": "garbage that is locked",
    "survivors_are_named": TWICE,
    "pinned_before_checked": READING,
    "pins_are_roots": READING,
    "pinned_until_committed": COPYING,
    "missing_counts_as_changed": "a copy while what it builds upon goes",
    "verified_under_newest_plan": "packs are opened to others while they go",
    "renewed_under_newest_plan": LOCKS,
    "uncondemned_are_renewed": LOCKS,
    "condemned_are_renewed_for_points": "locks of what is condemned and needed",
    "let_go_when_all_know": LOCKS,
    "first_counts": "a point or a tombstone is hidden",
    "looked_after_writing": "the newest record is hidden",
    "junk_is_as_it_was_put": "the newest record rots",
    "unsaid_in_the_first_batch": TURNED,
    "known_before_the_turn": "the ledger's end is lost, and a key epoch begins",
    "unsaid_asked_in_two_ways": MISLED,
    "counts_until_the_ledger_turns": TURNED,
}

# A rule that is a second hold for what another one promises: to be seen at work, the other one needs both left out.
SECOND_HOLDS = {"retired_before_record": "unknown_points_stop"}

# A copy is a reader there and a writer here: what either needs, it needs.
A_COPY_NEEDS = {
    "pinned_before_checked": COPYING,
    "pins_are_roots": COPYING,
    "unacknowledged_must_end": "a copy while what it builds upon goes",
    "marked_again": "a copy while what it builds upon goes",
    "one_winner": "a copy that died is gone on with",
    "adopted_after_acknowledged": "a copy that died is gone on with",
    "adopted_found_again": "a copy that died is gone on with",
    "adopted_never_condemned": "a copy that died is gone on with",
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost(name):
    world, parties = SCENARIOS[name]
    searched = search(world, parties, Rules())
    assert searched.loss == "", searched.path
    assert searched.states > 100


@pytest.mark.parametrize("rule", names())
def test_every_rule_is_needed(rule):
    _loses_without(rule, LOSES_IN[rule])


@pytest.mark.parametrize("rule", A_COPY_NEEDS)
def test_a_copy_needs_the_rules_of_both_sides(rule):
    _loses_without(rule, A_COPY_NEEDS[rule])


def _loses_without(rule: str, scenario: str) -> None:
    world, parties = SCENARIOS[scenario]
    without = {rule, SECOND_HOLDS.get(rule, rule)}
    searched = search(world, parties, dataclasses.replace(Rules(), **dict.fromkeys(without, False)))
    assert searched.loss, f"without the rule {rule} nothing is lost here: search more, or drop the rule"
    assert searched.path
