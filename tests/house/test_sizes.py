"""A file and a function are read in one sitting."""

import ast
from statistics import median

from tests.house.tree import code_files, named, source_files, syntax_tree

FILE_LINES = 500
MEDIAN_FILE_LINES = 150
FUNCTION_LINES = 70


def test_files_stay_short():
    long = {named(path): count for path in code_files() if (count := len(path.read_text().splitlines())) >= FILE_LINES}
    assert not long, f"{long}: a file has under {FILE_LINES} lines. Find the second subject in it and give that a file."


def test_most_files_are_far_shorter():
    middle = median(len(path.read_text().splitlines()) for path in source_files())
    assert middle < MEDIAN_FILE_LINES, f"the median file has {middle} lines: subjects have grown together, part them"


def test_functions_stay_short():
    long = {
        f"{named(path, node.lineno)} {node.name}": lines
        for path in code_files()
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) >= FUNCTION_LINES
    }
    assert not long, f"{long}: a function has under {FUNCTION_LINES} lines. Name the steps in it and call them."
