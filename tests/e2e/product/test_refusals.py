"""What goes wrong for one item is told with cause and cure, ends the command with the code that it means, and hinders
nothing else.
"""

import pytest
from botocore.exceptions import ClientError

MIB = 1024**2
DAILY = {"tags": {"backup": "daily"}}
BACKUP = {"repository": "main", "retention": {"keep": 2}}
QUICK = {
    "quota_pause_seconds": 0.2,
    "quota_patience_seconds": 1.0,
    "boot_timeout_seconds": 1.0,
    "silence_seconds": 0.5,
}


@pytest.fixture(scope="module")
def patience():
    return QUICK


@pytest.fixture(scope="module")
def two(ready):
    """Two instances of one policy whose repository takes one at a time."""
    instances = [small_instance(ready, name) for name in ("web-1", "web-2")]
    ready.do("repository", "add", "main", "s3://backups/main", "--task-limit", "1")
    ready.apply("web", select=DAILY, backup=BACKUP)
    return instances


def small_instance(site, name, **tags):
    """With its root disk alone, of 1 GiB."""
    image = site.aws("ec2").describe_images(Owners=["136693071363"])["Images"][0]
    made = site.aws("ec2").run_instances(
        ImageId=image["ImageId"],
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [
                    {"Key": key, "Value": value} for key, value in ({"Name": name, "backup": "daily"} | tags).items()
                ],
            }
        ],
    )["Instances"][0]["InstanceId"]
    site.aws("ec2").get_waiter("instance_running").wait(InstanceIds=[made], WaiterConfig={"Delay": 1})
    return made


def error_of(detail, workload=None):
    """The error of the session's one failed task, which says what, why and what to do."""
    (task,) = [one for one in detail["tasks"] if one["error"]]
    assert workload in (None, task["workload"]["id"])
    assert all(task["error"][part] for part in ("what", "why", "cure")), task["error"]
    return task["error"]


def test_a_document_that_cannot_be_meant_names_its_path(ready):
    wrong = ready.policy("wrong", select={"tagz": {"a": "b"}}, backup=BACKUP)
    assert "spec.select.tagz" in ready.refused("policy", "apply", "-f", wrong, status=2)
    wrong = ready.policy("wrong", select=DAILY, backup={**BACKUP, "schedule": {"cron": "61 * * * *"}})
    assert "cron" in ready.refused("policy", "apply", "-f", wrong, status=2)
    wrong = ready.policy("wrong", select=DAILY, backup={**BACKUP, "repository": "nowhere"})
    assert "nowhere" in ready.refused("policy", "apply", "-f", wrong, status=4)
    wrong = ready.policy("wrong", account="nobody", select=DAILY, backup=BACKUP)
    assert "nobody" in ready.refused("policy", "apply", "-f", wrong, status=4)
    assert "wrong" not in [one["policy"]["name"] for one in ready.do("policy", "list")["policies"]]


def test_names_that_are_taken_or_used(ready, two):
    words = ("--url", "https://127.0.0.1:1", "--fingerprint", "ab" * 32, "--code-file", ready.folder / "password")
    said = ready.refused("appliance", "connect", "north", *words, status=7)
    assert "north" in said
    assert "web" in ready.refused("repository", "remove", "main", "--yes", status=7)
    assert "web" in ready.refused("account", "remove", "own", "--yes", status=7)
    # What another policy protects is left to it, and both say so.
    applied = ready.apply("late", status=3, select=DAILY, backup=BACKUP)
    assert applied["matched"] == []
    assert sum("protected by policy web" in line for line in applied["warnings"]) == len(two)
    ended = ready.do("policy", "run", "late", status=3)
    assert [task["state"] for task in ended["tasks"]] == ["warning", "warning"]
    ready.do("policy", "delete", "late", "--yes")


def test_a_policy_that_matches_nothing(ready):
    ready.apply("empty", status=3, select={"tags": {"no": "such"}}, backup=BACKUP)
    ended = ready.do("policy", "run", "empty", status=4)
    assert "matches nothing" in error_of(ended)["what"]
    ready.do("policy", "delete", "empty", "--yes")


def test_a_repository_that_does_not_open_is_not_taken(ready, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text("not it\n")
    words = ("repository", "add", "other", "s3://backups/main", "--password-file", wrong)
    assert "[wrong-key]" in ready.refused(*words, status=5)
    assert "nowhere" in ready.refused("repository", "add", "other", "s3://nowhere/x", status=4)
    s3 = ready.aws("s3")
    for entry in s3.list_objects_v2(Bucket="backups", Prefix="main/")["Contents"]:
        body = bytearray(s3.get_object(Bucket="backups", Key=entry["Key"])["Body"].read())
        if entry["Key"] == "main/config":
            body[len(body) // 2] ^= 1
        s3.put_object(Bucket="backups", Key=entry["Key"].replace("main/", "damaged/", 1), Body=bytes(body))
    said = ready.refused("repository", "add", "other", "s3://backups/damaged", status=6)
    assert "config" in said
    assert [one["name"] for one in ready.do("repository", "list")["repositories"]] == ["main"]


def test_an_instance_that_goes_meanwhile_hinders_no_other(ready, two):
    ready.lab_route("PUT", "faults", {"spec": "ebs:throttle=1"})  # the first one reads nothing before the other is gone
    session = ready.ask("POST", "/policies/web/run", {"targets": []})
    waiting = ready.until(lambda: queued(ready.ask("GET", f"/sessions/{session['id']}")))
    ready.aws("ec2").terminate_instances(InstanceIds=[waiting])
    ready.lab_route("PUT", "faults", {"spec": ""})
    ended = ready.ended(session)
    states = {task["workload"]["id"]: task["state"] for task in ended["tasks"]}
    assert states == {waiting: "failed", **dict.fromkeys(set(two) - {waiting}, "succeeded")}
    error = error_of(ended, waiting)
    assert error["exit_status"] == 4, error
    assert ready.do("session", "watch", session["id"], status=4)["session"]["state"] == "failed"
    assert ready.census()["snapshots"], "the other one has its base"
    small_instance(ready, "web-3")


def queued(detail):
    tasks = detail["tasks"]
    if len(tasks) < 2 or not any(task["state"] != "queued" for task in tasks):
        return None
    return next((task["workload"]["id"] for task in tasks if task["state"] == "queued"), None)


@pytest.mark.parametrize(
    ("fault", "cure", "code", "status"),
    [
        ({"vcpus": 2}, {"vcpus": 256}, "quota-reached", 7),
        ({"boot": "never"}, {"boot": "always"}, "worker-lost", 1),
        ({"launch": "Client.InternalError"}, {"launch": "ok"}, "conflict", 7),
    ],
)
def test_a_worker_that_cannot_come(ready, fault, cure, code, status):
    instance = small_instance(ready, "db", backup="never", tier="db")
    ready.apply("db", select={"tags": {"tier": "db"}}, backup=BACKUP, worker={"mode": "ec2"})
    before = without_group(ready.census())
    ready.lab_route("PUT", "instances/faults", fault)
    ended = ready.do("policy", "run", "db", status=status)
    ready.lab_route("PUT", "instances/faults", cure)
    assert error_of(ended, instance)["code"] == code
    # The last worker ends by itself once it is told to.
    ready.until(lambda: without_group(ready.census()) == before)
    ec2 = ready.aws("ec2")
    ec2.terminate_instances(InstanceIds=[instance])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[instance], WaiterConfig={"Delay": 1})


def without_group(census):
    """That of all workers in a network goes with the appliance."""
    return {kind: found for kind, found in census.items() if kind != "security_groups"}


def test_a_base_snapshot_that_somebody_deleted(ready, two):
    """Everything is read again, and what is the same is not stored again."""
    ready.run("web")
    instance = small_instance(ready, "solo", backup="solo")
    ready.apply("solo", select={"tags": {"backup": "solo"}}, backup=BACKUP)
    first = ready.do("policy", "run", "solo")["tasks"][0]
    bases = ready.ask("GET", f"/points/{first['result']['restore_point']}")["point"]["snapshots"]
    for snapshot in bases.values():
        ready.aws("ec2").delete_snapshot(SnapshotId=snapshot)
    second = ready.do("policy", "run", "solo", status=3)["tasks"][0]
    assert second["state"] == "warning"
    assert any("everything was read" in line for line in second["warnings"]), second["warnings"]
    assert second["progress"]["read_bytes"] >= first["progress"]["read_bytes"]
    assert second["result"]["stored_bytes"] == 0
    assert second["workload"]["id"] == instance
    third = ready.do("policy", "run", "solo")["tasks"][0]
    assert third["progress"]["read_bytes"] == 0


def test_an_appliance_that_is_away(ready, two):
    listen = ready.appliance.url.removeprefix("https://")
    ready.until(lambda: ready.do("point", "list")["points"])
    ready.appliance.process.kill()
    assert "[unavailable]" in ready.refused("policy", "run", "web", status=1)
    assert (known := ready.do("point", "list")["points"])
    ready.until(lambda: ready.do("appliance", "list")["appliances"][0]["state"] == "unavailable")
    assert ready.do("appliance", "list")["appliances"][0]["reason"]
    assert ready.do("point", "list")["points"] == known
    assert ready.do("session", "list")["sessions"]
    ready.appliance = ready.start_appliance("north", listen, **QUICK)
    ready.until(lambda: ready.do("appliance", "list")["appliances"][0]["state"] == "available")
    assert ready.do("policy", "list")["policies"]


def test_a_repository_that_is_gone(ready, two):
    """Its bucket was deleted: nothing is left of the attempt, and nothing else is touched."""
    before = ready.census()
    bucket = ready.aws("s3")
    for page in bucket.get_paginator("list_objects_v2").paginate(Bucket="backups"):
        for entry in page.get("Contents", []):
            bucket.delete_object(Bucket="backups", Key=entry["Key"])
    bucket.delete_bucket(Bucket="backups")
    with pytest.raises(ClientError):
        bucket.head_bucket(Bucket="backups")
    ended = ready.do("policy", "run", "web", status=4)
    for task in ended["tasks"]:
        assert "backups" in task["error"]["what"] + task["error"]["why"], task["error"]
    assert ready.census() == before
