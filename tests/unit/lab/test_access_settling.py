"""Changes of IAM are effective a moment later, in the order in which they were made."""

from holdfast.lab.access.settling import Settling
from holdfast.lab.access.witness import MAX_KINDS, Witness, pattern_of


class Time:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


def test_new_thing_is_not_there_yet():
    time = Time()
    settling = Settling(time, 0.3)
    settling.note("role", "first")
    assert settling.effective("role", "first") is None
    time.seconds += 0.3
    assert settling.effective("role", "first") == "first"


def test_change_is_seen_later_and_the_delay_runs_from_the_change():
    time = Time()
    settling = Settling(time, 0.3)
    settling.note("role", "first")
    time.seconds += 1
    settling.note("role", "second")
    time.seconds += 0.2
    settling.note("role", "third")
    assert settling.effective("role", "third") == "first"
    time.seconds += 0.1
    assert settling.effective("role", "third") == "second"
    time.seconds += 0.2
    assert settling.effective("role", "third") == "third"


def test_change_that_nobody_noted_counts_from_when_it_is_found():
    time = Time()
    settling = Settling(time, 0.3)
    assert settling.effective("role", "first") is None
    time.seconds += 0.3
    assert settling.effective("role", "second") == "first"
    time.seconds += 0.3
    assert settling.effective("role", "second") == "second"


def test_without_a_delay_everything_is_effective_at_once():
    settling = Settling(Time(), 0)
    assert settling.effective("role", "first") == "first"
    assert settling.effective("role", "second") == "second"


def test_witness_counts_by_principal_action_pattern_and_answer():
    witness = Witness()
    for number in range(3):
        witness.add("role/r", "ebs:GetSnapshotBlock", f"arn:aws:ec2:us-east-1::snapshot/snap-{number}", "allowed")
    witness.add("role/r", "iam:GetRole", "arn:aws:iam::123456789012:role/x/r", "implicitDeny")
    assert witness.document() == {
        "decisions": [
            {
                "principal": "role/r",
                "action": "ebs:GetSnapshotBlock",
                "resource": "arn:aws:ec2:us-east-1::snapshot/*",
                "decision": "allowed",
                "count": 3,
            },
            {
                "principal": "role/r",
                "action": "iam:GetRole",
                "resource": "arn:aws:iam::123456789012:role/x/r",
                "decision": "implicitDeny",
                "count": 1,
            },
        ],
        "left_out": 0,
    }


def test_patterns_of_resources():
    assert pattern_of("arn:aws:s3:::bucket") == "arn:aws:s3:::bucket"
    assert pattern_of("arn:aws:s3:::bucket/a/b") == "arn:aws:s3:::bucket/*"
    assert pattern_of("arn:aws:kms:us-east-1:1:key/1-2") == "arn:aws:kms:us-east-1:1:key/*"
    assert pattern_of("*") == "*"


def test_witness_is_bounded():
    witness = Witness()
    for number in range(MAX_KINDS + 5):
        witness.add("user/u", f"s3:Action{number}", "*", "allowed")
    witness.add("user/u", "s3:Action0", "*", "allowed")
    document = witness.document()
    assert (len(document["decisions"]), document["left_out"]) == (MAX_KINDS, 5)
