"""What people may write behind `ebs:`, and which region is meant."""

import pytest

from holdfast.aws.location import EbsSourceLocation, EbsTargetLocation, open_source, parse_source, parse_target
from holdfast.domain.errors import UsageError


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("ebs:snap-0123456789abcdef0", EbsSourceLocation("snap-0123456789abcdef0")),
        ("ebs:snap-1234abcd?region=eu-central-1", EbsSourceLocation("snap-1234abcd", "eu-central-1")),
    ],
)
def test_sources(text, place):
    assert parse_source(text) == place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("ebs:", EbsTargetLocation()),
        ("ebs:?region=us-east-1", EbsTargetLocation("us-east-1")),
        ("ebs:?description=a%20b%26c&region=x-1", EbsTargetLocation("x-1", "a b&c")),
        ("ebs:?description=", EbsTargetLocation()),
    ],
)
def test_targets(text, place):
    assert parse_target(text) == place


@pytest.mark.parametrize(
    "text",
    [
        "ebs:", "snap-0123", "ebs:vol-0123", "ebs:snap-XYZ", "ebs:snap-1/../x", "ebs:snap-1?regoin=x",
        "ebs:snap-1?region", "ebs:snap-1?region=", "ebs:snap-1?region=a&region=b", "ebs:snap-1?region=a.b/c",
    ],
)  # fmt: skip
def test_what_is_no_source_is_refused(text):
    with pytest.raises(UsageError):
        parse_source(text)


@pytest.mark.parametrize("text", ["ebs:snap-1", "ebs:?size=1", "", "ebs:?description=" + "x" * 256])
def test_what_is_no_target_is_refused(text):
    with pytest.raises(UsageError):
        parse_target(text)


@pytest.mark.parametrize(
    ("option", "variables", "region"),
    [
        ("?region=eu-west-1", {"AWS_REGION": "eu-west-2", "AWS_DEFAULT_REGION": "eu-west-3"}, "eu-west-1"),
        ("", {"AWS_REGION": "eu-west-2", "AWS_DEFAULT_REGION": "eu-west-3"}, "eu-west-2"),
        ("", {"AWS_DEFAULT_REGION": "eu-west-3"}, "eu-west-3"),
    ],
)
def test_the_nearest_region_counts(monkeypatch, option, variables, region):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    source = open_source(f"ebs:snap-0123{option}")
    assert source.facts["region"] == region
    source.close()


def test_without_a_region_the_cure_is_named(monkeypatch):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    with pytest.raises(UsageError, match="no AWS region") as caught:
        open_source("ebs:snap-0123")
    assert "AWS_REGION" in caught.value.cure
