"""The grammar of `--faults`, and that its dice are the same in every run."""

import contextlib
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.errors import UsageError
from holdfast.lab.faults import DEFAULT_PENDING_SECONDS, GRAMMAR, Fault, FaultPlan, FaultRule, FaultSpec, parse_faults


def test_nothing_asked_for_nothing_goes_wrong():
    assert parse_faults("") == FaultSpec((), (), 0, DEFAULT_PENDING_SECONDS, True)
    assert FaultPlan(parse_faults("")).decide("s3", "GET", "/").fault is None


def test_example_of_the_grammar():
    spec = parse_faults(GRAMMAR.rpartition("Example: ")[2])
    assert spec.rules == (
        FaultRule("ebs", Fault.THROTTLE, 0.5),
        FaultRule("s3", Fault.ERROR, 0.1),
        FaultRule("s3", Fault.CUT, 0.05),
        FaultRule("s3", Fault.LOST, 0.05),
    )
    assert spec.slow_seconds == (("ebs", 0.2),)
    assert spec.seed == 7


def test_settings_besides_faults():
    spec = parse_faults(" pending=1.5s , quota=off,seed=-3,")
    assert (spec.pending_seconds, spec.quotas, spec.seed) == (1.5, False, -3)
    spec = parse_faults("vcpus=8,boot=never,hidden=2s")
    assert (spec.vcpus, spec.boots, spec.hidden_seconds) == (8, False, 2.0)


@pytest.mark.parametrize(
    "text",
    [
        "ebs", "ebs:", "ebs:throttle", "ebs:throttle=", "ebs:throttle=x", "ebs:throttle=1.1", "ebs:throttle=-0.1",
        "ebs:throttle=nan", "ebs:throttle=inf", "ebs:explode=0.5", ":throttle=0.5", "EBS:throttle=0.5",
        "ebs:slow=200", "ebs:slow=ms", "ebs:slow=-1s", "ebs:slow=1h", "seed=x", "seed=1,seed=2", "pending=1",
        "quota=maybe", "boot=off", "vcpus=many", "colour=red", "a:b:throttle=1", "=", "ebs throttle=0.5",
    ],
)  # fmt: skip
def test_what_is_no_spec_is_refused_with_the_grammar(text):
    with pytest.raises(UsageError) as error:
        parse_faults(text)
    assert error.value.cure == GRAMMAR


@given(st.text(max_size=40))
def test_any_text_is_a_spec_or_a_usage_error(text):
    with contextlib.suppress(UsageError):
        assert isinstance(parse_faults(text), FaultSpec)


def decisions(plan, paths):
    return [plan.decide("s3", "PUT", path).fault for path in paths]


def test_order_of_other_requests_changes_nothing():
    spec = parse_faults("s3:error=0.3,s3:lost=0.3,seed=5")
    one, other = FaultPlan(spec), FaultPlan(spec)
    paths = [f"/b/{number % 10}" for number in range(100)]
    found: defaultdict[str, tuple[Fault | None, ...]] = defaultdict(tuple)
    for path, fault in zip(paths, decisions(one, paths), strict=True):
        found[path] += (fault,)
    other.decide("s3", "GET", "/b/3")
    again = {path: tuple(decisions(other, [path] * 10)) for path in reversed(paths[:10])}
    assert again == found


def test_probability_is_kept():
    plan = FaultPlan(parse_faults("s3:throttle=0.25"))
    found = decisions(plan, [f"/{number}" for number in range(4000)])
    assert 0.22 < found.count(Fault.THROTTLE) / 4000 < 0.28


def test_certain_and_impossible_faults():
    assert decisions(FaultPlan(parse_faults("s3:cut=1")), "abc") == [Fault.CUT] * 3
    assert decisions(FaultPlan(parse_faults("s3:cut=0")), "abc") == [None] * 3


def test_star_is_every_service_and_delays_add_up():
    plan = FaultPlan(parse_faults("*:error=1,*:slow=1s,s3:slow=500ms"))
    assert plan.decide("kms", "POST", "/").delay_seconds == 1.0
    decision = plan.decide("s3", "GET", "/")
    assert (decision.delay_seconds, decision.fault) == (1.5, Fault.ERROR)


def test_retry_may_meet_another_fate():
    plan = FaultPlan(parse_faults("s3:error=0.5,seed=1"))
    assert len(set(decisions(plan, ["/same"] * 30))) == 2
