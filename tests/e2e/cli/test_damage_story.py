"""Damage as a person meets it: found without a password, named with whom it hurts, healed, and then no concern."""

import hashlib
import random
from pathlib import Path

REPAIR_FIELDS = {
    "dry_run", "packs_read", "read_bytes", "written_packs", "written_bytes", "index_runs", "plan", "packs",
    "replaced_index_runs", "damage", "reinstated", "recorded_points", "covered",
}  # fmt: skip
SCRUB_FIELDS = {
    "objects", "stored_bytes", "packs", "packs_read", "read_bytes", "packs_cold", "cold_bytes", "foreign_files",
    "foreign", "damage",
}  # fmt: skip


def flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[random.Random(1).randrange(200, len(body) // 2)] ^= 1
    path.chmod(0o600)
    path.write_bytes(bytes(body))


def largest_pack(holdfast) -> Path:
    packs = (path for path in (Path(holdfast.repository) / "packs").rglob("*") if path.is_file())
    return max(packs, key=lambda path: path.stat().st_size)


def scrubbed(holdfast, status):
    done = holdfast.run("repository", "scrub", holdfast.repository, "--output", "json")
    assert done.status == status, done.err
    return done


def named(outcome) -> list[str]:
    return [one["object"] for one in outcome.document["damage"]]


def test_from_the_first_word_to_the_last(filled):
    disk = (filled.folder / "disk").read_bytes()
    whole = scrubbed(filled, 0)
    assert set(whole.document) == SCRUB_FIELDS
    assert whole.document["read_bytes"] == whole.document["stored_bytes"]
    pack = largest_pack(filled)
    key = str(pack.relative_to(filled.repository))
    flip(pack)

    assert named(scrubbed(filled, 6)) == [key]
    checked = filled.repo("check", "--read-data", "--output", "json")
    assert checked.status == 6
    assert "holdfast repository repair" in checked.err
    [damage] = checked.document["damage"]
    assert (damage["object"], damage["harmless"]) == (key, False)
    [point] = damage["restore_points"]
    assert point["workload"] == "w"
    assert point["volumes"] == ["volume"]

    alone = filled.repo("repair", "--dry-run", "--output", "json")
    assert alone.status == 6
    assert [one["lost_chunks"] for one in alone.document["packs"]] == [1]
    healed = filled.repo("repair", "--source", "disk", "--restore-point", "latest:w", "--output", "json")
    assert healed.status == 0, healed.err
    assert set(healed.document) == REPAIR_FIELDS
    [one] = healed.document["packs"]
    assert (one["object"], one["lost_chunks"], one["restore_points"]) == (key, 0, [])

    again = filled.repo("check", "--read-data", "--output", "json")
    assert again.status == 3
    assert [one["harmless"] for one in again.document["damage"]] == [True]
    restored = filled.done("restore", "latest:w", "--to", "out", status=3)
    assert restored["warnings"][0].startswith(key)
    assert (filled.folder / "out").read_bytes() == disk


def test_another_repository_heals_a_pack_that_is_gone(filled):
    other, filled.key_file = str(filled.folder / "other"), filled.password_file
    keys = ("--to-password-file", filled.password_file)
    assert filled.run("repository", "init", other, "--password-file", filled.password_file).status == 0
    copied = filled.repo("copy", other, *keys)
    assert copied.status == 0, copied.err
    largest_pack(filled).unlink()
    healed = filled.repo("repair", "--from", other)
    assert healed.status == 0, healed.err
    filled.done("restore", "latest:w", "--to", "out")
    assert (filled.folder / "out").read_bytes() == (filled.folder / "disk").read_bytes()


def test_a_backup_upon_a_map_that_is_gone_says_how_to_do_without_it(filled):
    packs = [path for path in (Path(filled.repository) / "packs").rglob("*") if path.is_file()]
    gone = min(packs, key=lambda path: path.stat().st_size)
    gone.unlink()
    err = filled.image("backup", "disk", "--workload", "w").failed(4)
    assert f"packs/{gone.parent.name}/{gone.name}" in err
    assert "--parent none" in err
    again = filled.image("backup", "disk", "--workload", "w", "--parent", "none")
    assert again.status == 0, again.err


def test_what_there_is_is_salvaged(filled):
    disk, pack, out = (filled.folder / "disk").read_bytes(), largest_pack(filled), filled.folder / "out"
    key = str(pack.relative_to(filled.repository))
    flip(pack)
    assert "--salvage" in filled.image("restore", "latest:w", "--to", "out").failed(6)
    assert not out.exists()

    left = filled.image("restore", "latest:w", "--to", "out", "--salvage", "--output", "json")
    assert left.status == 6
    [lost] = left.document["lost"]
    assert (lost["object"], lost["length"]) == (key, left.document["lost_bytes"])
    assert f"lost: volume, {lost['length']} bytes at {lost['offset']}: {key} ({lost['why']})" in left.err
    end = lost["offset"] + lost["length"]
    content = disk[: lost["offset"]] + bytes(lost["length"]) + disk[end:]
    assert out.read_bytes() == content
    assert left.document["sha256"] == hashlib.sha256(content).hexdigest()

    pipe = filled.image("restore", "latest:w", "--to", "-", "--salvage")
    assert (pipe.status, pipe.out) == (6, content)
    pack.unlink()
    assert len(filled.done("restore", "latest:w", "--to", "gone", "--salvage", status=6)["lost"]) == 1


def test_words_that_do_not_fit(filled):
    refused = filled.repo("repair", "--restore-point", "latest:w").failed(2)
    assert "add --source" in refused
