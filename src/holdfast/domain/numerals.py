"""Counts as people read them."""


def counted(count: int, one: str, more: str | None = None) -> str:
    """`1 volume`, `2 volumes`; `more` is the word for several where it is not `one` with an s."""
    return f"{count} {one if count == 1 else more or one + 's'}"
