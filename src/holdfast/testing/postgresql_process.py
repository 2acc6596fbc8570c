"""A PostgreSQL of one's own on a Unix socket, for tests that ask whether SQL is SQL."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote


def postgresql_programs() -> Path | None:
    """The folder of `initdb` and `postgres`; Debian keeps them off the PATH."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@contextmanager
def postgresql_server(programs: Path) -> Iterator[str]:
    """Start one and hand out the address of its database `postgres`; it is gone afterwards."""
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    with tempfile.TemporaryDirectory(prefix="holdfast-postgresql-", ignore_cleanup_errors=True) as place:
        if user is not None:
            shutil.chown(place, user)
        data, settings = f"{place}/data", f"-c listen_addresses= -c unix_socket_directories={place} -c fsync=off"
        initialise: list[Path | str] = [
            programs / "initdb",
            "--pgdata",
            data,
            "--username",
            "holdfast",
            "--auth",
            "trust",
            "--no-sync",
        ]
        _run(initialise, user, place)
        patiently: list[Path | str] = ["--wait", "--timeout", "300", "--log", f"{place}/log", "--options", settings]
        _run([programs / "pg_ctl", "--pgdata", data, *patiently, "start"], user, place)
        try:
            yield f"postgresql://holdfast@/postgres?host={quote(place)}"
        finally:
            _run([programs / "pg_ctl", "--pgdata", data, "--mode", "immediate", "stop"], user, place)


def _run(command: Sequence[Path | str], user: str | None, place: str) -> None:
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    subprocess.run(command, check=True, user=user, env=environment, cwd=place, stdout=subprocess.DEVNULL)
