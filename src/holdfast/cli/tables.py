"""Sober tables in plain text: aligned columns, no lines, no colour.

On a terminal they fit its width (`folding.py`); elsewhere every value stands whole on its line, for other programs.
"""

import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from holdfast.cli.folding import GAP, fitted, folded
from holdfast.cli.printable import printable
from holdfast.cli.quantities import human_duration, human_size, short_time

Cell = str | int | float | None
# An id's beginning, as every command takes it.
SHORT_ID = 12
# A terminal that is narrower is treated as if it were not.
NARROWEST_PAGE = 60


def page_width() -> int | None:
    """How many characters a line of standard output may have; None where that is no terminal."""
    return max(NARROWEST_PAGE, shutil.get_terminal_size().columns) if sys.stdout.isatty() else None


def listed_id(identifier: str) -> str:
    """An id in a list: its beginning on a terminal, all of it for other programs."""
    return identifier if page_width() is None else identifier[:SHORT_ID]


def facts_table(facts: Mapping[str, Cell]) -> str:
    """One fact a line: its name, then its value; what is None is left out. On a terminal long values are folded."""
    known = {name: printable(value) for name, value in facts.items() if value is not None}
    width, page = max((len(name) for name in known), default=0), page_width()
    text = ""
    for name, value in known.items():
        lines = [value] if page is None else folded(value, page - width - len(GAP))
        text += "".join(
            f"{head:<{width}}{GAP}{line}".rstrip() + "\n"
            for head, line in zip([name] + [""] * (len(lines) - 1), lines, strict=True)
        )
    return text


def rows_table(headings: Sequence[str], rows: Iterable[Sequence[Cell]], spare: Sequence[str] = ()) -> str:
    """A row a line below the headings; numbers stand at the right of their column.

    `spare`: the columns that a narrow terminal does without, the first of them first; `show` and JSON have them.
    """
    cells = [list(row) for row in rows]
    lines = [list(headings), *[["-" if cell is None else printable(cell) for cell in row] for row in cells]]
    columns = range(len(headings))
    rights = [bool(cells) and all(isinstance(row[column], int | float) for row in cells) for column in columns]
    spared = [headings.index(name) for name in spare]
    return "".join(line + "\n" for line in fitted(lines, rights, spared, page_width()))


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
        elif name.endswith("_at") or name in ("created", "committed"):
            facts[words] = short_time(value)
        elif name.endswith("_seconds"):
            facts[words.removesuffix(" seconds")] = human_duration(value)
        else:
            facts[words] = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
    return {words: value for words, value in facts.items() if value != ""}
