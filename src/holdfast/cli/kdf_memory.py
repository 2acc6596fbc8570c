"""`--kdf-memory`: what each try of a new password costs, and where that has no part in it."""

from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.quantities import parse_size
from holdfast.cli.voice import say

if TYPE_CHECKING:
    from holdfast.repository.opening.repository import Repository

_OPTION, _DEFAULT = "--kdf-memory", "64MiB"

KdfMemoryOption = Annotated[
    str | None,
    typer.Option(
        _OPTION,
        metavar="SIZE",
        help=f"Memory that each try of the new password costs, {_DEFAULT} (if not told) to 1GiB.",
    ),
]


def memory_bytes(given: str | None) -> int:
    """What was asked for. Raises UsageError for what is no size."""
    return parse_size(given or _DEFAULT, _OPTION)


def note_unused(given: str | None, repository: "Repository") -> None:
    """Say so where it was asked for and the repository's suite has no use for it: no warning, for nothing is wrong."""
    from holdfast.repository.crypto.keyed_hash import FIPS_SUITE

    if given is not None and repository.config.suite == FIPS_SUITE:
        say(
            f"note: {_OPTION} has no part in encryption suite {FIPS_SUITE}: PBKDF2 makes a try cost time, and no memory"
        )
