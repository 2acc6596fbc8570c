"""What people do with a site day by day: policies, runs, points, sessions. Workers are processes here."""

from pathlib import Path

import pytest

from tests.e2e.product.site import changed, workers_of

MIB = 1024**2
BLOCK_BYTES = 512 * 1024
BACKUP = {"repository": "main", "retention": {"keep": 2}}


@pytest.fixture(scope="module")
def web(ready):
    """An instance with a file system on its data disk, and a policy that protects it."""
    instance = ready.people.start_instance("web-1", 64 * MIB, {"backup": "daily"})
    ready.apply("web", select={"tags": {"backup": "daily"}}, snapshot={"keep": 2}, backup=BACKUP)
    return instance


def test_a_policy_is_applied_changed_and_left_alone(ready):
    spec = {"select": {"tags": {"tier": "db"}}, "backup": BACKUP}
    tried = ready.apply("db", dry_run=True, status=3, **spec)
    assert (tried["change"], tried["matched"]) == ("created", [])
    assert ready.do("policy", "list")["policies"] == []
    assert ready.apply("db", status=3, **spec)["change"] == "created"
    assert ready.apply("db", status=3, **spec)["change"] == "unchanged"
    spec["backup"] = {"repository": "main", "retention": {"keep": 9}}
    tried = ready.apply("db", dry_run=True, status=3, **spec)
    assert tried["change"] == "changed"
    assert any("9" in line for line in tried["difference"])
    assert ready.do("policy", "show", "db")["policy"]["backup"]["retention"]["keep"] == 2
    ready.do("policy", "delete", "db", "--yes")


def test_an_incremental_reads_what_changed(ready, web):
    people, before = ready.people, ready.census()
    first = ready.do("policy", "run", "web")
    (task,) = first["tasks"]
    assert task["state"] == "succeeded"
    assert [(one["mode"], one["ended_at"] is not None) for one in task["workers"]] == [("local", True)]
    full = task["progress"]["read_bytes"]
    assert full > 16 * MIB
    # Two snapshots stay, and serve the point that they are and as the base of the next backup.
    assert changed(before, ready.census()) == {"snapshots": (2, 0)}

    unchanged = ready.run("web")["tasks"][0]
    assert (unchanged["progress"]["read_bytes"], unchanged["result"]["stored_bytes"]) == (0, 0)
    people.change_files(web, 2)
    blocks = people.blocks_read()
    (task,) = ready.run("web")["tasks"]
    read_blocks = people.blocks_read() - blocks
    assert 0 < read_blocks * BLOCK_BYTES == task["progress"]["read_bytes"] < full / 2
    image = task["result"]["restore_point"]

    listed = ready.until(lambda: of_policy(ready, web, image))
    kinds = [one["kind"] for one in listed]
    assert (kinds.count("snapshot"), kinds.count("image-backup")) == (2, 2), "retention keeps two of each"
    shown = ready.do("point", "show", image[:10])
    assert shown["point"]["parent"] == unchanged["result"]["restore_point"]
    assert shown["configuration"]["user_data"] is None
    assert len(shown["configuration"]["volumes"]) == 2
    log = ready.do("session", "log", first["session"]["id"])["lines"]
    assert [line["sequence"] for line in log] == list(range(1, len(log) + 1))
    assert ready.do("session", "watch", first["session"]["id"])["session"]["state"] == "succeeded"
    assert ready.do("session", "show", first["session"]["id"][:8])["tasks"] == first["tasks"]
    sessions = ready.do("session", "list", "--kind", "policy", "--of", "web", "--last", "2")["sessions"]
    assert [one["subject"] for one in sessions] == ["web", "web"]


def of_policy(site, instance, newest):
    """Its points once the server knows the newest, and retention has been."""
    found = site.do("point", "list", "--workload", instance)["points"]
    return found if len(found) == 4 and newest in [one["id"] for one in found] else None


def test_retention_keeps_as_many_as_it_says(ready, web):
    """Whatever was kept still restores, and the snapshots that stay are those that points name."""
    newest = ready.run("web")["tasks"][0]["result"]
    listed = ready.until(lambda: of_policy(ready, web, newest["restore_point"]))
    named = {snapshot for one in listed for snapshot in one["snapshots"].values()}
    assert set(ready.census()["snapshots"]) == named
    assert len(named) == 4, "two snapshot points of two volumes; the newest serves the newest backup"
    for one in listed:
        if one["kind"] == "image-backup":
            words = ("--repository", "s3://backups/main")
            assert ready.do("image", "verify", one["id"], *words)["restore_point"] == one["id"]


def test_an_image_backup_is_read_back(ready, web):
    newest = next(one for one in ready.do("point", "list")["points"] if one["kind"] == "image-backup")
    done = ready.do("point", "verify", newest["id"][:10], "--worker-mode", "local")
    (task,) = done["tasks"]
    assert (done["session"]["kind"], task["result"]["outcome"]) == ("verify", "good")
    assert task["result"]["read_bytes"] > 0
    shown = ready.until(lambda: ready.do("point", "show", newest["id"])["point"]["verification"])
    assert (shown["outcome"], shown["packs"]) == ("good", task["result"]["packs"])


def test_a_manual_snapshot_stays_until_a_person_deletes_it(ready, web):
    before = ready.census()
    words = ("--account", "own", "--region", ready.region)
    done = ready.do("point", "snapshot", web, *words)
    point = done["tasks"][0]["result"]["snapshot_point"]
    assert changed(before, ready.census()) == {"snapshots": (2, 0)}
    ready.until(lambda: point in [one["id"] for one in ready.do("point", "list")["points"]])
    assert ready.do("point", "show", point)["point"]["kind"] == "manual-snapshot"
    assert ready.do("point", "delete", point, "--yes")["session"]["state"] == "succeeded"
    assert ready.census() == before
    assert "[not-found]" in ready.refused("point", "show", "f" * 32, status=4)


def test_an_image_backup_is_deleted(ready, web):
    oldest = [one for one in ready.do("point", "list")["points"] if one["kind"] == "image-backup"][-1]
    ready.do("point", "delete", oldest["id"], "--yes")
    ready.until(lambda: oldest["id"] not in [one["id"] for one in ready.do("point", "list")["points"]])
    listed = ready.do("image", "list", "--repository", "s3://backups/main")["restore_points"]
    assert len(listed) == 1
    assert listed[0]["restore_point"] != oldest["id"]


def test_a_cancelled_run_leaves_no_worker_and_nothing_else(ready, web):
    ready.people.change_files(web, 8)
    before = ready.census()
    ready.lab_route("PUT", "faults", {"spec": "ebs:slow=3600s"})
    try:
        session = ready.do("policy", "run", "web", "--no-wait")["session"]
        worker = ready.until(lambda: workers_of(ready.appliance.process.pid))[0]
        assert "has not ended" in ready.refused("policy", "run", "web", status=7)
        ready.do("policy", "stop", "web", "--yes")
        ended = ready.do("session", "watch", session["id"], status=1)
    finally:
        ready.lab_route("PUT", "faults", {"spec": ""})
    assert ended["session"]["state"] == "cancelled"
    assert [task["state"] for task in ended["tasks"]] == ["cancelled"]
    assert not Path(f"/proc/{worker}").exists()
    # A snapshot that was a restore point already, stays one.
    came = set(ready.census()["snapshots"]) - set(before["snapshots"])

    def are_points():
        points = ready.ask("GET", "/points", limit="100")["items"]
        return came <= {snapshot for one in points for snapshot in one["snapshots"].values()}

    ready.until(are_points)
    scratch = ready.aws("s3").list_objects_v2(Bucket="backups", Prefix="main/sessions/")
    assert scratch["KeyCount"] == 0
    assert ready.run("web")["tasks"][0]["state"] == "succeeded"


def test_what_went_is_freed_in_the_repository(ready, web):
    """By the appliance, beside its other work; what is left is whole, and the next backup builds upon it."""
    assert ready.do("repository", "show", "main")["collection"] is None
    foreseen = ready.do("repository", "collect-garbage", "main", "--dry-run")
    assert foreseen["condemned_packs"] > 0
    assert foreseen["deleted_packs"] == 0
    done = ready.do("repository", "collect-garbage", "main", "--appliance", "north")
    assert done["condemned_packs"] == foreseen["condemned_packs"]
    assert done["deleted_packs"] > 0
    assert done["freed_bytes"] > 0
    assert done["waiting"] == []
    last = ready.until(lambda: ready.do("repository", "show", "main")["collection"])
    assert (last["session"], last["appliance"], last["error"]) == (done["session"], "north", None)
    assert (last["state"], last["trigger"]) == ("succeeded", "person")
    kinds = [one["kind"] for one in ready.do("session", "list", "--of", "main")["sessions"]]
    assert kinds == ["collect-garbage", "look-for-garbage"]
    checked = ready.do("repository", "check", "s3://backups/main", "--read-data")
    assert (checked["damage"], checked["unreferenced_packs"]) == ([], 0)
    newest = ready.run("web")["tasks"][0]["result"]["restore_point"]
    assert ready.do("image", "verify", newest, "--repository", "s3://backups/main")["restore_point"] == newest
    assert "[not-found]" in ready.refused("repository", "collect-garbage", "nowhere", status=4)


def test_policies_are_disabled_enabled_exported_and_deleted(ready, web, tmp_path):
    ready.do("policy", "disable", "web")
    assert ready.do("policy", "list")["policies"][0]["enabled"] is False
    ready.do("policy", "enable", "web")
    document = tmp_path / "web.yaml"
    document.write_bytes(ready.type("policy", "export", "web").out)
    assert ready.do("policy", "apply", "-f", document)["change"] == "unchanged"
    before = ready.census()
    ready.do("policy", "delete", "web", "--yes")
    assert ready.census() == before, "its points stay"
    assert "[not-found]" in ready.refused("policy", "run", "web", status=4)
