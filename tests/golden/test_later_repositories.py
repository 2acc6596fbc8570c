"""Golden repositories of key epochs, suite 1 and class archive, collected ones and one in single-writer mode, and the
standalone reader in them: read for ever.
"""

import json
import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from holdfast.domain.errors import LeaseHeldError, WrongKeyError
from holdfast.repository.format import names
from holdfast.repository.format.envelope import read_header as envelope_of
from holdfast.repository.format.pack import read_header
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.keys.slots import Secret
from holdfast.repository.opening.plans import newest_plan
from holdfast.repository.opening.repository import DEFAULT_TENANT, open_repository
from holdfast.repository.progress import Silence
from holdfast.repository.reading.restore import restore_volume
from holdfast.repository.reading.volume_reader import VolumeReader
from holdfast.repository.sessions.points import find_point, list_points, load_manifest
from holdfast.repository.sessions.session import read_point
from holdfast.repository.trust.standing_packs import StandingPacks
from holdfast.repository.upkeep.collection.collect import Collection, CollectionOrder
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.strict_store import StrictStore
from tests.faults.world import back_up, collect, volume_of
from tests.golden.make_repository import (
    SINGLE_WRITER_SEED,
    make_archive,
    make_collected,
    make_immutable,
    make_of_suite_1,
    make_rotated,
    make_single_writer,
    read_bucket,
)
from tests.golden.test_repository import GOLDEN, DigestTarget, opened
from tests.golden.test_standalone_reader import Reader, refused

KINDS = ("two-epochs", "handed-over", "suite-1", "archive", "collected", "single-writer")
FOLDERS = [GOLDEN.with_name(name) for name in KINDS]
ROTATED, HANDED_OVER, SUITE_1, ARCHIVE, COLLECTED, SINGLE_WRITER = FOLDERS
IMMUTABLE = GOLDEN.with_name("immutable")
RECORDS = {folder: json.loads(folder.with_suffix(".json").read_text()) for folder in FOLDERS}


def all_restore(repository, points):
    for point in points:
        target = DigestTarget()
        restore_volume(repository, find_point(repository, point["id"], DEFAULT_TENANT), target, Silence())
        assert (target.size_bytes, target.digest.hexdigest()) == (point["size"], point["sha256"])


@pytest.mark.parametrize("folder", RECORDS, ids=lambda folder: folder.name)
@pytest.mark.parametrize("secret", ["password", "recovery_code"])
def test_points_are_restored_and_nothing_is_damaged(tmp_path, folder, secret):
    all_restore(
        opened(Path(shutil.copytree(folder, tmp_path / "it")), RECORDS[folder][secret]), RECORDS[folder]["points"]
    )


@pytest.mark.parametrize("folder", RECORDS, ids=lambda folder: folder.name)
def test_the_standalone_reader_reads_them(tmp_path, folder):
    read = Reader(tmp_path)
    for point, secret in zip(RECORDS[folder]["points"], ("password", "recovery_code", "password"), strict=False):
        answer = read(folder, point["id"], secret=RECORDS[folder][secret])
        assert (answer.status, answer.digest) == (0, point["sha256"]), answer.words
        answer.out.unlink()


def test_a_slot_that_was_left_behind_opens_nothing(tmp_path):
    with pytest.raises(WrongKeyError):
        opened(ROTATED, RECORDS[ROTATED]["left_behind"])
    refused(Reader(tmp_path)(ROTATED, "latest:web", secret=RECORDS[ROTATED]["left_behind"]), "No key slot opens")


def test_the_golden_repository_has_packs_of_both_epochs():
    packs = [path.read_bytes() for path in (ROTATED / "packs").glob("*/*")]
    assert {(read_header(data, "").kid, read_header(data, "").suite) for data in packs} == {(1, 2), (2, 2)}


@pytest.mark.parametrize("folder", [ROTATED, HANDED_OVER], ids=lambda folder: folder.name)
def test_what_an_earlier_version_rotated_is_handed_over_by_its_next_backup(tmp_path, folder):
    """And once: today's versions do it when they rotate."""
    copied = Path(shutil.copytree(folder, tmp_path / "it"))
    password = RECORDS[folder]["password"]
    first = newest_plan(opened(copied, password).sealed)
    assert (first.epoch, first.kid) == ((0, 1) if folder == ROTATED else (1, 2))
    back_up(opened(copied, password), "more", volume_of(3), "s")
    repository = opened(copied, password)
    plan = newest_plan(repository.sealed)
    assert (plan.epoch, plan.kid, plan.since) == (1, 2, 0)
    runs = [path for path in (copied / "index").glob("*/*") if envelope_of(path.read_bytes(), "").kid == 1]
    assert plan.vouched is not None
    assert sorted(plan.vouched) == sorted(f"{path.relative_to(copied)}" for path in runs) != []
    assert len(list((copied / "ledger" / "checkpoints").glob("*"))) == 1
    assert len(list_points(repository)) == len(RECORDS[folder]["points"]) + 1
    assert check_repository(repository, 100, Silence()).damage == ()


def test_the_golden_archive_is_one_and_its_workloads_share_no_chunk(tmp_path):
    repository = opened(Path(shutil.copytree(ARCHIVE, tmp_path / "it")), RECORDS[ARCHIVE]["password"])
    assert (repository.config.archive_class, repository.config.pack_size_bytes) == ("DEEP_ARCHIVE", 64 << 20)
    one, two = (read_point(repository, point.key) for point in list_points(repository) if point.workload != "web")
    assert one is not None
    assert two is not None
    assert [len([pack for pack in manifest.packs if not pack.holds_maps]) for manifest in (one, two)] == [1, 1]


def test_the_golden_collected_repository_has_survivors_a_merged_run_and_a_copy_and_is_gone_on_with(tmp_path):
    """Maps name packs that are gone, whose chunks the merged run alone knows elsewhere."""
    folder, record = Path(shutil.copytree(COLLECTED, tmp_path / "it")), RECORDS[COLLECTED]
    repository = opened(folder, record["password"])
    plan, packs = newest_plan(repository.sealed), StandingPacks(repository.store)
    assert (plan.epoch, [packs.stands(pack) for pack in plan.survivors]) == (2, [False])
    assert all(packs.stands(pack) for others in plan.survivors.values() for pack in others)
    named = set()
    for point in record["points"]:
        [volume] = load_manifest(repository, find_point(repository, point["id"], DEFAULT_TENANT)).volumes
        named |= {piece.chunk.place.pack.pack for piece in VolumeReader(repository.access(), volume).pieces()}
    assert plan.survivors.keys() < named
    [run] = plan.index_runs
    assert plan.merged.keys() == {names.session_of_run(run)}
    assert [one.name for one in (folder / "index").glob("*/*")] == [run.rpartition("/")[2]]
    [copied] = [point for point in list_points(repository) if point.origin is not None]
    assert copied.id == record["points"][1]["id"]
    back_up(repository, "web", volume_of(3), "s")
    repository = opened(folder, record["password"])
    assert collect(repository).epoch >= 2
    assert len(list_points(repository)) == len(record["points"]) + 1
    all_restore(repository, record["points"])
    assert check_repository(repository, 100, Silence()).damage == ()


def test_the_golden_repository_in_single_writer_mode_is_written_to_by_who_takes_over_from_its_dead_writer(tmp_path):
    folder, record = Path(shutil.copytree(SINGLE_WRITER, tmp_path / "it")), RECORDS[SINGLE_WRITER]
    repository = opened(folder, record["password"])
    assert repository.config.single_writer
    with pytest.raises(LeaseHeldError, match=f"party {SINGLE_WRITER_SEED}, since 2026-"):
        back_up(repository, "ab", volume_of(3), "s")
    [claim] = (folder / "leases").iterdir()
    two_hours_ago = claim.stat().st_mtime - 7200
    os.utime(claim, (two_hours_ago, two_hours_ago))
    repository = opened(folder, record["password"])
    [dead] = repository.take_over_lease()
    assert dead.claim is not None
    assert dead.claim.party == f"party {SINGLE_WRITER_SEED}"
    back_up(repository, "ab", volume_of(3), "s")
    order = CollectionOrder(patience=timedelta(0))
    assert Collection(repository, order, Silence(), lambda seconds: None).run().deleted > 0, "they have rested by now"
    all_restore(repository, record["points"])
    assert check_repository(repository, 100, Silence()).damage == ()


@pytest.mark.parametrize(
    ("folder", "make"),
    [
        (ROTATED, make_rotated),
        (SUITE_1, make_of_suite_1),
        (ARCHIVE, make_archive),
        (COLLECTED, make_collected),
        (SINGLE_WRITER, make_single_writer),
    ],
)
def test_what_the_product_writes_today_is_read(tmp_path, folder, make):
    record = make(tmp_path / "today")
    assert [point["sha256"] for point in record["points"]] == [point["sha256"] for point in RECORDS[folder]["points"]]
    answer = Reader(tmp_path)(tmp_path / "today", record["points"][1]["id"])
    assert (answer.status, answer.digest) == (0, record["points"][1]["sha256"]), answer.words


@pytest.mark.parametrize("secret", ["password", "recovery_code"])
def test_an_immutable_bucket_is_read_behind_what_was_put_over_it(secret):
    """As it was kept version by version, under two key epochs; a repair brings all back on top."""
    record = json.loads(IMMUTABLE.with_suffix(".json").read_text())
    store = StrictStore(read_bucket(IMMUTABLE, record))
    repository = open_repository(store, Secret(record[secret].encode()), deterministic_surroundings(1000))
    assert (repository.master.kid, repository.config.immutable) == (2, True)
    all_restore(repository, record["points"])
    assert check_repository(repository, 100, Silence()).damage
    assert repair(repository, none, Silence()).reinstated
    assert check_repository(repository, 100, Silence()).damage == ()


def test_such_a_bucket_is_made_again(tmp_path):
    record = make_immutable(tmp_path)
    assert {one["key"].partition("/")[0] for one in record["versions"]} >= {
        "config",
        "epochs",
        "keys",
        "packs",
        "points",
    }
    assert {one["file"] is None for one in record["versions"]} == {True, False}
