"""Policy documents: read strictly, written canonically, compared line by line."""

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from holdfast.domain.errors import UsageError
from holdfast.domain.policy import Month, MonthlyTier, Week, YearlyTier
from holdfast.protocol.policies import (
    difference,
    parse_policy,
    policy_document,
    policy_schema,
    policy_text,
    read_policy,
)

FULL = """
apiVersion: holdfast/v1
kind: EC2Policy
metadata: {name: web, description: the web servers}
spec:
  account: production
  regions: [eu-central-1, us-east-1]
  priority: 10
  select: {tags: {backup: "yes", tier: "*"}, ids: [i-0123456789abcdef0]}
  exclude: {ids: [i-0fedcba9876543210], tags: {nobackup: "*"}, volumes: [vol-0123456789abcdef0], volume_tags: {scratch: "*"}, root_volumes: true}
  snapshot:
    schedule: {cron: "0 */4 * * *", time_zone: Europe/Berlin}
    keep: 6
    copy_tags: false
    tags: {cost: "42"}
  backup:
    repository: vault
    schedule: {cron: "30 1 * * *"}
    retention: {keep: 30}
    compression: best
  worker:
    mode: ec2
    instance_type: c5.large
    subnet_id: subnet-0123456789abcdef0
    security_group_ids: [sg-0123456789abcdef0]
    tags: {team: backup}
"""  # noqa: E501 - a document as people write it
LEAST: dict[str, Any] = {
    "apiVersion": "holdfast/v1",
    "kind": "EC2Policy",
    "metadata": {"name": "web"},
    "spec": {"account": "main", "regions": ["eu-central-1"], "select": {"all": True}, "snapshot": {"keep": 3}},
}


def changed(**spec):
    return {**LEAST, "spec": {**LEAST["spec"], **spec}}


def test_every_field_arrives_and_comes_back():
    policy = read_policy(parse_policy(FULL))
    assert policy.exclude.root_volumes
    assert policy.snapshot is not None
    assert policy.snapshot.schedule is not None
    assert policy.backup is not None
    assert policy.snapshot.schedule.time_zone == "Europe/Berlin"
    assert policy.backup.retention.keep == 30
    document = policy_document(policy)
    expected = parse_policy(FULL)
    expected["spec"]["worker"].pop("mode")
    assert document == expected
    assert read_policy(document) == policy
    assert read_policy(yaml.safe_load(policy_text(policy))) == policy


TIERS = """
repository: vault
schedule: {cron: "30 1 * * *", time_zone: Europe/Berlin}
retention:
  days: 14
  weekly: {weeks: 5, day: sunday, at: "01:30"}
  monthly: {months: 12, week: last, day: sunday}
  yearly: {years: 7, month: december, on_day: 31, at: "22:00"}
"""


def test_tiers_arrive_and_come_back():
    document = changed(backup=yaml.safe_load(TIERS))
    policy = read_policy(document)
    assert policy.backup is not None
    retention = policy.backup.retention
    assert (retention.days, retention.keep) == (14, None)
    assert isinstance(retention.monthly, MonthlyTier)
    assert (retention.monthly.week, retention.monthly.at) == (Week.LAST, None)
    assert isinstance(retention.yearly, YearlyTier)
    assert (retention.yearly.month, retention.yearly.on_day) == (Month.DECEMBER, 31)
    assert policy_document(policy) == document
    assert read_policy(yaml.safe_load(policy_text(policy))) == policy


def test_a_time_of_day_needs_no_quotes():
    """YAML 1.1 reads 22:00 as 1320."""
    assert parse_policy("{at: 22:00, other: 07:00, keep: 12, none: 0, less: -3}") == {
        "at": "22:00", "other": "07:00", "keep": 12, "none": 0, "less": -3,
    }  # fmt: skip


def with_tiers(without="", **retention):
    backup = yaml.safe_load(TIERS)
    backup["retention"] |= retention
    return changed(backup={name: part for name, part in backup.items() if name != without})


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (with_tiers(keep=3), "spec.backup.retention: keep and days of keep, days"),
        (with_tiers(days=None), "spec.backup.retention: none of keep, days"),
        (with_tiers(days=0), "spec.backup.retention.days: 0 is not in 1 to 36500"),
        (with_tiers(days=36_501), "36501 is not in 1 to 36500"),
        (with_tiers(days=None, keep=1001), "spec.backup.retention.keep: 1001"),
        (with_tiers(without="schedule"), "spec.backup.retention.weekly: there is no schedule"),
        (with_tiers(weekly={"day": "sunday", "at": "01:30"}), "spec.backup.retention.weekly: none of keep"),
        (with_tiers(weekly={"weeks": 5, "at": "01:30"}), "weekly.day is missing"),
        (with_tiers(weekly={"weeks": 5, "day": "sonntag", "at": "01:30"}), "weekly.day"),
        (with_tiers(weekly={"weeks": 5, "day": "sunday"}), "weekly.at: a time of day is needed"),
        (with_tiers(weekly={"weeks": 5, "day": "sunday", "at": "1:30"}), "weekly.at: '1:30' is no time of day"),
        (with_tiers(weekly={"weeks": 5, "day": "sunday", "at": "24:00"}), "weekly.at: '24:00' is no time of day"),
        (
            with_tiers(weekly={"weeks": 2, "day": "sunday", "at": "01:30"}),
            "weekly.weeks: 2 is no longer than the schedule",
        ),
        (
            with_tiers(monthly={"days": 35, "week": "last", "day": "sunday"}),
            "monthly.days: 35 is no longer than weekly",
        ),
        (with_tiers(monthly={"months": 12}), "spec.backup.retention.monthly: which day is meant is not said"),
        (with_tiers(monthly={"months": 12, "day": "sunday"}), "which day is meant is not said"),
        (with_tiers(monthly={"months": 12, "day": "sunday", "on_day": 1, "at": "01:30"}), "are two days"),
        (with_tiers(monthly={"months": 12, "on_day": 32, "at": "01:30"}), "monthly.on_day: 32 is not in 1 to 31"),
        (with_tiers(monthly={"months": 12, "on_day": 3}), "monthly.at: a time of day is needed"),
        (
            with_tiers(monthly={"months": 12, "week": "last", "day": "sunday", "at": "02:30"}),
            "monthly.at: 02:30 is not the time of the tier below it: write 01:30, or on_day",
        ),
        (with_tiers(yearly={"years": 7, "on_day": 31, "at": "22:00"}), "yearly.month is missing"),
        (with_tiers(hourly={"keep": 3}), "spec.backup.retention.hourly: nothing has this name"),
    ],
)
def test_a_retention_that_contradicts_itself_is_refused(document, told):
    with pytest.raises(UsageError) as refused:
        read_policy(document)
    assert told in refused.value.why


ARCHIVE = """
repository: cold
monthly: {months: 12, week: last, day: sunday, at: "23:00"}
yearly: {years: 7, month: december, on_day: 31, at: "23:30"}
"""


def archived(backup=None, without="", **archive):
    document = yaml.safe_load(ARCHIVE) | archive
    standard = {"repository": "vault", "schedule": {"cron": "30 1 * * *"}, "retention": {"keep": 30}}
    parts = {name: part for name, part in document.items() if name not in without.split()}
    return changed(backup=standard if backup is None else backup, archive=parts)


def test_an_archive_arrives_and_comes_back():
    for document in (archived(), archived(without="monthly")):
        policy = read_policy(document)
        assert policy.archive is not None
        assert isinstance(policy.archive.yearly, YearlyTier)
        assert policy.repositories == ("vault", "cold")
        assert policy_document(policy) == document
        assert read_policy(yaml.safe_load(policy_text(policy))) == policy


BY_HAND = {"repository": "vault", "retention": {"keep": 30}}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (changed(archive=yaml.safe_load(ARCHIVE)), "spec.archive: there is no spec.backup whose points it could copy"),
        (archived(backup=BY_HAND), "spec.archive: nothing is made that it could copy by itself"),
        (archived(repository="vault"), "spec.archive.repository: vault is where the backups are"),
        (archived(repository=""), "spec.archive.repository: a name is needed"),
        (archived(without="monthly yearly"), "spec.archive: how often is not said: write monthly, yearly, or both"),
        (
            archived(backup=yaml.safe_load(TIERS)),
            "spec.archive.monthly: spec.backup.retention.monthly keeps the same in the other repository",
        ),
        (
            archived(backup=yaml.safe_load(TIERS), without="monthly"),
            "spec.archive.yearly: spec.backup.retention.yearly",
        ),
        (archived(weekly={"weeks": 5, "day": "sunday"}), "spec.archive.weekly: nothing has this name"),
        (archived(monthly={"week": "last", "day": "sunday", "at": "23:00"}), "spec.archive.monthly: none of keep"),
        (archived(monthly={"months": 12, "at": "23:00"}), "spec.archive.monthly: which day is meant is not said"),
        (archived(monthly={"months": 12, "on_day": 2}), "spec.archive.monthly.at: a time of day is needed"),
        (
            archived(yearly={"days": 300, "month": "may", "on_day": 2, "at": "23:00"}),
            "spec.archive.yearly.days: 300 is no longer than monthly keeps",
        ),
        (
            archived(yearly={"years": 7, "month": "may", "week": "first", "day": "monday", "at": "01:00"}),
            "spec.archive.yearly.at: 01:00 is not the time of the tier below it: write 23:00, or on_day",
        ),
    ],
)
def test_an_archive_that_does_not_fit_is_refused(document, told):
    with pytest.raises(UsageError) as refused:
        read_policy(document)
    assert told in refused.value.why


def test_the_least_document_is_canonical():
    assert policy_document(read_policy(LEAST)) == LEAST
    assert read_policy(parse_policy(json.dumps(LEAST))) == read_policy(LEAST)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({**LEAST, "kind": "RDSPolicy"}, "RDSPolicy"),
        ({**LEAST, "apiVersion": "v2"}, "v2"),
        ({**LEAST, "status": {}}, "status: nothing has this name"),
        ({**LEAST, "metadata": {"name": "web", "labels": {}}}, "metadata.labels: nothing has this name"),
        (changed(snapshots={"keep": 3}), "spec.snapshots: nothing has this name"),
        (changed(snapshot={"keep": 3, "retain": 2}), "spec.snapshot.retain: nothing has this name"),
        (changed(snapshot={"keep": 0}), "spec.snapshot.keep"),
        (changed(snapshot={"keep": 1001}), "spec.snapshot.keep"),
        (changed(snapshot={"keep": "many"}), "spec.snapshot.keep"),
        (changed(snapshot=None), "a policy needs a target"),
        (changed(select={}), "spec.select"),
        (changed(select={"all": True, "ids": ["i-0123456789abcdef0"]}), "spec.select"),
        (changed(select={"ids": ["web-1"]}), "web-1"),
        (changed(regions=[]), "spec.regions"),
        (changed(regions=["frankfurt"]), "frankfurt"),
        (changed(exclude={"volumes": ["disk"]}), "disk"),
        (changed(snapshot={"keep": 1, "tags": {str(n): "" for n in range(6)}}), "at most 5"),
        (changed(snapshot={"keep": 1, "tags": {"aws:x": ""}}), "reserved"),
        (changed(snapshot={"keep": 1, "tags": {"holdfast:session": ""}}), "reserved"),
        (changed(backup={"repository": "vault", "retention": {"keep": 0}}), "spec.backup.retention.keep"),
        (changed(backup={"repository": "v", "retention": {"keep": 1}, "compression": "most"}), "most"),
        (changed(worker={"mode": "lambda"}), "spec.worker.mode"),
        (changed(worker={"subnet_id": "net"}), "net"),
        (changed(priority=-1), "spec.priority"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_path(document, told):
    with pytest.raises(UsageError) as refused:
        read_policy(document)
    assert told in f"{refused.value.what} {refused.value.why}"


def test_a_mistyped_field_is_named_with_the_one_that_is_missing():
    document = changed()
    document["spec"]["selcet"] = document["spec"].pop("select")
    with pytest.raises(UsageError) as refused:
        read_policy(document)
    assert "spec.select is missing" in refused.value.why
    assert "selcet" in refused.value.why


def test_a_name_that_is_none_is_refused():
    with pytest.raises(UsageError, match="is no name"):
        read_policy({**LEAST, "metadata": {"name": "web servers"}})


@pytest.mark.parametrize("text", ["- a list", "just text", "a: [", "", "!!python/object:os.system {}"])
def test_a_text_that_is_no_document_is_refused(text):
    with pytest.raises(UsageError):
        parse_policy(text)


def test_a_difference_is_shown_in_lines():
    before, after = read_policy(LEAST), read_policy(changed(snapshot={"keep": 5}))
    assert difference(before, before) == ()
    lines = difference(before, after)
    assert "-    keep: 3" in lines
    assert "+    keep: 5" in lines
    assert all(line.startswith(("---", "+++", "@@", "+")) for line in difference(None, after))


def test_the_schema_knows_every_name_of_a_document():
    schema = policy_schema()
    text = json.dumps(schema)
    for name in ("copy_tags", "volume_tags", "root_volumes", "time_zone", "security_group_ids", "retention"):
        assert f'"{name}"' in text
    assert schema["additionalProperties"] is False
    assert all(one.get("additionalProperties") is False for one in schema["$defs"].values() if one["type"] == "object")


ROOT = Path(__file__).resolve().parents[3]


def test_the_published_schema_is_this_one():
    published = json.loads((ROOT / "docs" / "policy.schema.json").read_text(encoding="utf-8"))
    assert published == policy_schema(), "write it again: json.dumps(policy_schema(), indent=2)"


def test_the_example_of_the_page_is_a_policy_and_the_page_names_every_field():
    page = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")
    begin = page.index("    apiVersion:")
    example = textwrap.dedent(page[begin : page.index("## Every field")])
    assert read_policy(parse_policy(example)).name == "web"
    names = {name for part in policy_schema()["$defs"].values() for name in part.get("properties", {})}
    assert not [name for name in names if name not in page]
