"""The contract of retrievals by an appliance, over a real repository in a cold store and the simulated one."""

from datetime import timedelta

import pytest

from holdfast.appliance.ports.repositories import SourceVolume
from holdfast.domain.archive import ArchiveClass, Tier, end_of_copy
from holdfast.domain.errors import NotFoundError, UsageError
from holdfast.domain.retrieval import RetrievalOrder
from holdfast.repository.sessions.points import load_manifest
from holdfast.repository.sessions.session import retire
from holdfast.testing.deterministic_surroundings import SteppableClock
from holdfast.testing.simulated_repository import SimulatedRepository
from holdfast.wiring.delegated_repository import DelegatedRepository
from tests.faults.cold_world import Archive

READER = "12" * 16
STANDARD = RetrievalOrder(Tier.STANDARD, 2)


class RealCold:
    """With packs so small that a point fills several, two of which are asked for in one call."""

    def __init__(self):
        self.archive = Archive()
        self.clock, self.tenant = self.archive.clock, "default"
        self.ordered = self.clock()
        self.point = self.archive.points[0].id
        self.volumes = [one.name for one in load_manifest(self.archive.repository, self.archive.points[0]).volumes]
        self.start_again()

    def start_again(self):
        """As an appliance does that was killed."""
        self.repository = DelegatedRepository(self.archive.open(30), "memory:", retrieved_at_once=2)

    def billed(self):
        return [one.key for one in self.archive.store.billed]

    def pins(self):
        return {reader.hex() for reader in self.archive.open(31).ledger.state.pins}

    def retire(self):
        retire(self.archive.repository, self.archive.points[0].session, self.archive.points[0].key)


class SimulatedCold:
    """Without bytes."""

    def __init__(self):
        self.clock, self.tenant = SteppableClock(), "123456789012"
        self.ordered = self.clock()
        self.repository = SimulatedRepository(self.clock, lambda snapshot: True)
        self.volumes = ["/dev/xvda", "/dev/sdf", "/dev/sdg"]
        self.point = self.repository.new_session()
        sources = [SourceVolume(name, {"snapshot": f"snap-{name}"}) for name in self.volumes]
        self.repository.prepare_backup(self.point, 1, self.tenant, "web", sources, "default")
        self.repository.do_task(self.point, 1, lambda target: "snap")
        self.repository.accept_backup(self.point, 1, b"{}")
        self.repository.archive_class = ArchiveClass.DEEP_ARCHIVE

    def start_again(self):
        """It remembers nothing but what a store does."""

    def billed(self):
        return [pack for pack, _ in self.repository.cold.billed]

    def pins(self):
        return set(self.repository.pins)

    def retire(self):
        self.repository.retire(self.point, self.tenant)


@pytest.fixture(params=["real", "simulated"])
def cold(request):
    return RealCold() if request.param == "real" else SimulatedCold()


def look(cold):
    return cold.repository.cold_data(cold.point, cold.tenant, cold.volumes)


def go_on(cold, order=STANDARD, tell=lambda text: None, ordered=None):
    return cold.repository.retrieve(READER, cold.point, cold.tenant, cold.volumes, order, ordered or cold.ordered, tell)


def until(cold, is_so):
    """Call it as an appliance does, until it is so."""
    for _each in range(1000):
        data = go_on(cold)
        if is_so(data):
            return data
    raise AssertionError(data)


def test_looking_asks_for_nothing(cold):
    data = look(cold)
    assert (data.storage_class, data.archived_packs) == (ArchiveClass.DEEP_ARCHIVE, data.cold_packs)
    assert data.cold_packs > 2
    assert data.archived_bytes == data.cold_bytes > 0
    assert data.readable_until is None
    assert cold.billed() == []
    assert cold.pins() == set()


def test_each_pack_is_asked_for_once_and_not_all_in_one_call(cold):
    told: list[str] = []
    first = go_on(cold, tell=told.append)
    assert 0 < first.under_way_packs < first.cold_packs
    assert told == [
        f"asked for {first.under_way_packs} pack{'s' * (first.under_way_packs > 1)} (standard, kept for 2 days)"
    ]
    assert cold.pins() == {READER}
    cold.start_again()
    data = until(cold, lambda data: not data.archived_packs)
    assert data.under_way_packs == data.cold_packs
    cold.start_again()
    go_on(cold)
    assert len(cold.billed()) == len(set(cold.billed())) == data.cold_packs
    assert not look(cold).is_readable


def test_it_can_be_read_when_its_tier_has_had_its_time(cold):
    until(cold, lambda data: not data.archived_packs)
    cold.clock.step(11 * 3600)
    assert go_on(cold).readable_packs == 0
    cold.clock.step(3600)
    data = until(cold, lambda data: data.is_readable)
    assert timedelta(days=2) <= data.readable_until - cold.clock() < timedelta(days=3)
    assert look(cold) == data


def test_what_is_read_is_kept_and_given_back(cold):
    until(cold, lambda data: not data.archived_packs)
    cold.clock.step(12 * 3600)
    asked = until(cold, lambda data: data.is_readable).cold_packs
    for _hour in range(5 * 24):
        cold.clock.step(3600)
        assert go_on(cold).is_readable
        assert look(cold).is_readable
    assert asked < len(cold.billed()) <= 5 * asked
    cold.repository.end_reading(READER)
    assert cold.pins() == set()
    cold.clock.step(3 * 24 * 3600)
    assert look(cold).archived_packs == asked


def test_days_that_are_told_hold_for_what_is_there_already(cold):
    until(cold, lambda data: not data.archived_packs)
    cold.clock.step(12 * 3600)
    asked = until(cold, lambda data: data.is_readable).cold_packs
    cold.start_again()
    week, ordered = RetrievalOrder(Tier.BULK, 7), cold.clock()
    data = go_on(cold, week, ordered=ordered)
    assert data.is_readable
    assert data.readable_until == end_of_copy(ordered, 7)
    assert len(cold.billed()) == 2 * asked
    for _day in range(3):
        cold.clock.step(24 * 3600)
        cold.start_again()
        assert go_on(cold, week, ordered=ordered) == data
    assert len(cold.billed()) == 2 * asked


def test_what_is_not_retrieved_so(cold):
    with pytest.raises(UsageError, match="no expedited retrieval"):
        go_on(cold, RetrievalOrder(Tier.EXPEDITED))
    with pytest.raises(UsageError, match="0 days"):
        go_on(cold, RetrievalOrder(Tier.BULK, 0))
    go_on(cold)
    cold.retire()
    billed = cold.billed()
    with pytest.raises(NotFoundError):
        go_on(cold)
    assert cold.billed() == billed
