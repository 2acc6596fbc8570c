"""Where the words that open a repository come from: a file, the environment's file, or a prompt."""

import getpass
import os
import sys
from pathlib import Path

from holdfast.domain.errors import NotFoundError, PermissionDeniedError, UsageError

LIMIT_BYTES = 64 * 1024
VARIABLE, TARGET_VARIABLE = "HOLDFAST_PASSWORD_FILE", "HOLDFAST_TO_PASSWORD_FILE"


def given_password(
    password_file: Path | None, *, twice: bool = False, variable: str = VARIABLE, words: str = "Password"
) -> bytes | None:
    """The password or recovery code; None where none was given and nobody can be asked.

    `twice` asks a second time, for a password that is new. An empty answer to the prompt is None too. `variable` of the
    environment names the file where `password_file` does not; `words` are what a person is asked with.
    """
    path = password_file or _path_of_environment(variable)
    if path is not None:
        return read_password_file(path)
    return _prompt(words, twice=twice) if _someone_to_ask() else None


def read_password_file(path: Path) -> bytes:
    """The file's bytes without one line end behind them. Raises NotFoundError, PermissionDeniedError, UsageError."""
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(
            f"password file {path} does not exist", why="there is no such file", cure="check --password-file"
        ) from error
    except OSError as error:
        raise PermissionDeniedError(
            f"password file {path} cannot be read",
            why=error.strerror or str(error),
            cure="name a file that this user may read",
        ) from error
    password = content.removesuffix(b"\n").removesuffix(b"\r") if content.endswith(b"\n") else content
    if not password or len(content) > LIMIT_BYTES:
        raise UsageError(
            f"password file {path} holds no password",
            why="it is empty" if not password else f"it has more than {LIMIT_BYTES} bytes",
            cure="name the file that holds the password",
        )
    return password


def read_recovery_code_file(path: Path) -> bytes:
    """The same for a file that must hold a recovery code. Raises UsageError for one that is mistyped, or none."""
    from holdfast.repository.crypto.password import read_recovery_code

    text = read_password_file(path)
    read_recovery_code(text.decode("utf-8", "replace"))
    return text


def ask_new_password() -> bytes | None:
    """A new password, asked twice on a terminal; None where nobody can be asked."""
    return _prompt("New password", twice=True) if _someone_to_ask() else None


def _path_of_environment(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None


def _someone_to_ask() -> bool:
    """Whether a person sits there; standard input alone says nothing, it may be the volume."""
    if not (sys.stdin.isatty() or sys.stderr.isatty()):
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _prompt(words: str, *, twice: bool) -> bytes | None:
    answer = getpass.getpass(f"{words}: ")
    if twice and answer and getpass.getpass(f"{words} again: ") != answer:
        raise UsageError("the passwords differ", why="they were not typed alike", cure="try again")
    return answer.encode() or None
