"""`repository copy` as a person runs it, between directories."""

import shutil

import pytest

from tests.e2e.cli.conftest import Holdfast, patterned
from tests.e2e.program import Outcome

KEPT = ("workload", "kind", "tenant", "created", "keep_until", "statistics", "configuration", "size_bytes", "volumes")
COPIED = {
    "dry_run", "copied", "stored_bytes", "skipped", "failed", "warnings", "received_bytes", "sent_bytes",
    "source_requests", "target_requests", "duration_seconds",
}  # fmt: skip


@pytest.fixture
def second(holdfast: Holdfast) -> Holdfast:
    """Another repository of the same person, with a password of its own."""
    other = Holdfast(holdfast.folder, holdfast.environment)
    other.repository = str(holdfast.folder / "second")
    other.password_file = holdfast.folder / "second-password"
    other.password_file.write_bytes(b"quite another one")
    other.init()
    return other


def copy(source: Holdfast, target: Holdfast, *words: object) -> Outcome:
    files = ("--password-file", source.key_file, "--to-password-file", target.key_file)
    return source.run("repository", "copy", source.repository, target.repository, *files, *words)


def copied(source: Holdfast, target: Holdfast, *words: object, status: int = 0):
    done = copy(source, target, *words, "--output", "json")
    assert done.status == status, done.err
    return done.document


def test_what_is_copied_is_restored_from_the_copy(filled, second):
    (filled.folder / "disk").write_bytes(after := patterned([1, 9, 3, 4]))
    filled.done("backup", "disk", "--workload", "w")
    filled.done("backup", "-", "--workload", "dump", data=bytes(range(256)) * 9000)
    plan = copied(filled, second, "--dry-run", "--workload", "w")
    assert [one["workload"] for one in plan["to_copy"]] == ["w", "w"]
    assert second.done("list") == {"restore_points": []}

    first = copied(filled, second, "--workload", "w")
    assert set(first) == COPIED
    assert [one["restore_point"] for one in first["copied"]] == [one["restore_point"] for one in plan["to_copy"]]
    assert first["copied"][1]["parent"] == first["copied"][0]["copy"]
    rest = copied(filled, second)
    assert ([one["workload"] for one in rest["copied"]], len(rest["skipped"])) == (["dump"], 2)
    assert rest["source_requests"]["put"] == 2  # a pin, and its end

    points = filled.done("list")["restore_points"]
    copies = second.done("list")["restore_points"]
    assert [one["copy_of"]["restore_point"] for one in copies] == [one["restore_point"] for one in points]
    old, new = filled.done("show", "latest:w"), second.done("show", "latest:w")
    assert [new[name] for name in KEPT] == [old[name] for name in KEPT]
    assert new["copied_from"] == new["copy_of"]["repository"] != old["copied_from"]
    assert old["restore_point"][:12] in second.image("list").text
    second.done("restore", "latest:w", "--to", "out")
    assert (filled.folder / "out").read_bytes() == after
    second.check("--read-data")


def test_damage_is_named_and_the_others_are_copied(filled, second):
    (filled.folder / "disk").write_bytes(patterned([7, 8]))
    hurt = filled.done("backup", "disk", "--workload", "hurt")["restore_point"]
    pack = next(pack for pack in filled.done("show", hurt)["packs"] if pack["holds"] == "data")["pack"]
    path = filled.folder / "repository" / "packs" / pack[:2] / pack
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    done = copy(filled, second, "--output", "json")
    assert done.status == 6
    assert pack in done.err
    assert [one["restore_point"] for one in done.document["failed"]] == [hurt]
    assert [one["workload"] for one in second.done("list")["restore_points"]] == ["w"]


def test_what_is_no_target(filled, second):
    copy(filled, filled).failed(2)
    copy(filled, second, "--workload", "nobody").failed(4)
    copy(filled, second, "--workload", "w", "--restore-point", "latest:w").failed(2)
    server = {"HOLDFAST_SERVER": "https://127.0.0.1:9"}
    named = filled.run("repository", "copy", "main", second.repository, environment=server)
    assert "management server" in named.failed(2)
    filled.run("repository", "copy", "main", second.repository).failed(4)
    shutil.rmtree(second.repository)
    copy(filled, second).failed(4)
