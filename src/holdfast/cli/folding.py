"""Lines made to fit a page: columns that can be spared go, the widest of the rest are folded at spaces, and words that
are wider still are cut.

A cut word keeps both ends, for there names differ; an id in hex digits keeps its beginning, which commands take for it.
"""

import re
import textwrap
from collections.abc import Sequence

GAP = "  "
# A column is made narrower than the first only where cutting words to it does not do, and never than the second.
COMFORTABLE_WIDTH = 24
LEAST_WIDTH = 12
_HEX = re.compile("[0-9a-f]{16,}")


def folded(text: str, width: int) -> list[str]:
    """`text` in lines of at most so many characters; a word that is longer stands on a line of its own, whole."""
    return textwrap.wrap(text, max(width, 1), break_long_words=False, break_on_hyphens=False) or [""]


def fitted(lines: Sequence[Sequence[str]], rights: Sequence[bool], spare: Sequence[int], page: int | None) -> list[str]:
    """Rows of cells (the headings first) as lines. `rights`: columns that stand at the right; `spare`: columns that
    may go, the first of them first; `page`: its width in characters, None where nothing is folded, cut or spared.
    """
    columns = list(range(len(rights)))
    widths = [max(len(line[column]) for line in lines) for column in columns]
    if page is not None:
        columns = _kept(widths, spare, page)
        widths = _narrowed(lines, columns, widths, page)
    return [row for line in lines for row in _rows(line, columns, widths, rights)]


def _kept(widths: Sequence[int], spare: Sequence[int], page: int) -> list[int]:
    kept = list(range(len(widths)))
    for column in spare:
        if _total(widths, kept) <= page:
            break
        kept.remove(column)
    return kept


def _narrowed(lines: Sequence[Sequence[str]], columns: Sequence[int], widths: Sequence[int], page: int) -> list[int]:
    """The widest column gives way first: it is folded, and where that does not do, its words are cut."""
    words = [max(len(word) for line in lines for word in [*line[column].split(), ""]) for column in range(len(widths))]
    narrow = list(widths)
    for bound in (COMFORTABLE_WIDTH, LEAST_WIDTH):
        for cutting in (False, True):
            while _total(narrow, columns) > page:
                wide = [column for column in columns if narrow[column] > max(bound, 0 if cutting else words[column])]
                if not wide:
                    break
                narrow[max(wide, key=lambda column: narrow[column])] -= 1
    return narrow


def _total(widths: Sequence[int], columns: Sequence[int]) -> int:
    return sum(widths[column] for column in columns) + len(GAP) * (len(columns) - 1)


def _rows(line: Sequence[str], columns: Sequence[int], widths: Sequence[int], rights: Sequence[bool]) -> list[str]:
    """One row of cells: as many lines as its tallest cell has."""
    cells = {column: _cell(line[column], widths[column]) for column in columns}
    height = max(len(cell) for cell in cells.values())
    return [
        GAP.join(
            text.rjust(widths[column]) if rights[column] else text.ljust(widths[column])
            for column in columns
            for text in [cells[column][number] if number < len(cells[column]) else ""]
        ).rstrip()
        for number in range(height)
    ]


def _cell(text: str, width: int) -> list[str]:
    return [text] if len(text) <= width else [_cut(line, width) for line in folded(text, width)]


def _cut(word: str, width: int) -> str:
    if len(word) <= width:
        return word
    if _HEX.fullmatch(word):
        return word[: width - 1] + "…"
    tail = (width - 1) // 2
    return word[: width - 1 - tail] + "…" + word[len(word) - tail :]
