"""Tables fit a terminal; nothing is lost that a person could not see elsewhere."""

import os
import pty
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.cli.folding import LEAST_WIDTH, fitted, folded
from holdfast.cli.tables import NARROWEST_PAGE, facts_table, listed_id, page_width, rows_table

LINES = [
    ("POINT", "KIND", "NAME", "SIZE"),
    ("3fa91c0123ab", "snapshot", "a web server of the shop", "8"),
    ("bf26e9567b54", "image-backup", "db", "120"),
]
RIGHTS = (False, False, False, True)


def test_without_a_page_every_row_stands_whole_on_its_line():
    assert fitted(LINES, RIGHTS, (1,), None) == [
        "POINT         KIND          NAME                      SIZE",
        "3fa91c0123ab  snapshot      a web server of the shop     8",
        "bf26e9567b54  image-backup  db                         120",
    ]


def test_what_can_be_spared_goes_first():
    assert fitted(LINES, RIGHTS, (1, 2), 46) == [
        "POINT         NAME                      SIZE",
        "3fa91c0123ab  a web server of the shop     8",
        "bf26e9567b54  db                         120",
    ]


def test_then_the_widest_column_is_folded_at_spaces():
    assert fitted(LINES, RIGHTS, (), 50) == [
        "POINT         KIND          NAME              SIZE",
        "3fa91c0123ab  snapshot      a web server of      8",
        "                            the shop",
        "bf26e9567b54  image-backup  db                 120",
    ]


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("arn:aws:kms:eu-central-1:123456789012:key/7f4a", "arn:aws:…key/7f4a"),
        ("3fa91c0123ab4567", "3fa91c0123ab4567"),
        ("3fa91c0123ab45673fa91c0123ab4567", "3fa91c0123ab4567…"),
    ],
)
def test_words_that_are_too_long_are_cut_where_they_differ_least(word, shown):
    lines = fitted([("NAME", "X"), (word, "y" * 12)], (False, False), (), 31)
    assert lines[1].split()[0] == shown
    assert len(lines[1]) <= 31


CELLS = st.text("ab -:/", max_size=40)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1), st.integers(3 * LEAST_WIDTH + 4, 120))
def test_any_table_fits_a_page_that_has_room_for_its_columns(rows, page):
    assert all(len(line) <= page for line in fitted(rows, (False, True, False), (), page))


@given(st.text("ab ", max_size=200), st.integers(1, 30))
def test_folding_loses_no_word(text, width):
    assert " ".join(folded(text, width)).split() == text.split()


@pytest.fixture
def terminal(monkeypatch):
    """Standard output is a terminal, as wide as `COLUMNS` says."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as screen:

        def begin(columns):
            monkeypatch.setattr(sys, "stdout", screen)
            monkeypatch.setenv("COLUMNS", str(columns))

        yield begin
    os.close(ours)


def test_a_terminal_has_a_width_and_nothing_else_has(terminal, monkeypatch):
    terminal(100)
    assert page_width() == 100
    terminal(20)
    assert page_width() == NARROWEST_PAGE
    monkeypatch.undo()
    assert page_width() is None


def test_tables_on_a_terminal(terminal):
    terminal(60)
    reason = "it cannot be reached: " + "the network is down, " * 4
    text = rows_table(("NAME", "URL", ""), [("north", "https://203.0.113.7:11005", reason)], spare=("URL",))
    assert all(len(line) <= 60 for line in text.splitlines())
    assert "https" not in text
    assert "".join(text.split()) == "".join(("NAME north " + reason).split())
    facts = facts_table({"state": "unavailable", "reason": reason, "certificate": "f" * 64})
    assert facts.splitlines()[1].startswith("reason       it cannot be reached")
    assert facts.splitlines()[2].startswith("             ")
    assert "f" * 64 in facts, "facts are never cut"


def test_other_programs_are_given_whole_ids(terminal, monkeypatch):
    terminal(100)
    assert listed_id("3fa91c0123ab4567") == "3fa91c0123ab"
    monkeypatch.undo()
    assert listed_id("3fa91c0123ab4567") == "3fa91c0123ab4567"
