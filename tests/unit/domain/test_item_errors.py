"""Errors that are kept and raised again are what they were."""

import pytest

from holdfast.domain.errors import HoldfastError, IntegrityError, NeedsRetrievalError, error_again
from holdfast.domain.session import ItemError


def classes(root=HoldfastError):
    return [root, *(one for kind in root.__subclasses__() for one in classes(kind))]


@pytest.mark.parametrize("kind", [one for one in classes() if one.__module__ == "holdfast.domain.errors"])
def test_an_error_is_again_of_its_class(kind):
    error = kind.__new__(kind, "it failed")
    HoldfastError.__init__(error, "it failed", why="because", cure="mend it")
    if isinstance(error, IntegrityError):
        error.objects = ("packs/ab/cd",)
    again = ItemError.of(error).as_error()
    assert type(again) is kind
    assert (again.what, again.why, again.cure, again.exit_status) == (
        "it failed",
        "because",
        "mend it",
        kind.exit_status,
    )
    assert str(again) == "it failed (because)"
    if isinstance(again, IntegrityError):
        assert again.objects == ("packs/ab/cd",)


def test_what_is_cold_is_for_who_reads_alone():
    again = error_again("needs-retrieval", "w", why="y", cure="c", objects=("packs/ab/cd",))
    assert isinstance(again, NeedsRetrievalError)
    assert again.packs == ()


def test_a_code_that_nobody_knows_is_an_error_all_the_same():
    assert type(ItemError("new-code", "w", "y", "c").as_error()) is HoldfastError
