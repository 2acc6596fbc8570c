"""How this Holdfast starts another process of itself: the same code and the same Python, wherever it runs from."""

import sys
from pathlib import Path

import holdfast

_LAUNCHER = "run.py"


def own_command(*words: str) -> list[str]:
    """The arguments of a process that runs `holdfast WORDS`.

    On an instance that was booted from a bundle nothing but the bundle and the standard library can be imported, and
    its launcher sees to it; elsewhere this Python has Holdfast installed.
    """
    packages = Path(holdfast.__file__).resolve().parents[1]
    launcher = packages.parent / _LAUNCHER
    if sys.flags.no_site and launcher.is_file():
        return [sys.executable, "-I", "-S", str(launcher), *words]
    return [sys.executable, "-m", "holdfast.cli.main", *words]
