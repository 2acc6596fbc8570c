"""What is committed speaks of the project alone, and runs on anyone's machine."""

import re
from pathlib import Path

import pytest

from tests.house.tree import ROOT, committed_files, named

PATTERNS = {
    "home": (
        re.compile(r"(?<![\w.~-])/(?:home/(?!(?:me|runner|user)\b)[a-z]\w*|Users/\w+|root)/"),
        "a path of one person's machine: write it relative to the project, or take it from the environment",
    ),
    "registry": (
        re.compile(r"https?://[^\s\"'<>)]*(?:/simple/?(?=[\s\"']|$)|pypi|npmjs)|^\s*(?:--)?(?:extra-)?index-url", re.M),
        "an address of a package registry: every user has their own; name packages and versions only",
    ),
    "tools": (
        re.compile(r"(?i)\bco-authored-by:|\bgenerated with \[|\b(?:language model|AI assistant|chatbot)s?\b"),
        "the project speaks of itself, not of how a change came about",
    ),
    "secret": (
        re.compile(r"\bAKIA(?!IOSFODNN7EXAMPLE)[A-Z0-9]{16}\b|-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE[ ]KEY-----"),
        "a secret: revoke it and take it out of the history",
    ),
}


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in committed_files():
        try:
            found.append((path, path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


@pytest.mark.parametrize("kind", PATTERNS)
def test_no_committed_file_holds(kind):
    pattern, cure = PATTERNS[kind]
    found = [
        f"{named(path, text.count(chr(10), 0, match.start()) + 1)} {match[0]!r}"
        for path, text in texts()
        if path != Path(__file__).resolve()
        for match in pattern.finditer(text)
    ]
    assert not found, f"{found}: {cure}"


def test_no_committed_file_names_this_checkout():
    found = [named(path) for path, text in texts() if re.search(rf"{re.escape(str(ROOT))}\b", text)]
    assert not found, f"{found}: holds the path of this checkout ({ROOT}); write it relative to the project"


def test_no_large_or_generated_file_is_committed():
    large = {named(path): size for path in committed_files() if (size := path.stat().st_size) > 1_000_000}
    assert not large, f"{large}: generate it in the test, or keep it out of the history"
