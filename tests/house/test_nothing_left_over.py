"""What nobody needs any more is removed, and what is not finished is not there."""

import ast
import re

from tests.house.tree import ROOT, SOURCE, code_files, committed_files, named, source_files, syntax_tree

ENTRY_POINTS = {"holdfast.cli.main"}


def module_name(path):
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts)


def referenced_modules():
    """Every module that some file imports, or names in a string (modules that are loaded when a command is called)."""
    found = set()
    for path in code_files():
        if ROOT / "tests" / "house" in path.parents:
            continue
        for node in ast.walk(syntax_tree(path)):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= (
                    set(re.findall(r"holdfast(?:\.\w+)+", node.value)) if node.value.startswith("holdfast.") else set()
                )
    return found


def test_every_module_is_used():
    used = referenced_modules() | ENTRY_POINTS
    modules = {module_name(path): named(path) for path in source_files() if path.stem != "__init__"}
    dead = sorted(place for name, place in modules.items() if name not in used and not name.endswith("__main__"))
    assert not dead, f"{dead}: no file imports this. Use it or remove it."


def test_nothing_is_marked_as_unfinished():
    marks = re.compile(r"#.*\b(?:TO[D]O|FIX[M]E|XX[X]|HAC[K])\b")
    found = [
        named(path, number)
        for path in code_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if marks.search(line)
    ]
    assert not found, f"{found}: finish it, or leave it out and say in the docs what is missing"


def test_no_work_file_is_committed():
    strays = [
        named(path) for path in committed_files() if path.suffix in {".orig", ".rej", ".bak", ".swp", ".pyc", ".log"}
    ]
    assert not strays, f"{strays}: remove it from version control"
