"""The files that the house rules look at."""

import ast
import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "holdfast"
CODE_FOLDERS = ("src", "plugins", "tests", "tools", "bench")


def source_files() -> list[Path]:
    """Every Python file of the product."""
    return sorted(SOURCE.rglob("*.py"))


def code_files() -> list[Path]:
    """Every Python file of the project."""
    return sorted(path for folder in CODE_FOLDERS for path in (ROOT / folder).rglob("*.py"))


def packages() -> list[Path]:
    """Every folder of the product that holds a Python file."""
    return sorted({path.parent for path in source_files()})


def documentation() -> dict[str, str]:
    """Path relative to the project -> text, of every page that a user may read."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return {str(page.relative_to(ROOT)): page.read_text(encoding="utf-8") for page in sorted(pages)}


def committed_files() -> list[Path]:
    """Every file under version control that exists here; in an unpacked archive, every file outside dot folders."""
    if not (ROOT / ".git").exists():
        found = [path for path in ROOT.rglob("*") if path.is_file() and path.suffix != ".pyc"]
        return [path for path in found if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)]
    # The checkout may belong to another user than the one who runs the tests, as in a container.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@functools.cache
def syntax_tree(path: Path) -> ast.Module:
    """The parsed file; read once however many rules look at it."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def named(path: Path, line: int = 0) -> str:
    """How a failure names a place."""
    place = str(path.relative_to(ROOT))
    return f"{place}:{line}" if line else place
