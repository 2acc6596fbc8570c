"""The whole story on a directory: every command of `repository` and `image`, as a person runs them."""

import hashlib
import os
import shutil
import stat

import pytest
import yaml

from tests.e2e.cli.conftest import patterned

BACKUP_FIELDS = {
    "restore_point", "workload", "kind", "method", "parent", "size_bytes", "changed_bytes", "read_bytes",
    "resumed_bytes", "new_chunks", "new_bytes_plain", "stored_bytes", "duration_seconds", "requests", "warnings",
    "trusted", "keep_until", "single_writer",
}  # fmt: skip
RESTORE_FIELDS = {
    "restore_point", "workload", "volume", "target", "size_bytes", "read_bytes", "requests", "duration_seconds",
    "sha256", "snapshot_id", "warnings", "lost", "lost_bytes",
}  # fmt: skip


def test_backup_incremental_list_show_restore_verify_delete(holdfast):
    holdfast.init()
    disk = holdfast.folder / "disk"
    disk.write_bytes(first := patterned([1, 2, None, 3, 4], b"ragged"))
    full = holdfast.done("backup", disk, "--workload", "db")
    assert set(full) == BACKUP_FIELDS
    assert set(full["requests"]) == {"get", "put", "list", "head"}
    assert (full["method"], full["parent"], full["kind"]) == ("full", None, "image")
    assert full["size_bytes"] == len(first)
    assert full["new_chunks"] == 5

    disk.write_bytes(second := patterned([1, 9, None, None, 4], b"ragged"))
    (holdfast.folder / "changes").write_text("524288 10\n1572864 524288 # freed\n")
    partial = holdfast.done("backup", disk, "--workload", "db", "--changed-blocks", "changes", "--compression", "best")
    assert (partial["method"], partial["parent"]) == ("changed-blocks", full["restore_point"])
    assert full["trusted"] is None
    assert "changes" in partial["trusted"]
    assert partial["read_bytes"] == 2 * 512 * 1024
    assert partial["new_chunks"] == 1

    listed = holdfast.done("list", "--workload", "db")["restore_points"]
    assert [point["restore_point"] for point in listed] == [full["restore_point"], partial["restore_point"]]
    assert holdfast.done("list", "--workload", "other") == {"restore_points": []}
    shown = holdfast.done("show", "latest:db")
    assert shown["volumes"][0]["source"] == {"kind": "file", "name": "disk"}
    assert shown["parent"] == full["restore_point"]
    assert sum(pack["size_bytes"] for pack in shown["packs"]) == shown["stored_bytes"] == partial["stored_bytes"]

    for point, content in ((full["restore_point"][:10], first), ("latest:db", second)):
        restored = holdfast.done("restore", point, "--to", "out", "--force")
        assert set(restored) == RESTORE_FIELDS
        assert (holdfast.folder / "out").read_bytes() == content
        assert restored["sha256"] == hashlib.sha256(content).hexdigest()
        assert restored["snapshot_id"] is None
        assert restored["read_bytes"] > 0
        assert (restored["lost"], restored["lost_bytes"]) == ([], 0)
    verified = holdfast.done("verify", "latest:db")
    assert (verified["size_bytes"], verified["volumes"]) == (len(second), 1)
    assert holdfast.check("--read-data")["packs_read"] > 0

    holdfast.image("delete", full["restore_point"]).failed(2)
    holdfast.done("delete", full["restore_point"], "--yes")
    holdfast.image("restore", full["restore_point"], "--to", "gone").failed(4)
    assert [point["restore_point"] for point in holdfast.done("list")["restore_points"]] == [partial["restore_point"]]
    assert holdfast.done("restore", "latest:db", "--to", "out2")["sha256"] == hashlib.sha256(second).hexdigest()


def test_streams_pass_through_pipes(holdfast):
    holdfast.init()
    content = os.urandom(3_000_000) + bytes(1_000_000)
    stored = holdfast.done("backup", "-", "--workload", "dump", data=content)
    assert (stored["kind"], stored["method"], stored["size_bytes"]) == ("stream", "stream", len(content))
    restored = holdfast.image("restore", "latest:dump", "--to", "-", "--output", "json", "--no-progress")
    assert restored.status == 0
    assert restored.out == content
    assert hashlib.sha256(content).hexdigest() in restored.err
    assert holdfast.done("restore", "latest:dump", "--to", "file")["size_bytes"] == len(content)
    assert (holdfast.folder / "file").read_bytes() == content
    holdfast.image("backup", "-", "--workload", "dump", "--changed-blocks", "x", data=b"1").failed(2)


def test_empty_volume_and_stream(holdfast):
    holdfast.init()
    (holdfast.folder / "empty").write_bytes(b"")
    for source in ("empty", "-"):
        made = holdfast.image("backup", source, "--workload", source, "--output", "json")
        assert (made.status, made.document["size_bytes"]) == (3, 0)
        assert "the restore point is empty" in made.err
        restored = holdfast.done("restore", f"latest:{source}", "--to", f"out{source}")
        assert restored["sha256"] == hashlib.sha256(b"").hexdigest()


def test_no_sha256_leaves_the_file_unread(holdfast):
    holdfast.init()
    (holdfast.folder / "disk").write_bytes(b"content")
    holdfast.done("backup", "disk", "--workload", "w")
    assert holdfast.done("restore", "latest:w", "--to", "out", "--no-sha256")["sha256"] is None


def test_every_form_says_the_same(holdfast):
    made = holdfast.init("--output", "json")
    assert made.document["recovery_code"].startswith("HF1-")
    assert "recovery code" in made.err
    shown = holdfast.repo("show", "--output", "json").document
    assert shown["repository"] == made.document["repository"]
    assert yaml.safe_load(holdfast.repo("show", "--output", "yaml").text) == shown
    table = holdfast.repo("show").text
    assert shown["repository"] in table
    assert holdfast.repo("stats", "--output", "json").document["restore_points"] == 0


def test_progress_stays_on_standard_error(holdfast):
    holdfast.init()
    (holdfast.folder / "disk").write_bytes(b"content")
    done = holdfast.image("backup", "disk", "--workload", "w", "--output", "json")
    assert done.document["workload"] == "w"
    # On a machine that lets it take five seconds there is a line.
    assert all(line.startswith("backing up: ") for line in done.err.splitlines())


def test_keys(holdfast):
    code = holdfast.init("--output", "json").document["recovery_code"]
    holdfast.key_file = holdfast.password_file
    other, recovery = holdfast.folder / "other", holdfast.folder / "code"
    other.write_text("another password\n")
    recovery.write_text(code.lower() + "\n")

    def key(verb, *words):
        return holdfast.run("repository", "key", verb, holdfast.repository, *words)

    slots = key("list", "--output", "json").document["key_slots"]
    assert sorted(slot["kind"] for slot in slots) == ["password", "recovery"]
    junk = holdfast.folder / "repository" / "keys" / ("ab" * 16)
    junk.write_bytes(b"junk")
    listed = key("list", "--output", "json")
    assert [one["slot"] for one in listed.document["damaged"]] == [junk.name]
    assert f"key slot {junk.name} is damaged" in listed.err
    assert b"damaged" in key("list").out
    removed = key("remove", junk.name, "--password-file", holdfast.password_file, "--yes", "--output", "json")
    assert removed.document["slot"] == junk.name
    assert not junk.exists()
    added = key(
        "add", "--password-file", recovery, "--new-password-file", other, "--label", "second", "--output", "json"
    )
    assert added.document["label"] == "second"
    assert holdfast.run("repository", "show", holdfast.repository, "--password-file", other).status == 0
    password_slot = next(slot["slot"] for slot in slots if slot["kind"] == "password")
    key("remove", password_slot, "--password-file", other).failed(2)
    assert key("remove", password_slot, "--password-file", other, "--yes").status == 0
    holdfast.repo("show").failed(5)
    recovery_slot = next(slot["slot"] for slot in slots if slot["kind"] == "recovery")
    key("remove", recovery_slot, "--password-file", other, "--yes").failed(7)
    another = key("add", "--recovery", "--password-file", other, "--output", "json").document["recovery_code"]
    assert key("remove", recovery_slot, "--password-file", other, "--yes").status == 0
    holdfast.run("repository", "show", holdfast.repository, "--password-file", recovery).failed(5)
    recovery.write_text(another)
    assert holdfast.run("repository", "show", holdfast.repository, "--password-file", recovery).status == 0
    key("remove", "ffffffff", "--password-file", other, "--yes").failed(4)
    key("add", "--password-file", other).failed(2)
    key("add", "--recovery", "--new-password-file", other, "--password-file", other).failed(2)


def test_each_way_in_is_tried_and_a_rotation_leaves_others_behind(holdfast):
    code = holdfast.init("--output", "json").document["recovery_code"]
    recovery, other = holdfast.folder / "code", holdfast.folder / "other"
    recovery.write_text(code + "\n")
    other.write_text("another password\n")
    (holdfast.folder / "disk").write_bytes(b"content")
    holdfast.done("backup", "disk", "--workload", "w")

    def key(verb, *words):
        return holdfast.run("repository", "key", verb, holdfast.repository, *words, "--output", "json")

    assert "was never tried here" in key("list").err
    tried = key("drill", "--recovery-code-file", recovery)
    assert (tried.document["kind"], tried.document["read_bytes"]) == ("recovery", len(b"content"))
    listed = key("list")
    assert "tried" not in listed.err
    drills = {slot["kind"]: slot["last_drill"] for slot in listed.document["key_slots"]}
    assert drills["password"] is None
    assert drills["recovery"]
    key("drill", "--recovery-code-file", other).failed(2)
    key("drill", "--recovery-code-file", recovery, "--kms").failed(2)
    rotated = key("rotate", "--password-file", recovery, "--new-password-file", other)
    assert rotated.document["key_epoch"] == 2
    assert {slot["kind"] for slot in rotated.document["left_behind"]} == {"password", "recovery"}
    assert "opens past key epochs only" in rotated.err
    assert rotated.status == 3, "the first password's owner is not told of it otherwise"
    again = key("rotate", "--password-file", other)
    assert {slot["kind"] for slot in again.document["left_behind"]} == {"recovery"}
    assert (again.status, again.document["key_epoch"]) == (0, 3)
    holdfast.repo("show").failed(5)
    assert key("drill", "--password-file", other).document["key_epoch"] == 3
    current = {slot["key_epoch"]: slot["current"] for slot in key("list").document["key_slots"]}
    assert current == {1: False, 2: False, 3: True}


def test_suite_1_is_kept_and_shown(holdfast):
    holdfast.init("--encryption-suite", "1")
    shown = holdfast.repo("show", "--output", "json").document
    assert shown["encryption_suite"] == 1


def test_password_from_the_environment(holdfast):
    environment = {"HOLDFAST_PASSWORD_FILE": str(holdfast.password_file)}
    assert holdfast.run("repository", "init", holdfast.repository, environment=environment).status == 0
    assert holdfast.run("repository", "show", holdfast.repository, environment=environment).status == 0
    holdfast.password_file.write_text("wrong")
    holdfast.run("repository", "show", holdfast.repository, environment=environment).failed(5)


def test_what_is_remembered_notices_a_store_that_was_set_back(holdfast):
    holdfast.init()
    (holdfast.folder / "disk").write_bytes(b"content")
    holdfast.done("backup", "disk", "--workload", "w")
    ledger = sorted((holdfast.folder / "repository" / "ledger").iterdir())
    ledger[-1].unlink()
    said = holdfast.image("list").failed(7)
    assert "--accept-ledger" in said
    assert holdfast.repo("show", "--accept-ledger").status == 0
    assert holdfast.image("list").status == 0


def test_a_ledger_whose_end_is_lost_is_told_again_what_stands(holdfast):
    holdfast.init()
    (holdfast.folder / "disk").write_bytes(b"content")
    first, last = (holdfast.done("backup", "disk", "--workload", name)["restore_point"] for name in "vw")
    for batch in sorted((holdfast.folder / "repository" / "ledger").iterdir())[-2:]:
        batch.unlink()
    shutil.rmtree(holdfast.folder / "home")  # nobody remembers
    assert "repair --ledger-only" in holdfast.repo("collect-garbage").failed(6)
    holdfast.repo("repair", "--ledger-only", "--from", "elsewhere").failed(2)
    rehearsed = holdfast.repo("repair", "--ledger-only", "--dry-run")
    assert (rehearsed.status, "would be recorded again" in rehearsed.text) == (0, True)
    told = holdfast.repo("repair", "--ledger-only", "--output", "json").document
    assert [key.rpartition("/")[2] for key in told["recorded_points"]] == [last]
    assert told["packs_read"] == 0
    assert holdfast.repo("collect-garbage").status == 0
    listed = holdfast.image("list", "--output", "json").document["restore_points"]
    assert [one["restore_point"] for one in listed] == [first, last]


def test_what_is_remembered_is_private_and_replaced_by_init(holdfast):
    holdfast.init()
    home = holdfast.folder / "home"
    (kept,) = (home / "locations").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (home, home / "locations")} == {0o700}
    os.rename(holdfast.repository, holdfast.folder / "moved")
    holdfast.init()
    assert holdfast.repo("show").status == 0
    holdfast.key_file = holdfast.password_file
    os.rename(holdfast.repository, holdfast.folder / "second")
    os.rename(holdfast.folder / "moved", holdfast.repository)
    holdfast.repo("show").failed(7)


def test_check_read_only_remembers_nothing(holdfast):
    holdfast.init()
    (kept,) = (holdfast.folder / "home" / "locations").iterdir()
    before = kept.read_bytes()
    (holdfast.folder / "disk").write_bytes(b"content")
    elsewhere = {"HOLDFAST_HOME": str(holdfast.folder / "elsewhere")}
    made = holdfast.run("image", "backup", "disk", "--workload", "w", *holdfast.opening, environment=elsewhere)
    assert made.status == 0
    objects = sorted(path for path in (holdfast.folder / "repository").rglob("*"))
    holdfast.check("--read-only", "--read-data=50%")
    assert kept.read_bytes() == before
    assert sorted(path for path in (holdfast.folder / "repository").rglob("*")) == objects
    holdfast.check()
    assert kept.read_bytes() != before


@pytest.mark.parametrize("words", [["--read-data"], ["--read-data=100"], ["--read-data", "--read-only"]])
def test_read_data_takes_an_optional_share(holdfast, words):
    holdfast.init()
    (holdfast.folder / "disk").write_bytes(b"content")
    holdfast.done("backup", "disk", "--workload", "w")
    done = holdfast.run(
        "repository",
        "check",
        *words,
        holdfast.repository,
        "--password-file",
        holdfast.key_file,
        "--output",
        "json",
    )
    assert done.document["packs_read"] == 2
