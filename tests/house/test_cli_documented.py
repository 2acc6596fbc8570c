"""docs/cli.md names every command and every option."""

import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from tests.house.tree import ROOT, SOURCE

PAGE = ROOT / "docs" / "cli.md"
GIVEN_BY_THE_TOOLKIT = {"--help", "--install-completion", "--show-completion"}


def root_command() -> Any:
    """The click command behind the console script, whether the module holds it as Typer app or as command."""
    main = importlib.import_module("holdfast.cli.main")
    for value in vars(main).values():
        if isinstance(value, typer.Typer):
            return typer.main.get_command(value)
    for value in vars(main).values():
        if hasattr(value, "list_commands") and hasattr(value, "make_context"):
            return value
    pytest.fail("holdfast.cli.main holds neither a Typer app nor a click group: teach this test where the commands are")


def leaves(command: Any, words: tuple[str, ...], parent: Any = None) -> Iterator[tuple[str, Any]]:
    """(`noun verb`, command) for every command that does something."""
    context = command.make_context(" ".join(words) or "holdfast", [], parent=parent, resilient_parsing=True)
    if not hasattr(command, "list_commands"):
        yield " ".join(words), command
        return
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        if not child.hidden:
            yield from leaves(child, (*words, name), context)


def commands() -> dict[str, Any]:
    return dict(leaves(root_command(), ()))


def page_of(command: str) -> str:
    """What docs/cli.md says under the heading that names the command, down to the next heading of its kind or above."""
    text = PAGE.read_text(encoding="utf-8")
    heading = re.search(rf"^(#+)[^\n]*\b{re.escape(command)}(?![\w-])[^\n]*$", text, re.MULTILINE)
    if not heading:
        return ""
    rest = text[heading.end() :]
    following = re.search(rf"^#{{1,{len(heading[1])}}} ", rest, re.MULTILINE)
    return rest[: following.start()] if following else rest


def test_the_program_has_commands():
    assert {"repository init", "image backup", "image restore"} <= set(commands())


def test_every_command_has_its_section():
    missing = [name for name in commands() if not page_of(name)]
    assert not missing, f"docs/cli.md: add a heading for each of {missing}"


def test_every_option_stands_in_its_commands_section():
    shared = page_of("Options of every command") or page_of("Common options") or page_of("Every command")
    missing = [
        f"{name} {option}"
        for name, command in commands().items()
        for parameter in command.params
        if not getattr(parameter, "hidden", False)
        for option in parameter.opts
        if option.startswith("--") and option not in GIVEN_BY_THE_TOOLKIT
        if not re.search(rf"{re.escape(option)}(?![\w-])", page_of(name) + shared)
    ]
    assert not missing, f"docs/cli.md: describe these options in the section of their command: {missing}"


def test_page_names_no_command_that_is_not_there():
    known = {*commands(), *(name.split()[0] for name in commands())}
    headed = re.findall(r"^#+ `?holdfast ([a-z][a-z -]*[a-z])", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    gone = [words for words in headed if words not in known]
    assert not gone, f"docs/cli.md: {gone} is described, and no such command exists"


def test_environment_variables_are_documented():
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md"))
    used = {
        name
        for path in SOURCE.rglob("*.py")
        for name in re.findall(r"""["'](HOLDFAST_[A-Z_]+)["']""", path.read_text(encoding="utf-8"))
    }
    missing = sorted(name for name in used if not re.search(rf"\b{name}\b", pages))
    assert not missing, f"docs: describe the environment variables {missing} (docs/cli.md, Environment)"
