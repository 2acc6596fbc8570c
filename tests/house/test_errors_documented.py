"""docs/errors.md is the list that a person with an error code in hand looks into."""

import ast
import re

import pytest

from holdfast.domain import errors
from tests.house.tree import ROOT, SOURCE, named, source_files, syntax_tree

PAGE = ROOT / "docs" / "errors.md"
CLASSES = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.HoldfastError)]
CODES = {kind.code: kind for kind in CLASSES}


def sections() -> dict[str, str]:
    """Code -> what stands under the heading ## `code`."""
    parts = re.split(r"^## `([a-z-]+)`.*$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_codes_are_unique():
    assert len(CODES) == len(CLASSES), "two error classes share a code: scripts could not tell them apart"


@pytest.mark.parametrize("code", CODES)
def test_error_has_its_entry(code):
    kind = CODES[code]
    entry = sections().get(code)
    assert entry is not None, f"docs/errors.md: add a section ## `{code}` for {kind.__name__}, with its cause and cure"
    for part in (f"`{kind.__name__}`", f"Exit status {kind.exit_status}", "**Cause.**", "**Cure.**"):
        assert part in entry, f"docs/errors.md, section `{code}`: say {part!r}"


def test_no_entry_without_an_error():
    left_over = set(sections()) - set(CODES)
    assert not left_over, f"docs/errors.md: remove {left_over}, no error of domain/errors.py has that code"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_drawn_tree_shows_the_error(kind):
    drawn = re.search(rf"^\s*[│├└─ ]*{kind.__name__}\s+exit (\d+)", errors.__doc__ or "", re.MULTILINE)
    assert drawn, f"draw {kind.__name__} with its exit status into the tree at the head of domain/errors.py"
    assert int(drawn[1]) == kind.exit_status, f"the tree in domain/errors.py gives {kind.__name__} the wrong status"


def test_errors_are_defined_in_one_tree():
    names = {kind.__name__ for kind in CLASSES}
    found = [
        f"{named(path, node.lineno)} {node.name}"
        for path in source_files()
        if path != SOURCE / "domain" / "errors.py"
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base).split(".")[-1] in names for base in node.bases)
    ]
    assert not found, f"{found}: an error that may reach a user belongs into domain/errors.py, with code and cure"
