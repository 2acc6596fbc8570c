"""What a user must be told clearly, on directories: one error of three lines, its exit code, and nothing lost."""

import hashlib
import os
import resource
import subprocess
import sys

import pytest

from tests.e2e.program import PROGRAM

MIB = 1024 * 1024


def limited(holdfast, file_size_bytes, *words):
    """A run that may write no file larger than that: what a full disk or a quota looks like to a program."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size_bytes, file_size_bytes))

    return subprocess.run(
        [*PROGRAM, *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        cwd=holdfast.folder,
        env=holdfast.environment,
        preexec_fn=limit,
    )


def test_wrong_password(filled):
    filled.key_file.write_text("wrong")
    assert "wrong-key" in filled.image("list").failed(5)


def test_no_password_and_nobody_to_ask(filled):
    said = filled.run("image", "list", "--repository", filled.repository).failed(5)
    assert "--password-file" in said


def test_no_key_for_a_new_repository(holdfast):
    assert "--kms-key" in holdfast.run("repository", "init", holdfast.repository).failed(2)
    assert not os.path.exists(holdfast.repository)


@pytest.mark.parametrize(("content", "status"), [(None, 4), (b"", 2), (b"\n", 2), (b"x" * 70_000, 2)])
def test_password_file_that_is_none(filled, content, status):
    filled.key_file.unlink()
    if content is not None:
        filled.key_file.write_bytes(content)
    filled.image("list").failed(status)


def test_mistyped_recovery_code(filled):
    filled.key_file.write_text("HF1-" + "-".join(["ABCDE"] * 11))
    filled.image("list").failed(2)


def test_no_repository_there(holdfast):
    (holdfast.folder / "repository").mkdir()
    assert "repository init" in holdfast.image("list").failed(4)
    holdfast.run("repository", "key", "list", holdfast.repository).failed(4)


def test_location_is_a_file(holdfast):
    (holdfast.folder / "repository").write_text("not a folder")
    holdfast.run("repository", "init", holdfast.repository, "--password-file", holdfast.password_file).failed(7)


def test_init_over_a_repository(filled):
    filled.run("repository", "init", filled.repository, "--password-file", filled.password_file).failed(7)
    filled.check("--read-data")


def test_place_that_may_not_be_written(holdfast):
    """Nobody, root neither, makes folders in /sys."""
    holdfast.run("repository", "init", "/sys/holdfast", "--password-file", holdfast.password_file).failed(5)


def test_foreign_folder(holdfast):
    foreign = holdfast.folder / "repository"
    (foreign / "data").mkdir(parents=True)
    (foreign / "config").write_bytes(b"id: another program's\n" * 20)
    assert "config" in holdfast.image("list").failed(6)


def test_truncated_repository(filled):
    config = filled.folder / "repository" / "config"
    content = config.read_bytes()
    config.write_bytes(content[: len(content) // 2])
    assert "config" in filled.image("list").failed(6)
    config.unlink()
    filled.image("list").failed(4)
    config.write_bytes(content)
    filled.check("--read-data")


def test_newer_format(filled):
    """The version byte of the envelope's magic says 2; the digest is that of the changed bytes."""
    config = filled.folder / "repository" / "config"
    changed = bytearray(config.read_bytes()[:-32])
    changed[7] = 2
    config.write_bytes(bytes(changed) + hashlib.sha256(changed).digest())
    assert "unsupported-format" in filled.image("list").failed(1)


def test_one_flipped_byte_in_a_pack_is_named_with_whom_it_hurts(filled):
    point = filled.done("list")["restore_points"][0]["restore_point"]
    data = [pack["pack"] for pack in filled.done("show", point)["packs"] if pack["holds"] == "data"]
    path = filled.folder / "repository" / "packs" / data[0][:2] / data[0]
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    done = filled.repo("check", "--read-data", "--output", "json")
    assert done.status == 6
    (damage,) = done.document["damage"]
    assert damage["object"] == f"packs/{data[0][:2]}/{data[0]}"
    assert damage["restore_points"] == [{"restore_point": point, "workload": "w", "volumes": ["volume"]}]
    table = filled.repo("check", "--read-data")
    assert table.status == 6
    assert all(word in table.text for word in (damage["object"], point, "volume"))
    assert data[0] in filled.image("verify", point).failed(6)
    filled.image("restore", point, "--to", "out").failed(6)
    assert [path.name for path in filled.folder.iterdir() if "out" in path.name] == []


@pytest.mark.parametrize("kind", ["config", "keys", "tenants", "packs", "points", "index", "ledger"])
def test_one_flipped_byte_in_each_kind_of_object_is_named(filled, kind):
    root = filled.folder / "repository"
    path = (
        root / kind if kind == "config" else next(path for path in sorted((root / kind).rglob("*")) if path.is_file())
    )
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)
    done = filled.repo("check", "--read-data", "--output", "json")
    assert done.status == 6
    assert str(path.relative_to(root)) in done.text + done.err
    assert "Traceback" not in done.err


def test_missing_pack(filled):
    point = filled.done("list")["restore_points"][0]["restore_point"]
    (data,) = (pack["pack"] for pack in filled.done("show", point)["packs"] if pack["holds"] == "data")
    (filled.folder / "repository" / "packs" / data[:2] / data).unlink()
    done = filled.repo("check", "--output", "json")
    assert done.status == 6
    assert data in done.document["damage"][0]["object"]


def test_disk_full_while_backing_up(filled):
    (filled.folder / "large").write_bytes(os.urandom(3 * MIB))
    done = limited(filled, MIB, "image", "backup", "large", "--workload", "large", *filled.opening)
    assert done.returncode == 1
    assert "out-of-space" in done.stderr
    assert "Traceback" not in done.stderr
    filled.check("--read-data")
    assert len(filled.done("list")["restore_points"]) == 1
    filled.done("backup", "large", "--workload", "large")


def test_disk_full_while_restoring(filled):
    done = limited(filled, MIB, "image", "restore", "latest:w", "--to", "out", *filled.opening)
    assert done.returncode == 1
    assert "out-of-space" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in filled.folder.iterdir() if "out" in path.name] == []
    filled.done("restore", "latest:w", "--to", "out")


def test_source_and_target_that_are_none(filled):
    filled.image("backup", "missing", "--workload", "w").failed(4)
    filled.image("backup", ".", "--workload", "w").failed(2)
    filled.image("backup", "/dev/null", "--workload", "w").failed(2)
    filled.image("restore", "latest:w", "--to", "disk").failed(7)
    filled.image("restore", "latest:w", "--to", "/dev/null", "--force").failed(2)
    filled.image("restore", "latest:w", "--to", ".", "--force").failed(2)
    filled.image("restore", "latest:w", "--to", "no/such/folder/out").failed(4)
    filled.image("restore", "latest:w", "--to", "out", "--volume", "other").failed(4)
    filled.image("restore", "latest:other", "--to", "out").failed(4)
    filled.image("restore", "latest:w@2001-01-01", "--to", "out").failed(4)
    filled.image("restore", "latest:w@yesterday", "--to", "out").failed(2)
    filled.check()


def test_parent_and_list_that_do_not_fit(filled):
    filled.image("backup", "disk", "--workload", "w", "--parent", "ffff").failed(4)
    filled.image("backup", "disk", "--workload", "new", "--changed-blocks", "missing").failed(2)
    filled.image("backup", "disk", "--workload", "w", "--changed-blocks", "missing").failed(4)
    (filled.folder / "changes").write_text("0 4096\nnonsense\n")
    assert "line 2" in filled.image("backup", "disk", "--workload", "w", "--changed-blocks", "changes").failed(2)
    assert len(filled.done("list")["restore_points"]) == 1


def test_missing_extra_is_named(holdfast):
    without = "import sys; sys.modules['moto'] = None; from holdfast.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", without, "lab", "run"],
        check=False,
        capture_output=True,
        text=True,
        env=holdfast.environment,
    )
    assert done.returncode == 2
    assert f"{sys.executable} -m pip install '.[lab]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_where(filled):
    filled.key_file.write_text("wrong")
    done = filled.image("list", "--debug")
    assert done.status == 5
    assert "Traceback" in done.err
    assert done.err.splitlines()[-1].startswith("  cure: ")


def test_names_from_elsewhere_are_printed_safely(holdfast):
    holdfast.init()
    (holdfast.folder / "a\x1b[2J\u202eb").write_bytes(b"content")
    holdfast.done("backup", "a\x1b[2J\u202eb", "--workload", "w")
    shown = holdfast.image("show", "latest:w")
    assert "a\\x1b[2J\\u202eb" in shown.text
    assert holdfast.done("show", "latest:w")["volumes"][0]["source"]["name"] == "a\x1b[2J\u202eb"
    assert b"\x1b" not in holdfast.image("show", "latest:w", "--output", "yaml").out


def test_names_that_are_no_text(filled):
    """File names are bytes; one that is no UTF-8 is a target like any other."""
    filled.done("restore", "latest:w", "--to", os.fsdecode(b"out\xff"))
    assert (filled.folder / os.fsdecode(b"out\xff")).read_bytes() == (filled.folder / "disk").read_bytes()
    filled.image("restore", os.fsdecode(b"latest:\xff"), "--to", "x").failed(4)


def test_streams_that_were_closed(filled):
    """A volume must not end up where a closed stream's number leads."""
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        words = [*PROGRAM, "image", "restore", "latest:w", "--to", "out", "--force", *filled.opening]
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {closed}', "sh", *words],
            check=False,
            capture_output=True,
            cwd=filled.folder,
            env=filled.environment,
        )
        assert done.returncode == 0, done.stderr
        assert (filled.folder / "out").read_bytes() == (filled.folder / "disk").read_bytes()


def test_nobody_listens_to_progress(filled):
    (filled.folder / "disk").write_bytes(os.urandom(8 * MIB))
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*PROGRAM, "image", "backup", "disk", "--workload", "w", *filled.opening, "--output", "json"],
            check=False,
            stdout=subprocess.PIPE,
            stderr=full,
            cwd=filled.folder,
            env=filled.environment,
        )
    assert done.returncode == 0
    assert b"restore_point" in done.stdout


def test_memory_that_cannot_be_kept_is_a_warning(filled):
    (filled.folder / "home").write_text("in the way")
    done = filled.image("restore", "latest:w", "--to", "out", "--output", "json", "--no-progress")
    assert done.status == 3
    assert done.err.startswith("warning: ")
    assert "HOLDFAST_HOME" in done.err
    assert done.document["sha256"]


def test_a_stream_becomes_no_snapshot(filled):
    filled.done("backup", "-", "--workload", "s", data=b"a dump")
    assert "a stream" in filled.image("restore", "latest:s", "--to", "ebs:?region=eu-central-1").failed(2)


def test_a_drill_that_cannot_be_remembered_is_one(filled):
    drill = ["repository", "key", "drill", filled.repository, "--recovery-code-file", filled.key_file]
    done = filled.run(*drill, "--output", "json", environment={"HOLDFAST_HOME": "/proc/nowhere"})
    assert done.status == 3, done.err
    assert done.document["kind"] == "recovery"
    assert "is not remembered" in done.err


def test_what_goes_is_named_before_it_is_asked_for(filled):
    listed = filled.run("repository", "key", "list", filled.repository, "--output", "json").document["key_slots"]
    [password] = [one for one in listed if one["kind"] == "password"]
    remove = [
        "repository",
        "key",
        "remove",
        filled.repository,
        password["slot"][:6],
        "--password-file",
        filled.key_file,
    ]
    assert f"will not remove key slot {password['slot']} (password, first password)" in filled.run(*remove).failed(2)


def test_words_that_are_out_of_bounds_are_refused_by_name(filled):
    opening = ["--password-file", filled.key_file]
    rekey = ["repository", "rekey", filled.repository, *opening, "--wait", "9999999999999999"]
    assert "--wait" in filled.run(*rekey).failed(2)
    backup = ["backup", "disk", "--workload", "w", "--keep", "9000y"]
    assert "--keep '9000y' is too long" in filled.image(*backup).failed(2)
    assert "is no time" in filled.image("show", "latest:w@0001-01-01T00:00:00+05:00").failed(2)
    label = ["repository", "key", "add", filled.repository, "--recovery", *opening, "--label", "x" * 100_000]
    assert "--label is too long" in filled.run(*label).failed(2)
    only = ["repository", "repair", filled.repository, *opening, "--ledger-only", "--restore-point", "latest:w"]
    assert "--restore-point" in filled.run(*only).failed(2)
