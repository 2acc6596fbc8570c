"""Ordering rule 3 against plans of a collector: acknowledged, condemned packs not used, passed points not inherited."""

import pytest

from holdfast.domain.errors import UsageError
from holdfast.repository.format import acknowledgement, names, plan
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.format.plan import Plan
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.writing.backup import BackupOrder, BackupReport, backup_volume
from holdfast.repository.writing.parents import Method
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource, MemoryVolume, sample
from holdfast.testing.small_repository import make_small_repository, restored

CONTENT = sample(5 * 512 * 1024)
BLOCKS_WITH_DATA = 3


@pytest.fixture
def repository() -> Repository:
    surroundings = deterministic_surroundings()
    return make_small_repository(MemoryStore(), surroundings).open(surroundings)


def back_up(repository: Repository, parent: str | None = None) -> BackupReport:
    return backup_volume(repository, MemorySource(MemoryVolume.of(CONTENT)), BackupOrder("w", parent), Silence())


def publish(repository: Repository, epoch: int, live: list[Manifest], condemned: set[bytes], runs: set[str]) -> None:
    sessions = frozenset(manifest.session for manifest in live)
    document = plan.encode(Plan(epoch, sessions, frozenset(condemned), frozenset(runs)), "2026-01-01T00:00:00Z")
    repository.sealed.write(Kind.PLAN, names.plan(epoch), document)


def data_packs(manifest: Manifest) -> set[bytes]:
    return {pack.pack for pack in manifest.packs if not pack.holds_maps}


def test_without_a_plan_nothing_is_acknowledged(repository):
    back_up(repository)
    assert list(repository.store.list(names.SESSIONS)) == []


def test_the_newest_plan_is_acknowledged_before_anything_else_is_read(repository):
    publish(repository, 1, [], set(), set())
    publish(repository, 2, [], set(), set())
    manifest = back_up(repository).finished.manifest
    key = names.acknowledgement(manifest.session, 2)
    assert acknowledgement.decode(repository.sealed.read(key, Kind.ACKNOWLEDGEMENT)[1]).epoch == 2
    assert manifest.plan_epoch == 2
    assert [info.key for info in repository.store.list(names.SESSIONS)] == [key]


def test_a_short_list_does_not_hide_a_plan(repository, monkeypatch):
    publish(repository, 1, [], set(), set())
    listed = repository.store.list
    monkeypatch.setattr(
        repository.store,
        "list",
        lambda prefix, start_after="": iter(()) if prefix == names.PLANS else listed(prefix, start_after),
    )
    assert back_up(repository).finished.manifest.plan_epoch == 1


def test_a_point_in_the_plan_is_inherited_from(repository):
    first = back_up(repository).finished.manifest
    publish(repository, 1, [first], set(), set(first.index_runs))
    report = back_up(repository)
    assert report.method is Method.COMPARED
    assert report.finished.manifest.parent == first.session
    assert report.finished.counters.new_chunks == 0


def test_a_point_that_a_plan_passed_is_no_parent(repository):
    first = back_up(repository).finished.manifest
    publish(repository, 1, [], data_packs(first), set())
    report = back_up(repository)
    assert report.method is Method.FULL
    with pytest.raises(UsageError, match="cannot be the parent"):
        back_up(repository, parent=first.session.hex())


def test_a_point_of_the_plans_own_time_is_a_parent_again(repository):
    publish(repository, 1, [], set(), set())
    first = back_up(repository).finished.manifest
    assert back_up(repository).finished.manifest.parent == first.session


def test_condemned_packs_serve_no_deduplication(repository):
    first = back_up(repository, parent="none").finished.manifest
    publish(repository, 1, [first], data_packs(first), set(first.index_runs))
    second = back_up(repository, parent="none").finished
    assert second.counters.new_chunks == BLOCKS_WITH_DATA
    assert data_packs(second.manifest).isdisjoint(data_packs(first))
    assert all(restored(repository, point) == CONTENT for point in list_points(repository))


def test_index_runs_that_no_plan_names_are_not_believed(repository):
    first = back_up(repository, parent="none").finished.manifest
    publish(repository, 1, [first], set(), set())
    assert back_up(repository, parent="none").finished.counters.new_chunks == BLOCKS_WITH_DATA


def test_index_runs_in_force_are_believed(repository):
    first = back_up(repository, parent="none").finished.manifest
    publish(repository, 1, [first], set(), set(first.index_runs))
    assert back_up(repository, parent="none").finished.counters.new_chunks == 0


def test_runs_newer_than_the_plan_are_believed(repository):
    publish(repository, 1, [], set(), set())
    back_up(repository, parent="none")
    assert back_up(repository, parent="none").finished.counters.new_chunks == 0
