"""Rules 8.1, 8.2 and 8.4: one party writes at a time, and who is dead is taken over at a person's word."""

import dataclasses

import pytest

from holdfast.domain.errors import ConflictError, LeaseHeldError, SecondWriterError, UnavailableError, UsageError
from holdfast.repository.format import names
from holdfast.repository.opening.repository import Repository, create_repository, require_many_writers
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.pins import pinned
from holdfast.repository.sessions.points import list_points
from holdfast.repository.sessions.session import open_session
from holdfast.repository.stores.memory import MemoryStore
from holdfast.testing.careless_store import CarelessStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.faulty_store import Fault, FaultyStore
from holdfast.testing.small_repository import make_small_repository, put, restored
from tests.faults.world import DISK, FIRST, SECOND, back_up
from tests.unit.repository.opening.single_writer.parties import DAY_SECONDS, HOUR_SECONDS, Site


class Listener(Silence):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture
def site():
    return Site()


def test_a_careless_store_gets_a_repository_in_single_writer_mode(site):
    assert site.open(2).config.single_writer
    assert site.claims() == []
    assert (
        not make_small_repository(MemoryStore(), deterministic_surroundings(1))
        .open(deterministic_surroundings(2))
        .config.single_writer
    )


def test_a_second_writer_is_refused_and_told_by_whom(site):
    first, second = site.open(2), site.open(3)
    back_up(first, DISK, FIRST, "s1")
    before = site.claims()
    with pytest.raises(LeaseHeldError) as refused:
        back_up(second, DISK, SECOND, "s2")
    assert "party 2, since 2026-01-01T" in refused.value.what
    assert "last heard of at 2026-01-01T" in refused.value.why
    assert "take-over-lease memory:" in refused.value.cure
    assert site.claims() == before
    first.give_back()
    assert site.claims() == []
    report = back_up(site.open(3), DISK, SECOND, "s2")
    assert report.finished.manifest.parent is not None


def test_who_was_refused_may_try_again_and_reads_what_was_written_meanwhile(site):
    first, second = site.open(2), site.open(3)
    back_up(first, DISK, FIRST, "s1")
    with pytest.raises(LeaseHeldError):
        open_session(second, "default", DISK)
    first.give_back()
    back_up(second, DISK, SECOND, "s2")
    second.give_back()
    assert len(list_points(site.open(4))) == 2
    assert not site.open(4).ledger.damage


def test_of_two_that_begin_at_the_same_moment_none_writes(site):
    """The other one's claim comes between the first look and the second."""
    other = site.open(3)

    class Crossing(FaultyStore):
        def create(self, key, body, sha256, terms=None):
            super().create(key, body, sha256)
            if key.startswith(names.LEASES) and not other_claims:
                other_claims.append(key)
                put(site.store, names.lease(b"o" * 16, 1), b"in the middle of its own first look")

    other_claims: list[str] = []
    with pytest.raises(LeaseHeldError, match="somebody unknown"):
        open_session(site.open(2, Crossing(site.store, {})), "default", DISK)
    assert site.claims() == [names.lease(b"o" * 16, 1)]
    assert list(site.store.list(names.LEDGER)) == []
    with pytest.raises(LeaseHeldError):
        open_session(other, "default", DISK)


def test_a_claim_is_renewed_after_ten_minutes_and_one_is_kept(site):
    writer = site.open(2)
    back_up(writer, DISK, FIRST, "s1")
    (before,) = site.claims()
    site.clock.step(599)
    back_up(writer, DISK, FIRST, "s2")
    assert site.claims() == [before]
    site.clock.step(2)
    back_up(writer, DISK, FIRST, "s3")
    (after,) = site.claims()
    assert after[:-10] == before[:-10]
    assert int(after[-10:]) == int(before[-10:]) + 1


def test_a_renewal_that_arrives_after_somebody_took_over_is_none(site):
    """Whoever takes over has looked before it arrived, and looks for its own claim alone from then on."""

    class SlowNetwork(FaultyStore):
        def create(self, key, body, sha256, terms=None):
            if key.startswith(names.LEASES) and site.claims():
                site.clock.step(HOUR_SECONDS)
                heirs.append(site.open(3))
                heirs[0].take_over_lease()
                back_up(heirs[0], DISK, SECOND, "s2")
            super().create(key, body, sha256)

    heirs: list[Repository] = []
    writer = site.open(2, SlowNetwork(site.store, {}))
    session = open_session(writer, "default", DISK)
    site.clock.step(HOUR_SECONDS)
    for _time in range(2):
        with pytest.raises(SecondWriterError, match="no longer holds the lease"):
            writer.ledger.append({"type": "unpin", "session": session.session})
    assert len(site.claims()) == 1
    back_up(heirs[0], DISK, FIRST, "s3")
    heirs[0].give_back()
    assert site.claims() == []


def test_who_writes_on_after_its_clock_was_set_back_keeps_the_lease(site):
    writer, clock = site.open_by(2, 0)
    session = open_session(writer, "default", DISK)
    clock.step(-2 * HOUR_SECONDS)
    for _ in range(8):
        for one in (site.clock, clock):
            one.step(HOUR_SECONDS / 4)
        writer.ledger.append({"type": "unpin", "session": session.session})
    with pytest.raises(LeaseHeldError):
        site.open(3).take_over_lease()
    writer.ledger.append({"type": "unpin", "session": session.session})


def test_the_dead_are_taken_over_after_an_hour_and_not_before(site):
    dead = site.open(2)
    back_up(dead, DISK, FIRST, "s1")
    site.clock.step(HOUR_SECONDS - 10)
    with pytest.raises(LeaseHeldError, match="party 2"):
        site.open(3).take_over_lease()
    assert len(site.claims()) == 1
    site.clock.step(20)
    with pytest.raises(LeaseHeldError):  # no clock alone does it
        back_up(site.open(3), DISK, SECOND, "s2")
    heir = site.open(3)
    (holder,) = heir.take_over_lease()
    assert holder.claim.party == "party 2"
    back_up(heir, DISK, SECOND, "s2")
    with pytest.raises(SecondWriterError, match="no longer holds the lease"):
        back_up(dead, DISK, SECOND, "s3")
    heir.give_back()
    assert site.claims() == []
    assert len(list_points(site.open(4))) == 2


def test_who_was_asleep_and_was_not_taken_over_goes_on(site):
    writer = site.open(2)
    session = open_session(writer, "default", DISK)
    site.clock.step(DAY_SECONDS)
    writer.ledger.append({"type": "unpin", "session": session.session})
    assert len(site.claims()) == 1


def test_a_damaged_claim_holds_and_is_taken_over(site):
    back_up(site.open(2), DISK, FIRST, "s1")
    (key,) = site.claims()
    put(site.store, key, b"damage")
    with pytest.raises(LeaseHeldError, match="somebody unknown"):
        back_up(site.open(3), DISK, SECOND, "s2")
    site.clock.step(HOUR_SECONDS + 1)
    heir = site.open(3)
    (holder,) = heir.take_over_lease()
    assert holder.claim is None
    back_up(heir, DISK, SECOND, "s2")


def test_where_the_store_has_no_clock_the_claims_say_when(site):
    class WithoutClock(FaultyStore):
        def head(self, key, version=None):
            return dataclasses.replace(super().head(key, version), modified=None)

        def list(self, prefix, start_after=""):
            return (dataclasses.replace(info, modified=None) for info in super().list(prefix, start_after))

    back_up(site.open(2), DISK, FIRST, "s1")
    with pytest.raises(LeaseHeldError, match="party 2"):
        site.open(3, WithoutClock(site.store, {})).take_over_lease()
    site.clock.step(HOUR_SECONDS + 1)
    (holder,) = site.open(3, WithoutClock(site.store, {})).take_over_lease()
    assert holder.info.modified is None


def test_a_reader_does_without_a_pin_and_says_so(site):
    writer = site.open(2)
    back_up(writer, DISK, FIRST, "s1")
    reader, listener = site.open(3), Listener()
    (point,) = list_points(reader)
    with pinned(reader, [point.session], listener):
        assert reader.ledger.refresh().pins == {}
    assert listener.notes == [f"reading without a pin, for {who_holds(site)}: what is deleted now stays for seven days"]
    assert restored(reader, point) == FIRST.content
    writer.give_back()
    with pinned(reader, [point.session], listener):
        assert len(reader.ledger.refresh().pins) == 1
    assert len(listener.notes) == 1


def who_holds(site):
    with pytest.raises(LeaseHeldError) as refused:
        open_session(site.open(9), "default", DISK)
    return refused.value.what


def test_nothing_is_written_after_the_lease_was_given_back(site):
    writer = site.open(2)
    back_up(writer, DISK, FIRST, "s1")
    writer.give_back()
    with pytest.raises(SecondWriterError, match="no longer holds"):
        back_up(writer, DISK, SECOND, "s2")
    assert site.claims() == []


def test_a_candidate_that_fails_takes_its_claim_back(site):
    class Failing(FaultyStore):
        def list(self, prefix, start_after=""):
            if prefix == names.LEASES and site.claims():
                raise UnavailableError("the list failed", why="planned", cure="try again")
            return super().list(prefix, start_after)

    with pytest.raises(UnavailableError):
        back_up(site.open(2, Failing(site.store, {})), DISK, FIRST, "s1")
    assert site.claims() == []


def test_a_lost_answer_to_a_claim_leaves_none_behind(site):
    quiet = FaultyStore(site.store, {})
    opened = site.open(2, quiet)
    at = len(quiet.requests) + 1  # the list of claims, then the claim
    faulty = FaultyStore(site.store, {at: Fault.LOST_ANSWER})
    with pytest.raises(UnavailableError):
        back_up(site.open(2, faulty), DISK, FIRST, "s1")
    assert faulty.requests[at].key.startswith(names.LEASES)
    assert site.claims() == []
    opened.give_back()


def test_two_who_make_a_repository_at_once(site):
    """One is at work when the other one comes: that one is refused and leaves nothing."""
    store = CarelessStore(site.clock)
    refused = []

    class Meanwhile(FaultyStore):
        def create(self, key, body, sha256, terms=None):
            if key == names.CONFIG:
                with pytest.raises(ConflictError) as error:
                    create_repository(store, deterministic_surroundings(6, site.clock))
                refused.append(error.value)
            super().create(key, body, sha256)

    made = make_small_repository(Meanwhile(store, {}), deterministic_surroundings(5, site.clock))
    assert isinstance(refused[0], LeaseHeldError)
    assert list(store.list(names.LEASES)) == []
    assert len(list(store.list(names.KEYS))) == 1
    made.open(deterministic_surroundings(7, site.clock), store)


def test_immutable_is_refused(site):
    class Lockable(CarelessStore):
        def protection(self):
            return dataclasses.replace(super().protection(), versions=True, locks=True)

    with pytest.raises(UsageError, match="cannot hold an immutable repository"):
        create_repository(Lockable(site.clock), deterministic_surroundings(5), immutable=True)


def test_policies_are_refused(site):
    with pytest.raises(UsageError, match="single-writer mode"):
        require_many_writers(site.open(2))
    ordinary = make_small_repository(MemoryStore(), deterministic_surroundings(1))
    require_many_writers(ordinary.open(deterministic_surroundings(2)))


def test_there_is_nothing_to_take_over_elsewhere():
    ordinary = make_small_repository(MemoryStore(), deterministic_surroundings(1))
    with pytest.raises(UsageError, match="has no lease"):
        ordinary.open(deterministic_surroundings(2)).take_over_lease()
