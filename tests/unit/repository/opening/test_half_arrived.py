"""A place where only some of the objects are: what the others were is not made up anew (rule 5)."""

import pytest

from holdfast.domain.errors import IntegrityError, ObjectNotFoundError
from holdfast.repository.format import names
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.points import list_points
from holdfast.repository.stores.memory import MemoryStore
from holdfast.repository.stores.passing import PassingStore
from holdfast.repository.writing.backup import BackupOrder, backup_volume
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.memory_volumes import MemorySource
from holdfast.testing.small_repository import make_small_repository, put, restored
from tests.faults.world import FIRST, SECOND, back_up, collect

TENANT = "another"


@pytest.fixture
def small():
    return make_small_repository(MemoryStore(), deterministic_surroundings(1))


def open_(small, seed=2, store=None):
    return small.open(deterministic_surroundings(seed), store)


def back_up_of(repository, volume=FIRST):
    return backup_volume(repository, MemorySource(volume), BackupOrder("w", tenant=TENANT), Silence())


def back_up_here(repository):
    return back_up(repository, "w", SECOND, "s2")


def forget(small, prefix):
    for info in list(small.store.list(prefix)):
        small.store.delete(info.key)


@pytest.mark.parametrize("also", [names.LEDGER, names.POINTS, names.RETIRED], ids=["LIST", "ledger", "both"])
def test_a_tenant_that_has_points_gets_no_new_keys(small, also):
    """By what is left: its points, or the ledger."""
    back_up_of(open_(small))
    key = names.tenant(open_(small).tenant_id(TENANT))
    forget(small, key)
    forget(small, also)
    before = [info.key for info in small.store.list("")]
    with pytest.raises(IntegrityError) as raised:
        open_(small).ensure_tenant(TENANT)
    assert raised.value.objects == (key,)
    assert "another tenant's name" in raised.value.cure
    assert [info.key for info in small.store.list("")] == before


def test_a_tenant_that_another_one_makes_and_uses_at_this_moment_is_no_missing_one(small):
    key = names.tenant(open_(small).tenant_id(TENANT))

    class Meanwhile(PassingStore):
        """When it is asked for first, the tenant is not there; when the answer arrives it is, with a point."""

        asked = False

        def get(self, asked, offset=0, length=None, version=None):
            if asked == key and not self.asked:
                self.asked = True
                back_up_of(open_(small, 3))
                raise ObjectNotFoundError(key)
            return super().get(asked, offset, length, version)

    back_up_of(open_(small, 4, Meanwhile(small.store)), SECOND)
    repository = open_(small, 5)
    assert [restored(repository, point) for point in list_points(repository)] == [FIRST.content, SECOND.content]


def test_points_without_any_ledger_are_read_and_nothing_is_written_or_collected(small):
    back_up(open_(small), "w", FIRST, "s1")
    forget(small, names.LEDGER)
    before = [info.key for info in small.store.list("")]
    repository = open_(small, 3)
    [point] = list_points(repository)
    assert restored(repository, point) == FIRST.content
    for deed in (collect, back_up_here):
        with pytest.raises(IntegrityError) as raised:
            deed(open_(small, 4))
        assert raised.value.objects == (names.ledger(1),)
    assert [info.key for info in small.store.list("")] == before


def test_what_others_have_put_among_the_points_of_a_new_repository_is_in_nobodys_way(small):
    put(small.store, names.point(bytes(16), bytes(16), bytes(16)), b"junk")
    back_up(open_(small), "w", FIRST, "s1")
    [point] = list_points(open_(small, 3))
    assert restored(open_(small, 4), point) == FIRST.content
