"""Which processes run, as the kernel tells it."""

from pathlib import Path


def processes_naming(place: Path) -> list[str]:
    """Command lines of running processes that hold the path."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(place).encode() in line:
                found.append(line.decode(errors="replace"))
    return found
