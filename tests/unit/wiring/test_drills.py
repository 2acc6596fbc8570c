"""When each slot was tried: kept for the owner alone, one file a location."""

from datetime import timedelta

import pytest

from holdfast.domain.errors import HoldfastError
from holdfast.testing.virtual_time import BEGINNING
from holdfast.wiring.drills import Drills

ONE, OTHER = b"1" * 16, b"2" * 16


def test_the_last_drill_of_each_slot_is_kept(tmp_path):
    drills = Drills(tmp_path / "home")
    assert drills.of("/a") == {}
    drills.record("/a", ONE, BEGINNING)
    drills.record("/a", OTHER, BEGINNING)
    drills.record("/a", ONE, BEGINNING + timedelta(days=1))
    assert Drills(tmp_path / "home").of("/a") == {ONE: BEGINNING + timedelta(days=1), OTHER: BEGINNING}
    assert drills.of("/b") == {}
    [kept] = (tmp_path / "home" / "drills").iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_damaged_file_is_named(tmp_path):
    drills = Drills(tmp_path)
    drills.record("/a", ONE, BEGINNING)
    [kept] = (tmp_path / "drills").iterdir()
    kept.write_text("{}")
    with pytest.raises(HoldfastError, match="tried cannot be read") as caught:
        drills.of("/a")
    assert str(kept) in caught.value.why
