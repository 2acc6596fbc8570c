"""Condition operators, as the IAM user guide has them: which values, missing keys, many values, variables."""

import pytest

from holdfast.lab.access.conditions import UnknownOperatorError, parsed, substituted


def holds(operator, key, wanted, **context):
    lowered = {name.lower().replace("__", ":"): value for name, value in context.items()}
    return all(one.holds(lowered) for one in parsed({operator: {key: wanted}}))


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", ["a", "b"], "b", True),
        ("StringEquals", "a*", "ab", False),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", ["a", "b"], "c", True),
        ("StringEqualsIgnoreCase", "Team", "tEAM", True),
        ("StringNotEqualsIgnoreCase", "Team", "tEAM", False),
        ("StringLike", "home/*", "home/x/y", True),
        ("StringLike", "h?me", "home", True),
        ("StringLike", "h?me", "hme", False),
        ("StringLike", "a.c", "abc", False),
        ("StringNotLike", "home/*", "home/x", False),
        ("ArnLike", "arn:aws:s3:::b*", "arn:aws:s3:::bucket", True),
        ("ArnEquals", "arn:aws:iam::*:role/x", "arn:aws:iam::123456789012:role/x", True),
        ("ArnLike", "arn:aws:*:role/x", "arn:aws:iam::123456789012:role/x", False),
        ("ArnNotLike", "arn:aws:iam::*:role/x", "arn:aws:iam::1:role/x", False),
        ("Bool", "true", "true", True),
        ("Bool", True, "true", True),
        ("Bool", "false", "true", False),
        ("NumericEquals", "10", "10.0", True),
        ("NumericNotEquals", "10", "11", True),
        ("NumericLessThan", 10, "9", True),
        ("NumericLessThanEquals", "10", "10", True),
        ("NumericGreaterThan", "10", "10", False),
        ("NumericGreaterThanEquals", "10", "x", False),
        ("DateGreaterThan", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", True),
        ("DateLessThan", "2026-01-01", "2025-12-31T23:59:59Z", True),
        ("DateLessThanEquals", "1767225600", "2026-01-01T00:00:00Z", True),
        ("DateEquals", "no date", "2026-01-01T00:00:00Z", False),
        ("IpAddress", "10.0.0.0/8", "10.2.3.4", True),
        ("IpAddress", "10.0.0.0/8", "11.2.3.4", False),
        ("NotIpAddress", ["10.0.0.0/8", "127.0.0.1"], "127.0.0.1", False),
        ("IpAddress", "2001:db8::/32", "2001:db8::1", True),
    ],
)
def test_operators(operator, wanted, value, expected):
    assert holds(operator, "k", wanted, k=(value,)) is expected


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("StringEquals", False), ("StringNotEquals", True), ("StringLike", False), ("StringNotLike", True),
        ("StringEqualsIfExists", True), ("StringNotEqualsIfExists", True), ("NumericLessThan", False),
        ("NotIpAddress", True), ("ArnLike", False), ("ArnNotLike", True), ("Bool", False), ("BoolIfExists", True),
        ("ForAllValues:StringEquals", True), ("ForAllValues:StringNotEquals", True),
        ("ForAnyValue:StringEquals", False), ("ForAnyValue:StringNotEquals", False),
        ("ForAnyValue:StringEqualsIfExists", True),
    ],
)  # fmt: skip
def test_missing_key(operator, expected):
    assert holds(operator, "aws:TagKeys", "1") is expected


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("ForAllValues:StringEquals", ("a", "b"), True),
        ("ForAllValues:StringEquals", ("a", "c"), False),
        ("ForAllValues:StringEquals", (), True),
        ("ForAnyValue:StringEquals", ("c", "b"), True),
        ("ForAnyValue:StringEquals", ("c", "d"), False),
        ("ForAnyValue:StringNotEquals", ("a", "c"), True),
        ("ForAnyValue:StringNotEquals", ("a", "b"), False),
        ("ForAllValues:StringNotEquals", ("c", "d"), True),
        ("ForAllValues:StringNotEquals", ("a", "d"), False),
        ("ForAllValues:StringLike", ("a", "b"), True),
    ],
)
def test_many_values(operator, values, expected):
    assert holds(operator, "k", ["a", "b"], k=values) is expected


def test_null():
    assert holds("Null", "k", "true")
    assert holds("Null", "k", False, k=("x",))
    assert not holds("Null", "k", "true", k=("x",))
    assert not holds("Null", "k", "false")


def test_keys_are_compared_without_case():
    assert holds("StringEquals", "aws:RequestTag/Team", "a", aws__requesttag=(), **{"aws__requesttag/team": ("a",)})


def test_every_operator_and_key_has_to_hold():
    conditions = parsed({"StringEquals": {"a": "1", "b": "2"}, "Bool": {"c": "true"}})
    assert all(one.holds({"a": ("1",), "b": ("2",), "c": ("true",)}) for one in conditions)
    assert not all(one.holds({"a": ("1",), "b": ("3",), "c": ("true",)}) for one in conditions)


def test_operator_that_does_not_exist():
    with pytest.raises(UnknownOperatorError):
        parsed({"StringSounds": {"a": "b"}})


def test_variables():
    context = {"aws:username": ("ann",), "aws:principaltag/team": ("a*",), "many": ("a", "b")}
    assert substituted("home/${aws:username}/*", context) == "home/ann/*"
    assert substituted("${aws:missing}", context) is None
    assert substituted("${aws:missing, 'all'}", context) == "all"
    assert substituted("${many}", context) is None
    assert substituted("plain", context) == "plain"
    assert holds("StringLike", "k", "${aws:PrincipalTag/team}", k=("a*",), **{"aws__principaltag/team": ("a*",)})
    # What stands for a variable is no pattern.
    assert not holds("StringLike", "k", "${aws:PrincipalTag/team}", k=("abc",), **{"aws__principaltag/team": ("a*",)})
    assert holds("StringLike", "k", "a${*}c", k=("a*c",))
    assert not holds("StringLike", "k", "a${*}c", k=("abc",))
