"""The one rule for byte ranges that every store follows."""

from holdfast.domain.errors import UsageError


def check_range(offset: int, length: int | None) -> None:
    """Refuse negative offsets and lengths (UsageError). A range past the end is cut there."""
    if offset < 0 or (length is not None and length < 0):
        raise UsageError(
            f"range at {offset} of length {length} refused",
            why="offset and length count bytes from the start of the object",
            cure="this is a fault of the caller, please report it",
        )
