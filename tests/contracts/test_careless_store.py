"""`rclone serve s3` as a real process: it speaks like S3, ignores If-None-Match, and answers ranges in its own way."""

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from holdfast.domain.errors import LeaseHeldError
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import retire
from holdfast.repository.stores.s3.location import S3Location
from holdfast.repository.stores.s3.session import AwsSession
from holdfast.repository.stores.s3.store import S3Store
from holdfast.repository.upkeep.collection.collect import Collection, CollectionOrder
from holdfast.repository.writing.backup import BackupOrder, backup_volume
from holdfast.signed_http.transport import CurlTransport
from holdfast.testing.deterministic_surroundings import SteppableClock, deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume
from holdfast.testing.object_store_contract import keys, patterned, put
from holdfast.testing.rclone_process import ACCESS_KEY, BUCKET, SECRET_KEY, start_rclone
from holdfast.testing.small_repository import make_small_repository, restored

FIRST = MemoryVolume.of(patterned(1_500_000))
SECOND = MemoryVolume.of(patterned(1_500_000)[:600_000] + bytes(900_000))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("rclone")


@pytest.fixture(scope="module")
def endpoint(folder) -> Iterator[str]:
    with start_rclone(folder) as running:
        yield running


@pytest.fixture
def store(endpoint, monkeypatch, request) -> Iterator[ObjectStore]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    prefix = re.sub("[^a-z]+", "-", request.node.name.lower())
    store = S3Store(S3Location(BUCKET, prefix, "us-east-1", endpoint), AwsSession("us-east-1"), CurlTransport())
    yield store
    store.close()


def test_a_repository_in_it_is_in_single_writer_mode(store, folder):
    small = make_small_repository(store, deterministic_surroundings(1))
    writer = small.open(deterministic_surroundings(2))
    assert writer.config.single_writer
    gone = backup_volume(writer, MemorySource(FIRST, "s1"), BackupOrder("disk"), Silence()).finished.manifest
    report = backup_volume(writer, MemorySource(SECOND, "s2", {"s1": FIRST}), BackupOrder("disk"), Silence())
    assert report.finished.manifest.parent == gone.session

    before = keys(store)
    with pytest.raises(LeaseHeldError, match="party 2"):
        backup_volume(small.open(deterministic_surroundings(3)), MemorySource(FIRST, "s3"), BackupOrder("x"), Silence())
    assert keys(store) == before

    point = next(point for point in list_points(writer) if point.session == gone.session)
    retire(writer, point.session, point.key)
    condemned = Collection(writer, CollectionOrder(), Silence(), lambda seconds: None).run()
    assert (condemned.condemned > 0, condemned.deleted) == (True, 0)
    writer.give_back()
    assert keys(store, names.LEASES) == []

    hasty = small.open(deterministic_surroundings(12, SteppableClock(datetime(2999, 1, 1, tzinfo=UTC))))
    swept = Collection(hasty, CollectionOrder(), Silence(), lambda seconds: None).run()
    assert (swept.deleted, swept.kept) == (0, condemned.kept), "by the store's clock it is the same day"
    hasty.give_back()

    for plan in folder.rglob("plan/*"):
        eight_days_ago = plan.stat().st_mtime - timedelta(days=8).total_seconds()
        os.utime(plan, (eight_days_ago, eight_days_ago))
    later = small.open(deterministic_surroundings(13))
    swept = Collection(later, CollectionOrder(), Silence(), lambda seconds: None).run()
    assert swept.deleted == condemned.condemned
    (newest,) = list_points(later)
    assert restored(later, newest) == SECOND.content
    assert check_repository(later, 100, Silence()).damage == ()
    later.give_back()


@pytest.mark.parametrize("size_bytes", [100, 300_000])
def test_ranges_are_what_was_asked_for(store, size_bytes):
    body = patterned(size_bytes)
    put(store, "packs/aa/ranged", body)
    for offset, length in [(0, 10), (7, 20), (size_bytes - 5, 50), (40, None), (size_bytes, 5), (0, size_bytes)]:
        wanted = body[offset:] if length is None else body[offset : offset + length]
        assert bytes(store.get("packs/aa/ranged", offset, length)) == wanted
    assert store.head("packs/aa/ranged").size_bytes == size_bytes


def test_what_is_there_is_listed_and_goes(store):
    for name in ("packs/aa/1", "packs/ab/2", "points/3"):
        put(store, name)
    assert keys(store, "packs/") == ["packs/aa/1", "packs/ab/2"]
    assert store.delete("packs/aa/1")
    assert keys(store) == ["packs/ab/2", "points/3"]
