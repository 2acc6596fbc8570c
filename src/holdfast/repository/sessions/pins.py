"""Pins: whoever reads holds on to the points that are read (ordering rule 7)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from holdfast.domain.errors import (
    IntegrityError,
    LeaseHeldError,
    NotFoundError,
    OutOfSpaceError,
    PermissionDeniedError,
    SecondWriterError,
    UnavailableError,
)
from holdfast.repository.format import ledger as ledger_form
from holdfast.repository.opening.repository import Repository
from holdfast.repository.progress import Progress
from holdfast.repository.sessions.session import is_retired
from holdfast.repository.sessions.signs_of_life import living


@contextmanager
def pinned(repository: Repository, points: Sequence[bytes], progress: Progress) -> Iterator[Progress]:
    """Rule 7: pin first, then check that the points are not retired; unpin at the end, whatever happened.

    Who may only read goes on without a pin and says so. What is given is to be told the progress: it keeps the pin.
    """
    reader = repository.surroundings.random_bytes(16)
    held = pin(repository, reader, points, progress)
    try:
        require_live(repository, points)
        yield living(repository, reader, progress) if held else progress
    finally:
        if held:
            unpin(repository, reader, progress)


def pin(repository: Repository, reader: bytes, points: Sequence[bytes], progress: Progress) -> bool:
    """The first half of rule 7: the pin, under the reader's own id; whether it is held. The check comes after."""
    time = repository.surroundings.timestamp()
    record = {"type": ledger_form.PIN, "session": reader, "points": list(points), "time": time}
    try:
        repository.ledger.append(record)
    except OutOfSpaceError:
        progress.note("reading without a pin: the repository's place is full; do not collect garbage meanwhile")
    except PermissionDeniedError:
        progress.note("reading without a pin: this key may only read; do not collect garbage meanwhile")
    except LeaseHeldError as error:
        progress.note(f"reading without a pin, for {error.what}: what is deleted now stays for seven days")
    except IntegrityError:
        progress.note("reading without a pin: the ledger is damaged; run `holdfast repository check`")
    else:
        return True
    return False


def pin_again(repository: Repository, reader: bytes, points: Sequence[bytes], progress: Progress) -> bool:
    """Rule 7 for a reader whose id its caller keeps: running it again finds the pin that stands. Whether it is held.

    Raises NotFoundError where one of the points is retired; the pin stands then, too.
    """
    held = reader in repository.ledger.refresh().pins or pin(repository, reader, points, progress)
    require_live(repository, points)
    return held


def require_live(repository: Repository, points: Sequence[bytes]) -> None:
    """The second half: none of the points is retired. Raises NotFoundError."""
    for point in points:
        if is_retired(repository, point):
            raise NotFoundError(
                f"restore point {point.hex()} is no more", why="it was deleted", cure="see `holdfast image list`"
            )


def unpin(repository: Repository, reader: bytes, progress: Progress) -> None:
    """A pin that cannot be taken back holds up a collection for a day; that spoils no restore that is whole."""
    try:
        repository.ledger.append({"type": ledger_form.UNPIN, "session": reader})
    except (IntegrityError, OutOfSpaceError, PermissionDeniedError, SecondWriterError, UnavailableError) as error:
        progress.note(f"the pin of this restore stays for a day: {error}")
