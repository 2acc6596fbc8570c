"""Numbers of changes in memory, and what is said of what is not there."""

import threading

from holdfast.domain.errors import NotFoundError
from holdfast.protocol.appliance_answers import ChangeRecord
from holdfast.protocol.encoding import to_document


def missing(kind: str, name: str) -> NotFoundError:
    """What the database's records raise, too."""
    return NotFoundError(
        f"no {kind} {name}", why=f"the appliance knows no {kind} of that name", cure="list what it has"
    )


class MemoryChanges:
    """The counter, and what each number was given for."""

    def __init__(self) -> None:
        self._usn = 0
        self._lock = threading.Lock()
        self._latest: dict[tuple[str, str], ChangeRecord] = {}

    def note(self, kind: str, name: str, value: object | None) -> None:
        document = None if value is None else to_document(value)
        with self._lock:
            self._usn += 1
            self._latest.pop((kind, name), None)
            self._latest[kind, name] = ChangeRecord(self._usn, kind, name, document)

    def newest(self) -> int:
        return self._usn

    def after(self, usn: int, limit: int) -> list[ChangeRecord]:
        with self._lock:
            return [record for record in self._latest.values() if record.usn > usn][:limit]

    def forget_removals(self, upto: int) -> None:
        with self._lock:
            told = {key: one for key, one in self._latest.items() if one.document is not None or one.usn > upto}
            self._latest = told
