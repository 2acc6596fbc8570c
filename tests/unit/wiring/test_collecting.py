"""An appliance collects garbage in a real repository: what is left restores, nobody waits, and it can be ended."""

import pytest

from holdfast.domain.collection import CollectionWish
from holdfast.domain.errors import CancelledError, IntegrityError
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import find_point
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import restored
from tests.contracts.vaults import NAME, TENANT, RealVault

NOW = CollectionWish(wait_minutes=0)


@pytest.fixture
def vault(tmp_path):
    made = RealVault(tmp_path / "vault")
    yield made
    made.close()


def collect(vault, tell=lambda text: None, wish=NOW):
    return vault.repositories.collect(NAME, wish, tell, lambda: False)


def contents(vault):
    """Of every point, as a new process reads it."""
    repository = vault.small.open(deterministic_surroundings(5))
    return {point: restored(repository, find_point(repository, point, TENANT)) for point in vault.points()}


def test_half_of_the_points_go_and_the_rest_restores(vault):
    points = {vault.back_up(number): number for number in range(1, 7)}
    kept = dict(list(points.items())[1::2])
    for point in points.keys() - kept.keys():
        vault.retire(point)
    before = list(vault.small.store.list("packs/"))
    done = collect(vault)
    after = list(vault.small.store.list("packs/"))
    assert done.freed_bytes == sum(one.size_bytes for one in before) - sum(one.size_bytes for one in after) > 0
    assert contents(vault) == {point: vault.content(number) for point, number in kept.items()}
    checked = check_repository(vault.small.open(deterministic_surroundings(6)), 100, Silence())
    assert (checked.damage, checked.unreferenced_packs) == ((), 0)


def test_a_backup_goes_from_beginning_to_end_while_it_runs(vault):
    vault.retire(vault.back_up(1))
    done = []

    def back_up_meanwhile(_text):
        done.append(vault.back_up(2))

    collect(vault, back_up_meanwhile)
    assert done
    assert contents(vault) == {done[0]: vault.content(2)}


def test_it_ends_with_the_appliance(vault):
    vault.retire(vault.back_up(1))
    with pytest.raises(CancelledError):
        collect(vault, lambda _text: vault.repositories.close())


def test_a_pack_that_is_missing_is_named_and_nothing_is_deleted(vault):
    vault.back_up(1)
    lost = list(vault.small.store.list("packs/"))
    vault.retire(vault.back_up(2))
    for info in lost:
        vault.small.store.delete(info.key)
    left = list(vault.small.store.list("packs/"))
    with pytest.raises(IntegrityError) as caught:
        collect(vault)
    assert caught.value.cure
    assert list(vault.small.store.list("packs/")) == left
