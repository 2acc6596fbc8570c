"""Every folder of the product introduces itself."""

import ast
import re

import pytest

from tests.house.tree import SOURCE, named, packages, syntax_tree

PACKAGES = [path for path in packages() if path != SOURCE]


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda folder: str(folder.relative_to(SOURCE)))
def test_package_says_what_it_is_what_it_must_never_know_and_where_to_read_first(folder):
    init = folder / "__init__.py"
    assert init.exists(), f"{named(folder)}: give the package an __init__.py with a docstring"
    text = ast.get_docstring(syntax_tree(init)) or ""
    assert text, f"{named(init)}: begin with a docstring that says what the package is"
    assert re.search(r"\b(never|knows? no|knows? nothing|nothing else|no I/O)\b", text), (
        f"{named(init)}: say in the docstring what this package must never know"
    )
    first = re.search(r"\b[Rr]ead\s+(.{1,80}?)\s+first\b|\b[Ss]tart (?:at|with)\s+(.{1,80})", text, re.DOTALL)
    assert first, f"{named(init)}: say in the docstring which file to read first (Read `name.py` first)"
    files = re.findall(r"([\w/]+\.py)", first.group(0))
    missing = [name for name in files if not (folder / name).exists()]
    assert files, f"{named(init)}: name the file to read first with its .py"
    assert not missing, f"{named(init)}: the docstring sends readers to {missing}, which is not in the folder"
