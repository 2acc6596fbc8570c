"""Each stage of the profile is a function that is there: nobody notices otherwise before a long benchmark ends."""

import importlib

import pytest

from bench.stage_profile import STAGES


@pytest.mark.parametrize("place", [place for places in STAGES.values() for place in places])
def test_what_is_timed_is_there(place):
    module, _colon, name = place.partition(":")
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    assert callable(found)
