"""What is said of mutants that nobody noticed is said once, of a place, and names tests that are there."""

import re
from collections import Counter

from tests.house.tree import ROOT
from tests.long.page import explanations, where

FIELDS = {"where", "was", "is", "why"}
TESTED = re.compile(r"`(tests/[^`]*)`")


def test_every_explanation_is_whole():
    assert [one for one in explanations() if one.keys() != FIELDS or not all(one.values())] == []


def test_no_mutant_is_explained_twice():
    counted = Counter((one["where"], one["was"], one["is"]) for one in explanations())
    assert [mutant for mutant, times in counted.items() if times > 1] == []


def test_explanations_stand_by_their_places():
    places = [one["where"] for one in explanations()]
    assert places == sorted(places)


def test_every_test_that_is_said_to_notice_a_mutant_is_there():
    named = {path for one in explanations() for path in TESTED.findall(one["why"])}
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).is_file()] == []


def test_a_mutant_is_told_by_module_and_function():
    assert where("holdfast.repository.format.index_run.x_encode__mutmut_12") == "repository.format.index_run.encode"
    assert where("holdfast.domain.retention.x__hold__mutmut_1") == "domain.retention._hold"
    assert where("holdfast.repository.crypto.keys.xǁMasterKeyǁsub__mutmut_3") == "repository.crypto.keys.MasterKey.sub"
