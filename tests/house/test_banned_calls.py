"""Calls that have no place in the product. Unlike a linter's findings, these cannot be silenced by a comment."""

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.house.tree import SOURCE, named, source_files, syntax_tree


def dotted(node: ast.expr) -> str:
    """`a.b.c` for a chain of names, else the last attribute's name with a leading dot."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else f".{node.attr}"
    return ""


def calls(path: Path) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Call):
            yield node, dotted(node.func)


def keywords(call: ast.Call) -> dict[str, object]:
    return {word.arg: getattr(word.value, "value", ...) for word in call.keywords if word.arg}


def imported(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def in_cli(path: Path) -> bool:
    return path.is_relative_to(SOURCE / "cli")


CLOCKS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "datetime.datetime.now", "datetime.datetime.utcnow",
    "date.today", "datetime.date.today", "time.time", "time.time_ns", "time.monotonic", "time.perf_counter",
    "time.sleep", "uuid.uuid1", "uuid.uuid4", "uuid4", "os.urandom",
}  # fmt: skip


def reads_clock_or_dice(path: Path, call: ast.Call, name: str) -> bool:
    pure = path.is_relative_to(SOURCE / "domain") or path.is_relative_to(SOURCE / "repository" / "format")
    return pure and (name in CLOCKS or name.startswith(("random.", "secrets.")))


def extracts_unfiltered(path: Path, call: ast.Call, name: str) -> bool:
    if not name.endswith((".extract", ".extractall")):
        return False
    return any(module == "tarfile" for _, module in imported(path)) and keywords(call).get("filter") != "data"


Rule = Callable[[Path, ast.Call, str], bool]

# name: what breaks the rule, the cure, and a line that must be found
CALL_RULES: dict[str, tuple[Rule, str, str]] = {
    "eval": (
        lambda path, call, name: name in {"eval", "exec", "compile", "__import__"},
        "Nothing that is read is ever run: parse it, or look the choice up in a dict.",
        "eval(text)",
    ),
    "yaml": (
        lambda path, call, name: name in {"yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load"},
        "Use yaml.safe_load.",
        "yaml.load(text)",
    ),
    "shell": (
        lambda path, call, name: keywords(call).get("shell") is True or name in {"os.system", "os.popen"},
        "Run a list of arguments with subprocess.run([...]).",
        "subprocess.run(line, shell=True)",
    ),
    "tls": (
        lambda path, call, name: keywords(call).get("verify") is False or name == "ssl._create_unverified_context",
        "A certificate is always checked: hand in the CA that signed it.",
        "session.get(url, verify=False)",
    ),
    "tar": (extracts_unfiltered, 'Extract with filter="data".', "import tarfile\ntarfile.open(name).extractall(place)"),
    "clock": (
        reads_clock_or_dice,
        "domain and repository.format are pure: take `now`, the salt or the id as an argument.",
        "datetime.now(UTC)",
    ),
    "print": (
        lambda path, call, name: name == "print" and not in_cli(path),
        "Only cli/ speaks to a person: return the value, report progress through what was handed in, or log.",
        "print(1)",
    ),
}


@pytest.mark.parametrize("rule", CALL_RULES)
def test_rule_finds_what_breaks_it(rule, tmp_path, monkeypatch):
    breaks, _, sample = CALL_RULES[rule]
    path = tmp_path / "domain" / "sample.py"
    path.parent.mkdir()
    path.write_text(sample)
    monkeypatch.setattr(sys.modules[__name__], "SOURCE", tmp_path)
    assert any(breaks(path, call, name) for call, name in calls(path))


@pytest.mark.parametrize("rule", CALL_RULES)
def test_call_is_not_made(rule):
    breaks, cure, _ = CALL_RULES[rule]
    found = [
        named(path, call.lineno) for path in source_files() for call, word in calls(path) if breaks(path, call, word)
    ]
    assert not found, f"{found}: {cure}"


def test_no_module_that_runs_what_it_reads():
    banned = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "telnetlib", "xml.sax", "xml.dom"}
    found = [named(path, line) for path in source_files() for line, module in imported(path) if module in banned]
    assert not found, f"{found}: bytes from outside are decoded by repository/format, cbor2 or json, never by these."


def hands_on(handler: ast.ExceptHandler) -> bool:
    """Whether the error goes on: raised again, or carried to the thread that waits for it."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return True
    carried = [node.value for node in handler.body if isinstance(node, ast.Assign)]
    for node in ast.walk(handler):
        if isinstance(node, ast.Call) and dotted(node.func).endswith(".set_exception"):
            carried += node.args
    return any(isinstance(value, ast.Name) and value.id == handler.name for value in carried)


def catches_everything(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(dotted(kind) in {"Exception", "BaseException"} for kind in kinds)


# Each looks after many things, or is the last who can tell: one that nobody foresaw is said, and the others go on.
LAST_RESORTS = {"worker/task_runner.py", "server/supervisor.py", "server/recovery.py"}


def test_only_last_resorts_catch_everything():
    found = [
        named(path, node.lineno)
        for path in source_files()
        if path not in {SOURCE / name for name in LAST_RESORTS}
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.ExceptHandler) and catches_everything(node) and not hands_on(node)
    ]
    assert not found, (
        f"{found}: name the errors that this line can cure. Foreign ones are translated at one place of the adapter's "
        "folder; to clean up, end the handler with a bare `raise`; or carry the error to who waits for it."
    )
