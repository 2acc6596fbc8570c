"""Makes the golden repository of this version's format: seeded randomness, a planned clock, every kind of point.

    python -m tests.golden.make_repository FOLDER [rotated|suite-1|archive|immutable|collected|single-writer]

writes FOLDER (which must not exist) and FOLDER.json, the record of what it holds. README.md says when.
"""

import hashlib
import io
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.time import format_time, parse_time
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.copying.copy import copy_points
from holdfast.repository.copying.order import CopyOrder
from holdfast.repository.crypto.keyed_hash import FIPS_SUITE
from holdfast.repository.keys.slots import Secret
from holdfast.repository.opening.repository import NewRepository, Repository, create_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.session import retire
from holdfast.repository.stores.directory import DirectoryStore
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.upkeep.collection.collect import Collection, CollectionOrder
from holdfast.repository.upkeep.collection.run_merging import Tidiness
from holdfast.repository.upkeep.rotation import rotate
from holdfast.repository.writing.backup import BackupOrder, BackupReport, backup_stream, backup_volume
from holdfast.testing.careless_store import CarelessStore
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume
from holdfast.testing.small_repository import copy_to
from holdfast.testing.strict_bucket import StrictBucket, Version
from holdfast.testing.strict_store import StrictStore

PASSWORD = "correct horse battery staple"
SEED = 1
SINGLE_WRITER_SEED = SEED + 7


def noise(seed: str, size_bytes: int) -> bytes:
    """Bytes that do not compress, from SHAKE-128."""
    return hashlib.shake_128(seed.encode()).digest(size_bytes)


def pages(first: int, count: int) -> bytes:
    """Pages of 4 KiB that compress well, no two of them equal."""
    return b"".join(hashlib.sha256(b"%d" % number).digest() * 128 for number in range(first, first + count))


def first_image() -> MemoryVolume:
    """Two leaves of a map, holes, a block of noise, an odd end."""
    size = 140 * BLOCK_SIZE_BYTES + 77_777
    blocks = {number: pages(number, 128) for number in (0, 1, 5, 127, 128)}
    blocks[9] = noise("nine", 60_000).ljust(BLOCK_SIZE_BYTES, b"\0")
    blocks[130] = blocks[5]
    blocks[140] = noise("end", 7_777).rjust(77_777, b".")
    return MemoryVolume(size, blocks)


def second_image() -> MemoryVolume:
    """The first image grown, with a block changed, one new and one gone."""
    before = first_image()
    blocks = {n: block.ljust(BLOCK_SIZE_BYTES, b"\0") for n, block in before.blocks.items() if n != 127}
    blocks[1] = noise("one", 10_000).rjust(BLOCK_SIZE_BYTES, b"\0")
    blocks[70] = b"new" * 1000 + bytes(BLOCK_SIZE_BYTES - 3000)
    return MemoryVolume(before.size_bytes + 3 * BLOCK_SIZE_BYTES, blocks)


def small_image() -> MemoryVolume:
    """Less than a block."""
    return MemoryVolume(5, {0: b"small"})


def dump() -> bytes:
    """A stream of a few chunks of varying length."""
    return pages(0, 900) + noise("dump", 60_000) + pages(0, 1200) + b"end"


def long_dump() -> bytes:
    """A stream of so many chunks that its map has two levels; few of the chunks differ."""
    return b"all work and no play, " * (130 * 4 * 2**20 // 22)


def make(folder: Path, *, with_long_stream: bool = True) -> dict[str, Any]:
    """Make the repository; the record says what it holds. Only the long stream takes more than a moment."""
    around = deterministic_surroundings(SEED)
    new = create_repository(DirectoryStore(folder), around, password=PASSWORD.encode())
    repository, made = new.repository, []

    def note(workload: str, report: BackupReport, content: bytes) -> None:
        made.append(_made(workload, report, content))

    earlier: dict[str, MemoryVolume] = {}
    for workload, name, volume in (
        ("web", "monday", first_image()),
        ("web", "tuesday", second_image()),
        ("small", "once", small_image()),
        ("doomed", "once", small_image()),
        ("empty", "once", MemoryVolume(0)),
        ("zeros", "once", MemoryVolume(3 * 2**20 + 1)),
    ):
        report = backup_volume(repository, MemorySource(volume, name, earlier), BackupOrder(workload), Silence())
        earlier[name] = volume
        note(workload, report, volume.content)
    streams = {"dump": dump(), **({"long": long_dump()} if with_long_stream else {}), "nothing": b""}
    for workload, content in streams.items():
        report = backup_stream(repository, io.BytesIO(content), BackupOrder(workload), Silence())
        note(workload, report, content)
    _retire(new, made)
    return {"password": PASSWORD, "recovery_code": new.recovery_code, "points": made}


def make_rotated(folder: Path) -> dict[str, Any]:
    """A repository of two key epochs: an image under each, the second built upon the first, and a slot left behind."""
    around = deterministic_surroundings(SEED + 1)
    new = create_repository(DirectoryStore(folder), around, password=PASSWORD.encode())
    first = _image(new.repository, "web", first_image(), "monday", {})
    done = rotate(new.repository, Secret(PASSWORD.encode()))
    second = _image(new.repository, "web", second_image(), "tuesday", {"monday": first_image()})
    again = _image(new.repository, "copy", first_image(), "once", {})
    return {
        "password": PASSWORD,
        "recovery_code": done.recovery_code,
        "left_behind": new.recovery_code,
        "points": [first, second, again],
    }


def make_of_suite_1(folder: Path) -> dict[str, Any]:
    """A repository of approved algorithms alone: an image and a stream."""
    around = deterministic_surroundings(SEED + 2)
    new = create_repository(DirectoryStore(folder), around, password=PASSWORD.encode(), suite=FIPS_SUITE)
    image = _image(new.repository, "web", first_image(), "monday", {})
    report = backup_stream(new.repository, io.BytesIO(dump()), BackupOrder("dump"), Silence())
    points = [image, _made("dump", report, dump())]
    return {"password": PASSWORD, "recovery_code": new.recovery_code, "points": points}


def make_archive(folder: Path) -> dict[str, Any]:
    """An archive, whose data packs a directory keeps as all else: an image, and one that two workloads have alike."""
    around = deterministic_surroundings(SEED + 3)
    new = create_repository(
        DirectoryStore(folder), around, password=PASSWORD.encode(), archive_class=ArchiveClass.DEEP_ARCHIVE
    )
    images = [("web", first_image()), ("one", small_image()), ("two", small_image())]
    points = [_image(new.repository, workload, volume, "monday", {}) for workload, volume in images]
    return {"password": PASSWORD, "recovery_code": new.recovery_code, "points": points}


def make_immutable(folder: Path) -> dict[str, Any]:
    """A bucket with Object Lock, version by version: two key epochs, and what somebody who may write has done to it."""
    around = deterministic_surroundings(SEED + 4)
    bucket = StrictBucket(around.now)
    new = create_repository(StrictStore(bucket), around, password=PASSWORD.encode(), immutable=True)
    order = BackupOrder("small", keep_until=around.now() + timedelta(days=30))
    first = backup_volume(new.repository, MemorySource(small_image(), "monday", {}), order, Silence())
    done = rotate(new.repository, Secret(PASSWORD.encode()))
    again = _image(new.repository, "tiny", MemoryVolume(3, {0: b"abc"}), "once", {})
    for number, one in enumerate(bucket.listed()):
        if number % 3:
            bucket.put(one.key, b"junk") if number % 3 == 1 else bucket.delete(one.key)
    return {
        "password": PASSWORD,
        "recovery_code": done.recovery_code,
        "time": format_time(around.now()),
        "points": [_made("small", first, small_image().content), again],
        "versions": [_kept(folder, number, one) for number, one in enumerate(bucket.every_version())],
    }


def tiny_image(*seeds: str) -> MemoryVolume:
    """A block for each seed, of which few bytes are more than zeros."""
    size = len(seeds) * BLOCK_SIZE_BYTES
    return MemoryVolume(size, {n: noise(one, 2000).ljust(BLOCK_SIZE_BYTES, b"\0") for n, one in enumerate(seeds)})


def make_collected(folder: Path) -> dict[str, Any]:
    """Collected twice: chunks have moved out of packs that maps still name, runs are merged; and a copied point."""
    around = deterministic_surroundings(SEED + 5)
    new = create_repository(DirectoryStore(folder), around, password=PASSWORD.encode())
    first = _image(new.repository, "web", tiny_image("a", "b", "c"), "monday", {})
    second = _image(new.repository, "web", tiny_image("a", "d", "e"), "tuesday", {})
    _delete(new.repository, first)
    _collect(new.repository, around)
    elsewhere = create_repository(
        MemoryStore(around.now), deterministic_surroundings(SEED + 6), password=PASSWORD.encode()
    )
    original = _image(elsewhere.repository, "db", tiny_image("d", "f"), "once", {})
    [copied] = copy_points(elsewhere.repository, new.repository, CopyOrder(), Silence()).copied
    third = _image(new.repository, "web", tiny_image("a", "g", "e"), "wednesday", {})
    _collect(new.repository, around)
    points = [second, {**original, "id": copied.manifest.session.hex()}, third]
    return {"password": PASSWORD, "recovery_code": new.recovery_code, "points": points}


def make_single_writer(folder: Path) -> dict[str, Any]:
    """In a store that ignores If-None-Match: condemned packs that rest, and the claim of a writer that has died."""
    around = deterministic_surroundings(SINGLE_WRITER_SEED)
    store = CarelessStore(around.now)
    new = create_repository(store, around, password=PASSWORD.encode())
    doomed = _image(new.repository, "doomed", tiny_image("x"), "once", {})
    kept = [_image(new.repository, name, tiny_image(*name), "once", {}) for name in ("ab", "bc")]
    _delete(new.repository, doomed)
    _collect(new.repository, around)
    copy_to(DirectoryStore(folder), store)
    return {"password": PASSWORD, "recovery_code": new.recovery_code, "points": kept}


def _delete(repository: Repository, point: dict[str, Any]) -> None:
    session = bytes.fromhex(point["id"])
    retire(repository, session, repository.ledger.refresh().live[session]["point"])


def _collect(repository: Repository, around: Surroundings) -> None:
    """Of which two index runs are many."""
    Collection(repository, CollectionOrder(tidiness=Tidiness(runs=1, gone=0)), Silence(), around.pause).run()


def _kept(folder: Path, number: int, one: Version) -> dict[str, Any]:
    """A version's bytes in a file of its own, but for a delete marker."""
    if one.body is not None:
        (folder / f"{number:03}").write_bytes(one.body)
    until = None if one.locked_until is None else format_time(one.locked_until)
    return {
        "key": one.key,
        "id": f"kept-{number:03}",
        "file": None if one.body is None else f"{number:03}",
        "locked_until": until,
    }


def read_bucket(folder: Path, record: dict[str, Any]) -> StrictBucket:
    """The bucket as it was kept, at that time."""
    now = parse_time(record["time"])
    bucket = StrictBucket(SteppableClock(now))
    for one in reversed(record["versions"]):  # of each key the newest comes first
        body = None if one["file"] is None else (folder / one["file"]).read_bytes()
        until = None if one["locked_until"] is None else parse_time(one["locked_until"])
        bucket.add(Version(one["key"], one["id"], body, now, until))
    return bucket


def _image(
    repository: Repository, workload: str, volume: MemoryVolume, name: str, earlier: dict[str, MemoryVolume]
) -> dict[str, Any]:
    report = backup_volume(repository, MemorySource(volume, name, earlier), BackupOrder(workload), Silence())
    return _made(workload, report, volume.content)


def _made(workload: str, report: BackupReport, content: bytes) -> dict[str, Any]:
    manifest = report.finished.manifest
    facts = {"id": manifest.session.hex(), "workload": workload, "kind": manifest.kind}
    return {**facts, "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "retired": False}


def _retire(new: NewRepository, made: list[dict[str, Any]]) -> None:
    for point in made:
        if point["workload"] == "doomed":
            _delete(new.repository, point)
            point["retired"] = True


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True)
    kinds = {
        "": make,
        "rotated": make_rotated,
        "suite-1": make_of_suite_1,
        "archive": make_archive,
        "immutable": make_immutable,
        "collected": make_collected,
        "single-writer": make_single_writer,
    }
    record = kinds[sys.argv[2] if len(sys.argv) > 2 else ""](target)
    target.with_suffix(".json").write_text(json.dumps(record, indent=1) + "\n")
