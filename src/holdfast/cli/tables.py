"""Sober tables in plain text: aligned columns, no lines, no colour."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from holdfast.cli.printable import printable
from holdfast.cli.quantities import human_duration, human_size

Cell = str | int | float | None


def facts_table(facts: Mapping[str, Cell]) -> str:
    """One fact a line: its name, then its value; what is None is left out."""
    known = {name: value for name, value in facts.items() if value is not None}
    width = max((len(name) for name in known), default=0)
    return "".join(f"{name:<{width}}  {printable(value)}".rstrip() + "\n" for name, value in known.items())


def rows_table(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A row a line below the headings; numbers stand at the right of their column."""
    cells = [list(row) for row in rows]
    lines = [list(headings), *[["-" if cell is None else printable(cell) for cell in row] for row in cells]]
    columns = range(len(headings))
    widths = [max(len(line[column]) for line in lines) for column in columns]
    rights = [bool(cells) and all(isinstance(row[column], int | float) for row in cells) for column in columns]
    return "".join(
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, rights, strict=True)
        ).rstrip()
        + "\n"
        for line in lines
    )


def as_facts(document: Mapping[str, Any]) -> dict[str, Cell]:
    """A document for people: words for names, units for numbers; lists, nulls and empty text are left out."""
    facts: dict[str, Cell] = {}
    for name, value in document.items():
        words = name.replace("_", " ")
        if isinstance(value, Mapping):
            facts[words] = ", ".join(f"{count} {kind}" for kind, count in value.items())
        elif value is None or isinstance(value, list):
            continue
        elif "_bytes" in name:
            facts[words.replace(" bytes", "")] = human_size(value)
        elif name.endswith("_seconds"):
            facts[words.removesuffix(" seconds")] = human_duration(value)
        else:
            facts[words] = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
    return {words: value for words, value in facts.items() if value != ""}
