"""How a command takes the password of a repository: the words for its option and its variable, in help and in cures."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PasswordWords:
    """The option that names a password file; where it is not given the variable of the environment does, if any."""

    option: str
    variable: str | None = None

    @property
    def cure(self) -> str:
        """What to do where no password was given."""
        return f"add {self.option} FILE" + ("" if self.variable is None else f", or set {self.variable}")


PASSWORD = PasswordWords("--password-file", "HOLDFAST_PASSWORD_FILE")
# Where one command opens two repositories: that which is written to, and that which a repair reads.
TO_PASSWORD = PasswordWords("--to-password-file", "HOLDFAST_TO_PASSWORD_FILE")
FROM_PASSWORD = PasswordWords("--from-password-file")
