"""A store that fails exactly when it is told to: for tests of everything that must survive faults.

A plan names requests by their number (0 is the first) and says what befalls each. Requests are `create`, `get`, `head`,
`retrieve`, `delete`, `extend`, `reinstate`, `hide` and each `list` and `versions`, in the order in which they arrive.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from holdfast.domain.archive import Tier
from holdfast.domain.errors import UnavailableError
from holdfast.repository.object_store import ORDINARY, Buffer, ObjectInfo, ObjectStore, Protection, StorageTerms


class SimulatedCrash(BaseException):
    """The process died here. Not an Exception: no clean-up that catches errors may run as if it had survived."""


class Fault(Enum):
    """What befalls a request."""

    CRASH_BEFORE = "the process dies before the request is sent"
    CRASH_AFTER = "the process dies after the store has done it"
    ERROR = "the store fails and has done nothing"
    LOST_ANSWER = "the store has done it, the answer is lost"
    TORN = "a read gives only half of the bytes; a write dies with the process before the object appears"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it arrived."""

    number: int
    kind: str
    key: str


def connection_lost(request: Request) -> UnavailableError:
    """The error that ERROR and LOST_ANSWER raise unless another is given."""
    return UnavailableError(
        f"{request.kind} of {request.key} failed", why="the connection was lost (planned)", cure="try again"
    )


class FaultyStore:
    """An ObjectStore that passes requests on to `inner` and applies `plan`; deterministic for one thread.

    After a crash the store is dead, as the process would be: every further request raises SimulatedCrash.
    """

    def __init__(
        self,
        inner: ObjectStore,
        plan: Mapping[int, Fault],
        error: Callable[[Request], BaseException] = connection_lost,
    ) -> None:
        self._inner = inner
        self._plan = plan
        self._error = error
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._dead = False

    @property
    def location(self) -> str:
        """The location of the store inside."""
        return self._inner.location

    @property
    def requests(self) -> tuple[Request, ...]:
        """What has been asked so far; run once without faults, its length is the number of places for one."""
        with self._lock:
            return tuple(self._requests)

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """As the store inside, or as planned."""
        request, fault = self._arrive("create", key)
        if fault is Fault.TORN:
            self._crash()
        self._before(request, fault)
        self._inner.create(key, body, sha256, terms)
        self._after(request, fault)

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        """As the store inside, or as planned."""
        request, fault = self._arrive("get", key)
        self._before(request, fault)
        body = self._inner.get(key, offset, length, version)
        self._after(request, fault)
        return body[: len(body) // 2] if fault is Fault.TORN else body

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        """As the store inside, or as planned; a torn answer is a lost one."""
        request, fault = self._arrive("head", key)
        self._before(request, fault)
        found = self._inner.head(key, version)
        self._after(request, Fault.LOST_ANSWER if fault is Fault.TORN else fault)
        return found

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """As the store inside, or as planned; a torn list ends after half of its objects with an error."""
        return self._listed("list", prefix, lambda: self._inner.list(prefix, start_after))

    def versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """As a list."""
        return self._listed("versions", prefix, lambda: self._inner.versions(prefix))

    def _listed(self, kind: str, prefix: str, ask: Callable[[], Iterator[ObjectInfo]]) -> Iterator[ObjectInfo]:
        request, fault = self._arrive(kind, prefix)
        self._before(request, fault)
        found = list(ask())
        if fault is Fault.TORN:
            yield from found[: len(found) // 2]
            raise self._error(request)
        self._after(request, fault)
        yield from found

    def retrieve(self, key: str, days: int, tier: Tier, version: str | None = None) -> None:
        """As the store inside, or as planned; a torn answer is a lost one."""
        request, fault = self._arrive("retrieve", key)
        self._before(request, fault)
        self._inner.retrieve(key, days, tier, version)
        self._after(request, Fault.LOST_ANSWER if fault is Fault.TORN else fault)

    def delete(self, key: str) -> bool:
        """As the store inside, or as planned; a torn answer is a lost one."""
        request, fault = self._arrive("delete", key)
        self._before(request, fault)
        gone = self._inner.delete(key)
        self._after(request, Fault.LOST_ANSWER if fault is Fault.TORN else fault)
        return gone

    def extend(self, key: str, version: str | None, until: datetime) -> None:
        """As the store inside, or as planned; a torn answer is a lost one."""
        request, fault = self._arrive("extend", key)
        self._before(request, fault)
        self._inner.extend(key, version, until)
        self._after(request, Fault.LOST_ANSWER if fault is Fault.TORN else fault)

    def reinstate(self, key: str, version: str, terms: StorageTerms = ORDINARY) -> None:
        """As the store inside, or as planned; a torn answer is a lost one."""
        request, fault = self._arrive("reinstate", key)
        self._before(request, fault)
        self._inner.reinstate(key, version, terms)
        self._after(request, Fault.LOST_ANSWER if fault is Fault.TORN else fault)

    def hide(self, key: str) -> None:
        """As the store inside, or as planned; a torn answer is a lost one."""
        request, fault = self._arrive("hide", key)
        self._before(request, fault)
        self._inner.hide(key)
        self._after(request, Fault.LOST_ANSWER if fault is Fault.TORN else fault)

    def protection(self) -> Protection:
        """As the store inside."""
        return self._inner.protection()

    def time(self) -> datetime | None:
        """As the store inside: no request."""
        return self._inner.time()

    def close(self) -> None:
        """Close the store inside."""
        self._inner.close()

    def _arrive(self, kind: str, key: str) -> tuple[Request, Fault | None]:
        with self._lock:
            if self._dead:
                raise SimulatedCrash
            request = Request(len(self._requests), kind, key)
            self._requests.append(request)
        return request, self._plan.get(request.number)

    def _before(self, request: Request, fault: Fault | None) -> None:
        if fault is Fault.CRASH_BEFORE:
            self._crash()
        if fault is Fault.ERROR:
            raise self._error(request)

    def _after(self, request: Request, fault: Fault | None) -> None:
        if fault is Fault.CRASH_AFTER:
            self._crash()
        if fault is Fault.LOST_ANSWER:
            raise self._error(request)

    def _crash(self) -> None:
        with self._lock:
            self._dead = True
        raise SimulatedCrash
