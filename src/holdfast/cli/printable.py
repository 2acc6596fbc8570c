"""Text that is safe to print, wherever it came from."""


def printable(text: object) -> str:
    """`text` with every character escaped that could move a cursor, turn a line around or hide: names come from disks
    and from other people.
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in str(text)
    )
