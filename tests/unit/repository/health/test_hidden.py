"""A repository that somebody has hidden is not called clean, and a repair brings all back on top by adding alone."""

import random

import pytest

from holdfast.domain.errors import ObjectNotFoundError
from holdfast.repository.format import names
from holdfast.repository.health.checking.check import check_repository
from holdfast.repository.health.checking.misplaced import misplaced
from holdfast.repository.health.checking.scrub import scrub
from holdfast.repository.health.repair.quarries import none
from holdfast.repository.health.repair.repair import repair
from holdfast.repository.progress import Silence
from holdfast.repository.sessions.statistics import measure
from holdfast.repository.stores.counting import CountingStore, RequestCounts
from holdfast.repository.stores.passing import PassingStore
from tests.faults.immutable_site import Site
from tests.unit.repository.trust.test_hostile_versions import newer_object


@pytest.fixture
def site():
    site = Site()
    site.contents = {site.back_up(block(seed)): block(seed) for seed in (1, 2)}
    site.collect()
    site.renew()
    return site


def block(seed: int) -> bytes:
    return bytes([seed]) * 1000


def is_clean(site) -> bool:
    """By the word of all who are asked."""
    scrubbed = scrub(site.store, site.surroundings(), 100, Silence())
    checked = check_repository(site.open(), 100, Silence())
    return not (scrubbed.damage or checked.damage or measure(site.open()).hidden)


def data_of(site) -> dict[str, bytes]:
    return {one.key: one.body for one in site.bucket.listed() if not one.key.startswith(names.SESSIONS)}


def assert_put_right(site, before):
    ids = {one.id for one in site.bucket.every_version() if one.body is not None}
    rehearsed = repair(site.open(), none, Silence(), rehearsal=True)
    assert {one.object for one in rehearsed.reinstated} == {one.object for one in repaired(site).reinstated} != set()
    assert ids <= {one.id for one in site.bucket.every_version()}  # it has only added
    after = data_of(site)
    assert {key: after[key] for key in before} == before
    assert is_clean(site)
    assert repaired(site).reinstated == ()
    unlocked = (names.PLANS, names.SESSIONS)
    tops = [one for one in site.bucket.listed() if not one.key.startswith(unlocked)]
    assert all(one.locked_until is not None for one in tops)
    assert site.restores(site.contents)


def repaired(site):
    report = repair(site.open(), none, Silence())
    assert report.left == ()
    return report


def test_markers_over_everything_are_told_and_taken_away(site):
    assert is_clean(site)
    before = data_of(site)
    for key in before:
        site.bucket.delete(key)
    assert measure(site.open()).hidden == len(before)
    damaged = {one.object for one in check_repository(site.open(), None, Silence()).harmful}
    assert before.keys() <= damaged
    assert_put_right(site, before)
    packs = [one for one in site.bucket.every_version() if one.key.startswith(names.PACKS) and one.body is not None]
    assert len(packs) == len({one.key for one in packs})  # nothing was sent again for that


@pytest.mark.parametrize("over", ["junk", "newer", "cut", "marker and junk"])
def test_what_was_put_over_everything_is_covered_by_copies(site, over):
    before = data_of(site)
    until = site.clock().replace(year=2036)
    for key, body in before.items():
        if over == "marker and junk":
            site.bucket.delete(key)
        forged = {"newer": newer_object(key), "cut": body[:-40]}.get(over, b"junk")
        site.bucket.put(key, forged, retain_until=until)
    assert not is_clean(site)
    assert_put_right(site, before)


def test_some_of_all_kinds_of_versions(site):
    """By chance, with what stood there first under a marker."""
    dice = random.Random(7)
    before = data_of(site)
    for key, body in before.items():
        for _layer in range(dice.randrange(4)):
            if dice.random() < 0.5:
                site.bucket.delete(key)
            else:
                site.bucket.put(key, dice.choice([b"junk", body[:-1], newer_object(key)]))
    assert_put_right(site, before)


def test_whose_covered_packs_are_of_which_nothing_is_recorded_is_asked_once(site):
    packs = [key for key in data_of(site) if key.startswith(names.PACKS)]
    lists = []
    for covered in (packs[:1], packs[1:]):
        for key in covered:
            site.bucket.put(key, b"junk")
        counts = RequestCounts()
        found = {one.object for one in misplaced(site.open(CountingStore(site.store, counts)), {})}
        assert set(covered) <= found
        lists.append(counts.requests["list"])
    assert len(packs) > 2
    assert lists[0] == lists[1]


class Collecting(PassingStore):
    """A collection deletes each version just after it was looked at once."""

    def __init__(self, inner):
        super().__init__(inner)
        self._looked_at = set()

    def head(self, key, version=None):
        if version is not None and (key, version) in self._looked_at:
            raise ObjectNotFoundError(key)
        self._looked_at.add((key, version))
        return super().head(key, version)


def test_what_a_collection_deletes_meanwhile_ends_no_check(site):
    pack = next(key for key in data_of(site) if key.startswith(names.PACKS))
    site.bucket.put(pack, bytes(len(data_of(site)[pack])))
    assert [one.object for one in misplaced(site.open(), {})] == [pack]
    assert list(misplaced(site.open(Collecting(site.store)), {})) == []


def test_junk_that_was_hidden_stays_so(site):
    """Somebody was right to hide it: no version of it opens."""
    key = names.ledger(site.open().ledger.state.sequence + 1)
    site.bucket.put(key, b"junk")
    assert not is_clean(site)
    site.bucket.delete(key)
    assert check_repository(site.open(), None, Silence()).damage == ()
    assert repair(site.open(), none, Silence()).reinstated == ()
