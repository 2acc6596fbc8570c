"""Rule 9.7: a delete marker frees no name. Of two objects under it the first counts, and who came second is told."""

import hashlib
from typing import Any

import pytest

from holdfast.domain.errors import ConflictError, IntegrityError, PermissionDeniedError, UnreadableError
from holdfast.repository.format import names
from holdfast.repository.format import tombstone as tombstone_form
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.plan import Plan
from holdfast.repository.format.tombstone import Tombstone
from holdfast.repository.keys.epochs import first_marked
from holdfast.repository.opening.plans import newest_plan, publish
from holdfast.repository.opening.repository import DEFAULT_TENANT, create_repository
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import commit, end_without_point, open_session, read_point
from holdfast.repository.upkeep.rotation import rotate
from holdfast.testing.strict_store import StrictStore
from tests.faults.immutable_site import Site

JUNK = b"junk, put there before anybody else"


class Dying(StrictStore):
    """Its party dies before it can look at versions."""

    is_dead = False

    def versions(self, prefix):
        if self.is_dead:
            raise PermissionDeniedError("dead", why="it was killed", cure="")
        return super().versions(prefix)


@pytest.fixture
def site():
    return Site()


def block(seed: int) -> bytes:
    return bytes([seed]) * 1000


def open_one(repository, seed: int):
    return open_session(repository, "default", f"disk{seed}")


def hide(site, key: str) -> None:
    assert site.bucket.current(key) is not None
    site.bucket.delete(key)


def test_a_ledger_batch_is_never_appended_where_one_stood(site):
    """Each of two that open a session takes the next number; a marker over the first one lets both PUTs succeed."""
    stale, quick = site.open(), site.open()
    first = open_one(quick, 1)
    hide(site, names.ledger(quick.ledger.state.sequence))
    second = open_one(stale, 2)
    assert stale.ledger.state.sequence == quick.ledger.state.sequence + 1
    after = site.open().ledger
    assert after.damage == []
    assert {first.session, second.session} <= after.state.open.keys()


def test_who_died_before_it_looked_has_written_nothing(site):
    dying = Dying(site.bucket)
    stale, quick = site.open(dying), site.open()
    first = open_one(quick, 1)
    key = names.ledger(quick.ledger.state.sequence)
    hide(site, key)
    dying.is_dead = True
    with pytest.raises(PermissionDeniedError):
        open_one(stale, 2)
    assert len([one for one in site.bucket.every_version() if one.key == key and one.body]) == 2
    third = open_one(quick, 3)
    after = site.open().ledger
    assert after.damage == []
    assert after.state.open.keys() == {first.session, third.session}


def test_what_was_put_over_the_newest_batch_is_no_other_ledger(site):
    """Neither for who opens it, nor for who remembers its head (rule 10)."""
    session = site.back_up(block(1))
    state = site.open().ledger.state
    hide(site, names.ledger(state.sequence))
    site.bucket.put(names.ledger(state.sequence), JUNK)
    ledger = site.open().ledger
    assert ledger.state.head == state.head
    ledger.require_standing()
    assert site.restores({session: block(1)})


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "before its record"])
def test_no_tombstone_takes_the_place_of_a_point(site, recorded):
    session = site.back_up(block(1))
    repository = site.open()
    [point] = list_points(repository)
    if not recorded:
        repository.ledger.state.open[session] = repository.ledger.state.live.pop(session)
    hide(site, point.key)
    stands = end_without_point(repository, session, point.key)
    assert stands is not None
    assert stands.session == session
    assert read_point(repository, point.key) == stands
    assert site.restores({session: block(1)})


def test_no_point_takes_the_place_of_a_tombstone(site):
    session = site.back_up(block(1))
    repository = site.open()
    [point] = list_points(repository)
    manifest = read_point(repository, point.key)
    assert manifest is not None
    late = open_one(repository, 2)
    tombstone = tombstone_form.encode(Tombstone(late.session, repository.surroundings.timestamp()))
    site.open().sealed.write(Kind.TOMBSTONE, late.point_key, tombstone)
    hide(site, late.point_key)
    with pytest.raises(ConflictError, match="ended by somebody else"):
        commit(late, manifest)
    assert read_point(site.open(), late.point_key) is None
    assert [one.session for one in list_points(site.open())] == [session]


def test_two_plans_of_one_epoch_are_one(site):
    site.back_up(block(1))
    one, other = site.open(), site.open()
    nothing: frozenset[Any] = frozenset()
    assert publish(one.sealed, Plan(1, nothing, frozenset({bytes(16)}), nothing))
    hide(site, names.plan(1))
    assert not publish(other.sealed, Plan(1, nothing, nothing, nothing))
    assert newest_plan(site.open().sealed).condemned == {bytes(16)}


class TornOldest(StrictStore):
    """The oldest version of that object is not as it was put."""

    key = ""

    def get(self, key, offset=0, length=None, version=None):
        data = super().get(key, offset, length, version)
        if key != self.key or version != [one.version for one in self.versions(key)][-1]:
            return data
        return bytes(data)[:-1] + bytes([data[-1] ^ 1])


def test_a_damaged_plan_gives_its_epoch_to_no_later_one(site):
    one, other = site.open(), site.open()
    nothing: frozenset[Any] = frozenset()
    assert publish(one.sealed, Plan(1, nothing, frozenset({bytes(16)}), nothing))
    hide(site, names.plan(1))
    assert not publish(other.sealed, Plan(1, nothing, nothing, nothing))
    damaged = TornOldest(site.bucket)
    damaged.key = names.plan(1)
    with pytest.raises(UnreadableError, match="plan/"):
        newest_plan(site.open(damaged).sealed)


def test_where_the_object_that_began_an_epoch_is_damaged_nobody_says_that_none_has_begun(site):
    repository = site.open()
    previous = repository.master
    rotate(repository, site.secret)
    began = bytes(site.store.get(names.epoch(2)))
    hide(site, names.epoch(2))
    site.bucket.put(names.epoch(2), began)
    assert first_marked(site.store, previous) == began
    damaged = TornOldest(site.bucket)
    damaged.key = names.epoch(2)
    with pytest.raises(UnreadableError, match="epochs/"):
        first_marked(damaged, previous)


def test_junk_that_was_there_before_a_plan_takes_no_epoch(site):
    """It is as it was put, so everybody knows that it never was one."""
    nothing: frozenset[Any] = frozenset()
    site.bucket.put(names.plan(1), JUNK)
    hide(site, names.plan(1))
    assert publish(site.open().sealed, Plan(1, nothing, frozenset({bytes(16)}), nothing))
    assert newest_plan(site.open().sealed).condemned == {bytes(16)}


def test_what_does_not_open_takes_no_name(site):
    """Junk that was there first, under a marker: the name is free for who holds the keys, and stays theirs."""
    repository = site.open()
    key = names.ledger(repository.ledger.state.sequence + 1)
    site.bucket.put(key, JUNK)
    site.bucket.delete(key)
    session = site.back_up(block(1))
    assert site.open().ledger.damage == []
    assert site.restores({session: block(1)})


def test_no_repository_is_made_over_a_hidden_one(site):
    site.attack()
    with pytest.raises(ConflictError, match="something at"):
        create_repository(site.store, site.surroundings(), immutable=True)


def test_junk_under_an_open_session_s_name_keeps_no_collection_when_it_is_hidden(site):
    """As the error says: whoever may write has put it there, and nobody can remove it."""
    site.back_up(block(1))
    session = open_session(site.open(), DEFAULT_TENANT, "disk")
    site.store.create(session.point_key, JUNK, hashlib.sha256(JUNK).digest())
    with pytest.raises(IntegrityError) as caught:
        site.collect()
    assert "put a delete marker over it" in caught.value.cure
    site.store.hide(session.point_key)
    assert site.collect().waiting == ()
    site.later(1.5)
    site.collect()
    assert site.open().ledger.state.open == {}
