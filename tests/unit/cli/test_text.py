"""Small things that people read: safe text, sizes, tables, YAML."""

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.cli.printable import printable
from holdfast.cli.quantities import human_duration, human_size, parse_days, parse_percent, parse_size, short_time
from holdfast.cli.tables import as_facts, facts_table, rows_table
from holdfast.cli.yaml_text import to_yaml
from holdfast.domain.errors import UsageError
from holdfast.protocol.policies import parse_policy


@given(st.text())
def test_printable_text_holds_nothing_that_moves_a_terminal(text):
    shown = printable(text)
    assert shown.isprintable()
    assert "".join(character for character in text if character.isprintable()) == shown or "\\" in shown


def test_printable_escapes():
    assert printable("a\x1b[2J\n\u202e\udc80é") == "a\\x1b[2J\\n\\u202e\\udc80é"


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1024**2 - 1, "1.0 MiB"), (1536, "1.5 KiB"),
        (2**30, "1.0 GiB"), (2**60, "1.0 EiB"), (2**70, "1024.0 EiB"),
    ],
)  # fmt: skip
def test_human_size(size_bytes, text):
    assert human_size(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 0 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)
def test_human_duration(seconds, text):
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("512", 512),
        ("512B", 512),
        ("64MiB", 64 << 20),
        ("64M", 64 << 20),
        ("1 GiB", 1 << 30),
        ("2TiB", 2 << 40),
    ],
)
def test_parse_size(text, size_bytes):
    assert parse_size(text, "--size") == size_bytes


@pytest.mark.parametrize("text", ["", "GiB", "-1", "1.5GiB", "1GB", "1gib", "١", "1" * 30])
def test_what_is_no_size(text):
    with pytest.raises(UsageError, match="--size"):
        parse_size(text, "--size")


@pytest.mark.parametrize(("text", "percent"), [("1", 1), ("10%", 10), ("100", 100)])
def test_parse_percent(text, percent):
    assert parse_percent(text, "--read-data") == percent


@pytest.mark.parametrize("text", ["", "0", "101", "-5", "1.5", "x", "²"])
def test_what_is_no_share(text):
    with pytest.raises(UsageError, match="--read-data"):
        parse_percent(text, "--read-data")


@pytest.mark.parametrize(("text", "days"), [("1", 1), ("365", 365), ("forever", None)])
def test_parse_days(text, days):
    assert parse_days(text, "--keep-sessions") == days


@pytest.mark.parametrize("text", ["", "-5", "1.5", "ever", "²"])
def test_what_is_no_number_of_days(text):
    with pytest.raises(UsageError, match="--keep-sessions"):
        parse_days(text, "--keep-sessions")


def test_short_time():
    assert short_time("2026-11-22T20:38:02.123456Z") == short_time("2026-11-22T20:38:02Z") == "2026-11-22T20:38:02Z"


def test_tables():
    assert facts_table({"a": "x", "longer": None, "bc": 2}) == "a   x\nbc  2\n"
    assert rows_table(("NAME", "COUNT"), [("a\n", 5), (None, 12)]) == "NAME  COUNT\na\\n       5\n-        12\n"
    assert rows_table(("NAME",), []) == "NAME\n"
    document = {
        "size_bytes": 1024,
        "new_bytes_plain": 0,
        "requests": {"get": 1},
        "parent": None,
        "duration_seconds": 1.5,
    }
    assert as_facts(document) == {"size": "1.0 KiB", "new plain": "0 B", "requests": "1 get", "duration": "1.5 s"}


ODD_KEYS = [
    "", "@team", "2024", "2024-01-01", "0x1f", "1_000", "1e3", "12:30:00", ".inf", "~", "null", "Null", "y", "Yes",
    "NO", "on", "off", "TRUE", "a: b", "cost #1", "#", "- a", "? a", "a:", " a ", "a\nb", "[a", "{a", "&a", "*a", "!a",
    "%a", "|", ">", "'a", '"a', "a\\", "<<", "=", "\u2028", "\U0001f600" * 128,
]  # fmt: skip
KEYS = st.text() | st.sampled_from(ODD_KEYS)
SCALARS = st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20)


@given(st.dictionaries(KEYS, DOCUMENTS))
@example(dict.fromkeys(ODD_KEYS, "value"))
@example([[{key: {key: ["value"]}} for key in ODD_KEYS]])
def test_yaml_reads_back_as_it_was(document):
    assert yaml.safe_load(to_yaml(document)) == document


def test_names_of_documents_stand_bare():
    document = {"apiVersion": "v1", "kept-for": {"size_bytes": 1}}
    assert to_yaml(document) == 'apiVersion: "v1"\nkept-for:\n  size_bytes: 1\n'


def test_a_policy_with_odd_tags_is_applied_again_as_it_was_exported():
    tags = dict.fromkeys(ODD_KEYS, "yes")
    document = {"apiVersion": "holdfast/v1", "kind": "EC2Policy", "spec": {"select": {"tags": tags}}}
    assert parse_policy(to_yaml(document)) == document
