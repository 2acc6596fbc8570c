"""When each way into a repository was last tried on this machine: one small file a location, under HOLDFAST_HOME."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from holdfast.domain.errors import HoldfastError
from holdfast.domain.time import format_time, parse_time
from holdfast.wiring.private_files import private_folder, read_private, write_private

DRILL_AFTER = timedelta(days=90)


class Drills:
    """Kept by slot id; no secret is."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def of(self, location: str) -> Mapping[bytes, datetime]:
        """The last drill of each slot. Raises HoldfastError for a file that is damaged."""
        path = self._path(location)
        data = read_private(path) if path.parent.is_dir() else None
        if data is None:
            return {}
        try:
            return {bytes.fromhex(slot): parse_time(time) for slot, time in json.loads(data)["drills"].items()}
        except (ValueError, TypeError, KeyError, AttributeError, HoldfastError) as error:
            raise HoldfastError(
                f"when the keys of {location} were tried cannot be read",
                why=f"{path} is damaged",
                cure="remove that file: the next drill makes it anew",
            ) from error

    def record(self, location: str, slot: bytes, time: datetime) -> None:
        """That slot was tried, and opened."""
        drills = {**self.of(location), slot: time}
        path = self._path(location)
        private_folder(path.parent)
        shown = {one.hex(): format_time(moment) for one, moment in drills.items()}
        write_private(path, json.dumps({"location": location, "drills": shown}, indent=2).encode())

    def _path(self, location: str) -> Path:
        return self._home / "drills" / f"{hashlib.sha256(location.encode()).hexdigest()[:32]}.json"
