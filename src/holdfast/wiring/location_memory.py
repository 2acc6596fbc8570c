"""What this person's account remembers of each repository it opened: one small file a location, under HOLDFAST_HOME."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from holdfast.domain.errors import HoldfastError, PermissionDeniedError
from holdfast.repository.opening.memory_of_locations import LocationMemory, Remembered
from holdfast.wiring.private_files import FOLDER_MODE, write_private

DEFAULT_HOME = Path("~/.local/share/holdfast")


def home_folder() -> Path:
    """HOLDFAST_HOME, or its default below the person's home."""
    return Path(os.environ.get("HOLDFAST_HOME") or DEFAULT_HOME).expanduser()


class FileLocationMemory:
    """Implements LocationMemory. Files are readable by their owner alone (0600, in folders 0700) and replaced whole.

    Where nothing can be kept (a recovery on a machine with nothing writable) `warn` is told once, and the work goes on.
    """

    def __init__(self, home: Path, warn: Callable[[str], None]) -> None:
        self._folder = home / "locations"
        self._warn = warn
        self._warned = False

    def recall(self, location: str) -> Remembered | None:
        """What was remembered, None for a location never seen. Raises HoldfastError for a file that is damaged."""
        path = self._path(location)
        try:
            fields = json.loads(path.read_bytes())
            return Remembered(
                pin=bytes.fromhex(fields["pin"]),
                sequence=int(fields["sequence"]),
                head=bytes.fromhex(fields["head"]),
                kid=int(fields.get("key_epoch", 1)),
                plan_epoch=int(fields.get("plan_epoch", 0)),
            )
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise PermissionDeniedError(
                f"{path} may not be used",
                why=error.strerror or str(error),
                cure="set HOLDFAST_HOME to a folder of your own",
            ) from error
        except (ValueError, TypeError, KeyError) as error:
            raise HoldfastError(
                f"what was remembered of {location} cannot be read",
                why=f"{path} is damaged",
                cure="look whether the repository is the right one, then remove that file: it is made anew",
            ) from error

    def remember(self, location: str, seen: Remembered) -> None:
        """Replace the location's file, atomically and durably."""
        fields = {
            "location": location,
            "pin": seen.pin.hex(),
            "key_epoch": seen.kid,
            "sequence": seen.sequence,
            "head": seen.head.hex(),
            "plan_epoch": seen.plan_epoch,
        }
        path = self._path(location)
        try:
            # One by one: `parents=True` would give the home the mode that everyone else's folders have.
            self._folder.parent.parent.mkdir(parents=True, exist_ok=True)
            for folder in (self._folder.parent, self._folder):
                folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
            write_private(path, json.dumps(fields, indent=2).encode())
        except (OSError, PermissionDeniedError) as error:
            if not self._warned:
                self._warned = True
                why = error.why if isinstance(error, PermissionDeniedError) else error.strerror or str(error)
                self._warn(
                    f"{self._folder} cannot be written ({why}): the next use of {location} will "
                    "not notice if it was replaced or set back; set HOLDFAST_HOME to a folder of your own"
                )

    def _path(self, location: str) -> Path:
        """Locations hold characters that file names do not, so the name is their hash; the file says which it is."""
        return self._folder / f"{hashlib.sha256(location.encode()).hexdigest()[:32]}.json"


class ReadOnlyMemory:
    """A LocationMemory that compares with what is remembered and leaves it as it is."""

    def __init__(self, inner: LocationMemory) -> None:
        self._inner = inner

    def recall(self, location: str) -> Remembered | None:
        """As the memory inside."""
        return self._inner.recall(location)

    def remember(self, location: str, seen: Remembered) -> None:
        """Nothing is written."""
