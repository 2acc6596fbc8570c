"""Policy documents: read strictly, written canonically, compared line by line."""

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from holdfast.domain.errors import UsageError
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
    assert "spec.select: Field required" in refused.value.why
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
