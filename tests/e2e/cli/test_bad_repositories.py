"""Key slots of somebody who wishes harm, and a place where only some of the objects have arrived: the right exit code,
the object's name, and nothing written.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import cbor2
import pytest

from holdfast.repository.crypto.keyed_hash import DEFAULT_SUITE
from holdfast.repository.format import key_slot
from holdfast.repository.format.envelope import read_header

SLOT = bytes(16)
ARGON2 = {"salt": bytes(16), "memory_kib": 65536, "iterations": 3, "lanes": 4}


def objects(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def slot_object(repository: bytes, said_length: int | None = None, **parameters: Any) -> bytes:
    """A password slot of that repository, whose header may be longer or shorter than it says."""
    facts = {"format": 1, "suite": DEFAULT_SUITE, "repository": repository, "kid": 1, "slot": SLOT, "kind": "password"}
    header = cbor2.dumps({**facts, "label": "", "created": "", **ARGON2, **parameters}, canonical=True)
    length = len(header) if said_length is None else said_length
    body = key_slot.FIXED.pack(key_slot.MAGIC, min(length, 0xFFFF)) + header + bytes(key_slot.TAIL_BYTES - 32)
    return body + hashlib.sha256(body).digest()


HOSTILE: list[dict[str, Any]] = [
    {"memory_kib": (1 << 20) + 1}, {"memory_kib": 1 << 40}, {"iterations": 11}, {"iterations": 1 << 62}, {"lanes": 17},
    {"salt": bytes(60_000)}, {"label": "x" * 70_000}, {"said_length": 60_000}, {"said_length": 1},
]  # fmt: skip


def test_a_slot_that_asks_for_too_much_is_named(filled):
    """It is all that there is, so that nothing else can open; and it is refused before it costs anything."""
    root = Path(filled.repository)
    repository = read_header((root / "config").read_bytes(), "config").repository
    for path in (root / "keys").iterdir():
        path.unlink()
    filled.key_file.write_text("a password")
    for parameters in HOSTILE:
        (root / "keys" / SLOT.hex()).write_bytes(slot_object(repository, **parameters))
        before = objects(root)
        assert f"keys/{SLOT.hex()}" in filled.image("list").failed(6), parameters
        assert objects(root) == before
    (root / "keys" / SLOT.hex()).write_bytes(slot_object(repository))
    filled.image("list").failed(5)


BACKUP = ("image", "backup", "disk", "--workload", "w")
RESTORE = ("image", "restore", "latest:w", "--to", "out")
LIST = ("image", "list")
COLLECT = ("repository", "collect-garbage")
CHECK = ("repository", "check")
FIRST_BATCH = "ledger/00000000000000000001"


@pytest.mark.parametrize(
    ("missing", "refused"),
    [
        ("keys/", [(LIST, 5, "have not arrived"), (BACKUP, 5, "have not arrived")]),
        ("tenants/", [(BACKUP, 6, "tenants/"), (COLLECT, 6, "tenants/"), (CHECK, 6, "tenants/")]),
        (FIRST_BATCH, [(BACKUP, 6, "ledger/"), (COLLECT, 6, "ledger/"), (CHECK, 6, FIRST_BATCH)]),
        ("ledger/", [(BACKUP, 6, FIRST_BATCH), (COLLECT, 6, FIRST_BATCH), (CHECK, 6, FIRST_BATCH)]),
        ("points/", [(COLLECT, 6, "points/"), (CHECK, 6, "points/"), (RESTORE, 4, "points/")]),
        ("packs/", [(COLLECT, 6, "packs/"), (CHECK, 6, "packs/"), (RESTORE, 4, "packs/")]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_where_half_has_arrived_nothing_is_written_and_all_is_well_with_the_rest(filled, missing, refused):
    root = Path(filled.repository)
    later = {key: body for key, body in objects(root).items() if key.startswith(missing)}
    for key in later:
        (root / key).unlink()
    for words, status, named in refused:
        before = objects(root)
        verb = (words[0], words[1], filled.repository) if words[0] == "repository" else words
        opening = ("--password-file", filled.key_file) if words[0] == "repository" else filled.opening
        done = filled.run(*verb, *opening)
        assert done.status == status, done.err
        assert named in done.err + done.text
        assert "Traceback" not in done.err
        if words is not RESTORE:  # which leaves a pin, and takes it back
            assert objects(root) == before
    assert not (filled.folder / "out").exists()
    for key, body in later.items():
        (root / key).write_bytes(body)
    filled.check("--read-data")
    (filled.folder / "disk").write_bytes(os.urandom(1 << 20))
    filled.done("backup", "disk", "--workload", "w")
    filled.done("restore", "latest:w", "--to", "out")
    assert (filled.folder / "out").read_bytes() == (filled.folder / "disk").read_bytes()


@pytest.mark.parametrize(
    ("kind", "restored"), [("packs/", 6), ("points/", 6), ("ledger/", 0), ("index/", 0), ("tenants/", 6), ("keys/", 6)]
)
def test_what_is_another_repository_s_is_named_and_believed_by_nobody(filled, kind, restored):
    """Whole and of the right form, only never this one's; what can do without it restores."""
    other, root = filled.folder / "other", Path(filled.repository)
    opening = ("--password-file", filled.password_file)
    assert filled.run("repository", "init", other, *opening).status == 0
    assert filled.run("image", "backup", "disk", "--workload", "w", "--repository", other, *opening).status == 0
    theirs = next(body for key, body in sorted(objects(other).items()) if key.startswith(kind))
    mine = {key: body for key, body in objects(root).items() if key.startswith(kind)}
    for key in mine:
        (root / key).write_bytes(theirs)
    before = objects(root)
    checked = filled.run("repository", "check", root, "--read-data", "--password-file", filled.key_file)
    assert checked.status == 6
    assert any(key in checked.err + checked.text for key in mine)
    assert objects(root) == before
    assert filled.image("restore", "latest:w", "--to", "out").status == restored
    assert (filled.folder / "out").exists() == (restored == 0)
    for key, body in mine.items():
        (root / key).write_bytes(body)
    filled.check("--read-data")
    filled.done("restore", "latest:w", "--to", "again")
    assert (filled.folder / "again").read_bytes() == (filled.folder / "disk").read_bytes()
