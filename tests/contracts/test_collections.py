"""The contract of collections by an appliance, over the real repositories and the simulated ones."""

import pytest

from holdfast.domain.collection import CollectionWish
from holdfast.domain.errors import CancelledError, NotFoundError
from tests.contracts.vaults import NAME, RealVault, SimulatedVault

LOOK = CollectionWish(wait_minutes=0, dry_run=True)


@pytest.fixture(params=["real", "simulated"])
def vault(request, tmp_path):
    made = RealVault(tmp_path / "vault") if request.param == "real" else SimulatedVault()
    yield made
    made.close()


def collect(vault, wish=None, tell=lambda text: None):
    return vault.repositories.collect(NAME, wish or CollectionWish(wait_minutes=0), tell, lambda: False)


def test_where_nothing_was_retired_nothing_goes(vault):
    points = [vault.back_up(number) for number in (1, 2)]
    done = collect(vault)
    assert (done.restore_points, done.condemned_packs, done.deleted_packs, done.plan) == (2, 0, 0, 0)
    assert done.packs > 0
    assert vault.points() == points


def test_what_only_retired_points_needed_goes_once(vault):
    points = [vault.back_up(number) for number in (1, 2, 3, 4)]
    for point in points[::2]:
        vault.retire(point)
    heard: list[str] = []
    done = collect(vault, tell=heard.append)
    assert heard, "it says what it does"
    assert done.deleted_packs >= 2
    assert done.condemned_packs == done.deleted_packs
    assert 0 < done.freed_bytes < done.stored_bytes
    assert (done.plan, done.waiting) == (1, {})
    again = collect(vault)
    assert (again.condemned_packs, again.deleted_packs) == (0, 0)
    assert again.packs < done.packs
    assert vault.points() == points[1::2]


def test_who_only_looks_changes_nothing(vault):
    vault.retire(vault.back_up(1))
    seen = [collect(vault, LOOK) for _ in range(2)]
    assert seen[0] == seen[1]
    assert seen[0].condemned_packs > 0
    assert (seen[0].deleted_packs, seen[0].freed_bytes, seen[0].plan) == (0, 0, 0)
    assert collect(vault).condemned_packs == seen[0].condemned_packs


def test_a_backup_that_does_not_know_the_plan_holds_it_up_and_one_that_knows_it_does_not(vault):
    vault.retire(vault.back_up(1))
    working = vault.prepare(2)
    for _ in range(2):
        held_up = collect(vault)
        assert (set(held_up.waiting), held_up.deleted_packs) == ({working}, 0)
    later = vault.prepare(3)
    vault.abandon(working)
    done = collect(vault)
    assert done.waiting == {}
    assert done.deleted_packs > 0
    vault.finish(later)
    assert vault.points() == [later]


def test_one_that_is_stopped_is_done_by_the_next(vault):
    vault.retire(vault.back_up(1))
    with pytest.raises(CancelledError):
        vault.repositories.collect(NAME, CollectionWish(wait_minutes=0), lambda text: None, lambda: True)
    assert collect(vault).deleted_packs > 0


def test_nobody_knows_that_name(vault):
    with pytest.raises(NotFoundError):
        vault.repositories.collect("other", LOOK, lambda text: None, lambda: False)
