"""What is imported is declared, and what is pinned is a version and nothing else."""

import ast
import importlib.metadata
import re
import sys
import tomllib

import pytest
from packaging.specifiers import SpecifierSet

from tests.house.tree import ROOT, SOURCE, named, source_files, syntax_tree

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRA_OF_ROOM = {
    "lab": "lab",
    "testing": "testing",
    "protocol": "server",
    "database": "server",
    "rest": "server",
    "server": "server",
    "appliance": "appliance",
    "engine": "appliance",
}
PROVIDES = importlib.metadata.packages_distributions()


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {plain(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}  # type: ignore[index]


def allowed_for(room: str) -> set[str]:
    extras = PROJECT["optional-dependencies"]
    return declared(PROJECT["dependencies"]) | declared(extras.get(EXTRA_OF_ROOM.get(room, room), []))


def test_imports_are_declared():
    found = []
    for path in source_files():
        room = path.relative_to(SOURCE).parts[0]
        for node in ast.walk(syntax_tree(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for top in {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"holdfast"}:
                # botocore comes with boto3 and is no choice of ours; types_boto3* is for the type checker only.
                if top == "botocore" or top.startswith("types_boto3"):
                    continue
                if not {plain(name) for name in PROVIDES.get(top, [top])} & allowed_for(room):
                    found.append(f"{named(path, node.lineno)} {top}")  # type: ignore[attr-defined]
    assert not found, f"{found}: declare the distribution in pyproject.toml (base, or the extra of the room)"


def test_base_dependencies_are_imported():
    """A plain installation brings nothing that the product does not use."""
    imported = {
        name.split(".")[0]
        for path in source_files()
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    used = {plain(distribution) for name in imported for distribution in PROVIDES.get(name, [])}
    unused = declared(PROJECT["dependencies"]) - used
    assert not unused, f"{unused}: no file imports this; take it out of the dependencies in pyproject.toml"


def test_extras_are_not_needed_by_a_plain_installation():
    """What the base lists holds none of the heavy parts that only an extra needs."""
    heavy = {"moto", "pytest", "hypothesis", "matplotlib"} & declared(PROJECT["dependencies"])
    assert not heavy, f"{heavy} belongs to an extra: `pip install holdfast` is the command line alone"


def test_constraints_hold_versions_only():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wrong = [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!_-]+", line)]
    assert not wrong, f"constraints.txt: {wrong}: only lines of name==version, no address, no option, no comment"


@pytest.mark.parametrize("extra", ["", *PROJECT["optional-dependencies"]])
def test_every_dependency_is_pinned(extra):
    pinned = {plain(line.split("==")[0]) for line in (ROOT / "constraints.txt").read_text().splitlines()}
    missing = declared(PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]) - pinned
    assert not missing, f"constraints.txt: pin {missing} (install it, then copy its line of `pip freeze`)"


def test_pins_accept_every_python_that_the_project_accepts():
    """Debian 12 has Python 3.11.2; a pin that asks for a later 3.11 would be refused there."""
    oldest = PROJECT["requires-python"].removeprefix(">=") + ".0"
    pinned = [line.split("==")[0] for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()]
    needed = {
        name: str(distribution.metadata.json.get("requires_python", ""))
        for name in pinned
        for distribution in importlib.metadata.distributions(name=name)
    }
    wrong = {name: specifier for name, specifier in needed.items() if not SpecifierSet(specifier).contains(oldest)}
    assert not wrong, f"constraints.txt: {wrong}: pin the newest version that accepts Python {oldest}"
