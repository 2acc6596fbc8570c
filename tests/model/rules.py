"""The ordering rules as switches: all on is the protocol, one off is a mutant that must lose data."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Rules:
    """Each says what is kept while it is on; the number is the rule's in docs/format/ordering.md."""

    one_winner: bool = True  # 1: of commit and tombstone exactly one stands
    packs_before_point: bool = True  # 2
    retired_before_record: bool = True  # 2
    ended_while_open: bool = True  # 2: by the ledger, which is looked at with each try
    recorded_while_open: bool = True  # 2: no `commit` follows an end
    recorded_before_told: bool = True  # 2: who tells others of a point has told the ledger of it
    taken_is_no_tombstone: bool = True  # 2: where nothing is shown under the name
    open_before_plan: bool = True  # 3
    only_runs_in_force: bool = True  # 3
    never_condemned: bool = True  # 3: no chunk of a condemned pack is built upon
    only_fit_parents: bool = True  # 3
    adopted_after_acknowledged: bool = True  # 3: a dead session's packs are looked for when the plan is acknowledged
    adopted_found_again: bool = True  # 3: and not by the word of its checkpoints alone
    adopted_by_content: bool = True  # 3: under the name of one that was deleted may stand what was put there since
    adopted_never_condemned: bool = True  # 3: what the acknowledged plan condemns is left alone, whatever stands
    renewed_before_acknowledged: bool = True  # 3: what a newer plan condemns is uploaded again, then acknowledged
    roots_from_ledger: bool = True  # 4
    unknown_points_stop: bool = True  # 4: a point stands that the ledger does not know: its end is missing
    open_resolved_by_get: bool = True  # 4
    roots_asked_in_two_ways: bool = True  # 4: by GET, and where that shows nothing by HEAD
    ledger_read_again: bool = True  # 4: open sessions are those of a reading after the plan stands
    told_before_asked: bool = True  # 4: the ledger of the plan, before it is asked who is open
    unacknowledged_must_end: bool = True  # 4
    expiry_by_tombstone: bool = True  # 4
    plans_are_cumulative: bool = True  # 4
    named_stays_condemned: bool = True  # 4: until no index run in force names it
    map_keeps_condemned: bool = True  # 4: nor any map, though the pack is gone: its name may be taken again
    survivors_stay_condemned: bool = True  # 4: in which somebody looks for what another pack had that stays so
    pinned_map_keeps_condemned: bool = True  # 4: that of a point that was deleted and is read as well
    open_keeps_condemned: bool = True  # 4: nor a session is open that may bring such a map
    unnamed_is_asked_again: bool = True  # 4: who was open when nothing named a pack may have brought one since
    found_by_runs_too: bool = True  # 4: what stands under a condemned name may be anybody's
    named_runs_stay: bool = True  # 4: in force, though their sessions are open still
    runs_never_return: bool = True  # 4: a run that a plan left out is in force in no later one
    merged_before_named: bool = True  # 4: a merged run stands before a plan names it and not those it replaces
    merged_only_where_named: bool = True  # 4: its epoch is 0, whatever plan its session acknowledged
    merged_from_runs_in_force: bool = True  # 4
    unnamed_runs_outlive_the_plan: bool = True  # 4: under which they were merged: who has slept may name them yet
    handed_over_as_the_next: bool = True  # 4: to a key epoch, right behind the plan that is said once more
    undeleted_stays_condemned: bool = True  # 4: what a lock holds
    marked_again: bool = True  # 4
    cold_needs_no_session_open: bool = True  # 4: of a cold pack nobody sees whose it is
    cold_survivors_by_runs: bool = True  # 4: nor what lies in it: the index runs in force say that
    live_means_clean: bool = True  # 4: a point that still needs a condemned pack is no parent
    all_condemned_copies_kept: bool = True  # 4: where no other is left, for another collection may rely on any one
    survivors_in_runs: bool = True  # 4: a copy that no index run names is found by nobody
    survivors_in_runs_in_force: bool = True  # 4: nor one that only a run names which the plan does not
    damage_is_condemned: bool = True  # 4: by a repair, whatever still needs it
    survivors_never_condemned: bool = True  # 5
    survivors_are_named: bool = True  # 5: by the plan that condemns, for all who carry it out
    pinned_before_checked: bool = True  # 7
    pins_are_roots: bool = True  # 7
    pinned_until_committed: bool = True  # 7: what is copied, for it is read until then
    missing_counts_as_changed: bool = True  # 7: what is not there any more of the earlier point's map, which has no pin
    verified_under_newest_plan: bool = True  # 7: the plan of a run is read before its packs are found
    renewed_under_newest_plan: bool = True  # 9: it is read before the ledger, as a collection does
    uncondemned_are_renewed: bool = True  # 9: whether or not a point needs them, for sessions may build upon them
    condemned_are_renewed_for_points: bool = True  # 9: that need them still
    let_go_when_all_know: bool = True  # 9: a session that is open may have built upon what it did not know condemned
    first_counts: bool = True  # 9: of two objects of one name, a delete marker between them
    looked_after_writing: bool = True  # 9: whoever has written a name looks whether it was the first
    junk_is_as_it_was_put: bool = True  # 9: what does not open and is not as it was put is damage, and stops
    unsaid_in_the_first_batch: bool = True  # 11: points that the ledger does not know, by who appends it under an epoch
    known_before_the_turn: bool = True  # 11: nobody begins, or is first, beside points that the ledger does not know
    unsaid_asked_in_two_ways: bool = True  # 11
    counts_until_the_ledger_turns: bool = True  # 11: what is under the key before, though an epoch has begun


def names() -> list[str]:
    """All switches."""
    return [field.name for field in fields(Rules)]
