"""Names say what a thing is, and numbers say in which unit."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import code_files, named, source_files, syntax_tree

EMPTY_WORDS = re.compile(r"(?:^|_)(?:managers?|helpers?|utils?|utilit(?:y|ies)|common|misc)(?:$|_)")
NEEDS_UNIT = re.compile(r"(?:^|_)(?:size|timeout|duration|interval|delay|age|latency|ttl)$")
# A name that a foreign protocol gives: the comment on its line says so.
GIVEN_FROM_OUTSIDE = re.compile(r"#.*\bnames?\b")
# Methods whose parameters are given by the protocol of Python's own file objects.
FILE_PROTOCOL = {"read", "read1", "readline", "readlines", "truncate"}


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def test_modules_and_classes_have_a_subject():
    found = [
        named(path) for path in code_files() if EMPTY_WORDS.search(path.stem) or EMPTY_WORDS.search(path.parent.name)
    ]
    found += [
        f"{named(path, node.lineno)} {node.name}"
        for path in code_files()
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.ClassDef) and EMPTY_WORDS.search(snake_case(node.name))
    ]
    assert not found, f"{found}: Manager, Helper, Util, Common and Misc name no subject. Say what it does or holds."


def declared_names(path: Path) -> Iterator[tuple[int, str]]:
    """Parameters, annotated fields and constants (but patterns and other objects): the names that others read."""
    tree = syntax_tree(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name not in FILE_PROTOCOL:
            arguments = node.args
            for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
                yield argument.lineno, argument.arg
        elif isinstance(node, ast.ClassDef | ast.Module):
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    yield statement.lineno, statement.target.id
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and not isinstance(statement.value, ast.Call):
            yield from ((target.lineno, target.id) for target in statement.targets if isinstance(target, ast.Name))


def test_sizes_and_times_carry_their_unit():
    found = []
    for path in source_files():
        lines = path.read_text(encoding="utf-8").splitlines()
        found += [
            f"{named(path, line)} {name}"
            for line, name in declared_names(path)
            if NEEDS_UNIT.search(name.lower()) and not GIVEN_FROM_OUTSIDE.search(lines[line - 1])
        ]
    assert not found, (
        f"{found}: end the name with its unit: size_bytes, entry_count, timeout_seconds. Where a foreign one gives "
        "the name, say so on the line: `# moto's name`."
    )
