"""Where the words that open a repository come from: a file, the environment's file, or a prompt."""

import getpass
import os
import sys
from pathlib import Path

from holdfast.domain.errors import NotFoundError, PermissionDeniedError, UsageError
from holdfast.wiring.password_words import PASSWORD, PasswordWords

LIMIT_BYTES = 64 * 1024


def given_password(
    password_file: Path | None, *, twice: bool = False, words: PasswordWords = PASSWORD, prompt: str = "Password"
) -> bytes | None:
    """The password or recovery code; None where none was given and nobody can be asked.

    `twice` asks a second time, for a password that is new. An empty answer to the prompt is None too. `words` say how
    the file is named, by an option or the environment; `prompt` is what a person is asked with.
    """
    if password_file is not None:
        return read_secret_file(password_file, words.option)
    if words.variable is not None and (named := os.environ.get(words.variable)):
        return read_secret_file(Path(named), words.variable)
    return _prompt(prompt, twice=twice) if _someone_to_ask() else None


def read_secret_file(path: Path, named_by: str) -> bytes:
    """The bytes of a file that holds a password or the like, without one line end behind them. `named_by`: the option
    or variable that a person has to look at. Raises NotFoundError, PermissionDeniedError, UsageError.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(
            f"{path} does not exist", why="there is no such file", cure=f"check what {named_by} names"
        ) from error
    except OSError as error:
        raise PermissionDeniedError(
            f"{path} cannot be read",
            why=error.strerror or str(error),
            cure=f"let {named_by} name a file that this user may read",
        ) from error
    password = content.removesuffix(b"\n").removesuffix(b"\r") if content.endswith(b"\n") else content
    if not password or len(content) > LIMIT_BYTES:
        raise UsageError(
            f"{path} holds no secret",
            why="it is empty" if not password else f"it has more than {LIMIT_BYTES} bytes",
            cure=f"let {named_by} name the file that holds it",
        )
    return password


def read_recovery_code_file(path: Path, named_by: str) -> bytes:
    """The same for a file that must hold a recovery code. Raises UsageError for one that is mistyped, or none."""
    from holdfast.repository.crypto.password import read_recovery_code

    text = read_secret_file(path, named_by)
    read_recovery_code(text.decode("utf-8", "replace"))
    return text


def ask_new_password() -> bytes | None:
    """A new password, asked twice on a terminal; None where nobody can be asked."""
    return _prompt("New password", twice=True) if _someone_to_ask() else None


def _someone_to_ask() -> bool:
    """Whether a person sits there; standard input alone says nothing, it may be the volume."""
    if not (sys.stdin.isatty() or sys.stderr.isatty()):
        return False
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _prompt(prompt: str, *, twice: bool) -> bytes | None:
    answer = getpass.getpass(f"{prompt}: ")
    if twice and answer and getpass.getpass(f"{prompt} again: ") != answer:
        raise UsageError("the passwords differ", why="they were not typed alike", cure="try again")
    return answer.encode() or None
