import pytest

from bench.contestants import CHECK, COMPARED, FULL, LISTED, RESTORE
from bench.figures import BORG, FAST, OURS, RESTIC, cpu_seconds, goals, ratio, stored_bytes, table
from bench.page import replace_section
from bench.rounds import Sample


def sample(round_number, step, contestant, cpu, stored=0, requests=None):
    return Sample(round_number, step, contestant, cpu, 0.0, cpu, 100 << 20, stored, requests)


def test_ratio_is_paired_by_round_before_the_median_is_taken():
    # A machine that is disturbed in the second round disturbs both alike: the ratio stays what it is.
    samples = [sample(0, FULL, OURS, 1.0), sample(0, FULL, RESTIC, 3.0)]
    samples += [sample(1, FULL, OURS, 10.0), sample(1, FULL, RESTIC, 30.0)]
    samples += [sample(2, FULL, OURS, 2.0), sample(2, FULL, RESTIC, 4.0)]
    assert ratio(samples, FULL, RESTIC, OURS, cpu_seconds) == 3.0


def test_ratio_does_not_depend_on_the_order_in_which_samples_came():
    samples = [sample(1, FULL, OURS, 2.0), sample(0, FULL, OURS, 1.0)]
    samples += [sample(0, FULL, RESTIC, 5.0), sample(1, FULL, RESTIC, 10.0)]
    assert ratio(samples, FULL, RESTIC, OURS, cpu_seconds) == 5.0


def test_ratio_of_a_step_that_nobody_ran_is_not_made_up():
    assert ratio([sample(0, FULL, OURS, 1.0)], FULL, RESTIC, OURS, cpu_seconds) is None


def test_ratio_across_steps():
    samples = [sample(0, LISTED, OURS, 0.5), sample(0, COMPARED, RESTIC, 4.0)]
    assert ratio(samples, COMPARED, RESTIC, OURS, cpu_seconds, LISTED) == 8.0


def run_of(cpu_ours, stored_ours):
    requests = {"get": 0, "put": 12, "list": 0, "head": 0}
    samples = []
    for step in (FULL, RESTORE, CHECK, COMPARED):
        samples += [
            sample(0, step, OURS, cpu_ours, stored_ours, requests),
            sample(0, step, FAST, cpu_ours, stored_ours, requests),
            sample(0, step, RESTIC, 10.0, 1000),
            sample(0, step, BORG, 10.0, 1000),
        ]
    return [*samples, sample(0, LISTED, OURS, cpu_ours / 10, stored_ours, requests)]


def by_text(samples):
    return {goal.text: goal for goal in goals(samples)}


def test_goals_that_are_met():
    found = by_text(run_of(4.0, 1010))
    assert found["full backup: CPU of restic auto / holdfast default"].measured == 2.5
    assert found["full backup: CPU of restic auto / holdfast default"].met
    assert found["full backup: bytes of holdfast default / restic auto"].met
    assert found["restore: CPU of holdfast / borg"].met
    assert found["peak memory of any step, MiB"].measured == 100


def test_goals_that_are_missed_say_so():
    found = by_text(run_of(9.0, 1100))
    assert not found["full backup: CPU of restic auto / holdfast default"].met
    assert not found["full backup: bytes of holdfast default / restic auto"].met
    assert not found["restore: CPU of holdfast / restic"].met


def test_requests_are_told_by_step():
    few, many = ({"get": 0, "put": put, "list": 0, "head": 0} for put in (11, 50))
    found = by_text([sample(0, FULL, OURS, 1.0, 64 << 20, many), sample(0, LISTED, OURS, 1.0, 1, few)])
    assert found["full backup: PUTs beyond 10, per 16 MiB stored"].measured == 10
    assert found["incremental, with list: PUTs beyond 10, per 16 MiB stored"].met
    assert found["incremental, without list: PUTs beyond 10, per 16 MiB stored"].measured is None


def test_goal_without_a_measurement_is_not_met():
    assert not any(goal.met for goal in goals([]))


def test_table_leaves_out_what_was_not_run():
    text = table([sample(0, FULL, OURS, 2.0, 5_000_000), sample(0, FULL, RESTIC, 3.0, 6_000_000)])
    assert "| full backup | restic auto | 3.00 | 3.00 | 100 | 6.0 | 1.50 × |" in text
    assert RESTORE not in text
    assert stored_bytes(sample(0, FULL, OURS, 2.0, 7)) == 7


def test_section_is_replaced_and_nothing_else():
    text = "before\n<!-- a -->\nold\n<!-- /a -->\nafter <!-- b -->\n"
    assert replace_section(text, "a", r"new \1") == "before\n<!-- a -->\n\nnew \\1\n\n<!-- /a -->\nafter <!-- b -->\n"


def test_page_without_its_markers_is_refused():
    with pytest.raises(ValueError, match="needs"):
        replace_section("nothing here", "a", "new")
