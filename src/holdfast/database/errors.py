"""What databases raise becomes an error of ours, here alone."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from alembic.util import CommandError
from sqlalchemy.exc import (
    DatabaseError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from holdfast.domain import errors
from holdfast.domain.extras import how_to_install


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Errors of the database at `place` (no password in it) leave as errors of ours."""
    try:
        yield
    except IntegrityError as error:
        raise errors.ConflictError(
            f"{place} refuses a change", why=_reason(error), cure="run the command again; something else came first"
        ) from error
    except (OperationalError, DatabaseError) as error:
        raise _of_operation(place, error) from error
    except CommandError as error:
        raise errors.UnsupportedFormatError(
            f"{place} holds tables that this Holdfast does not know",
            why=str(error),
            cure="open it with the version that wrote it or a newer one; appliance and server have one database each",
        ) from error
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise errors.MissingExtraError(
            f"{place} cannot be opened",
            why=str(error),
            cure=f"use sqlite:///FILE, or for postgresql://… {how_to_install('postgresql', sys.executable)}",
        ) from error
    except SQLAlchemyError as error:
        raise errors.UnavailableError(
            f"{place} does not answer", why=_line(str(error)), cure="look into the log of the database"
        ) from error


def _of_operation(place: str, error: DBAPIError) -> errors.HoldfastError:
    reason = _reason(error)
    if "full" in reason or "No space" in reason:
        return errors.OutOfSpaceError(f"{place} cannot grow", why=reason, cure="make room on its disk")
    if "malformed" in reason or "not a database" in reason:
        return errors.IntegrityError(f"{place} is damaged", why=reason, cure="bring it back from a copy")
    if "readonly" in reason or "unable to open" in reason or "authentication failed" in reason:
        return errors.PermissionDeniedError(
            f"{place} cannot be used", why=reason, cure="check who may read and write it, and the password"
        )
    return errors.UnavailableError(
        f"{place} does not answer", why=reason, cure="run the command again; see that the database runs"
    )


def _reason(error: DBAPIError) -> str:
    return _line(str(error.orig))


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
