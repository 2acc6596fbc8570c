"""A store that answers, but not with the truth: what lists, caches and networks of the real world do once in a while.

A plan names requests by their number, as that of `faulty_store.py`; a lie that does not fit its request does nothing.
"""

import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import Enum

from holdfast.domain.archive import Tier
from holdfast.domain.errors import ObjectNotFoundError
from holdfast.repository.object_store import ORDINARY, Buffer, ObjectInfo, ObjectStore, StorageTerms
from holdfast.repository.stores.passing import PassingStore
from holdfast.testing.faulty_store import Request


class Lie(Enum):
    """What is wrong with the answer."""

    DUPLICATE = "a write is sent twice by the network, and the second one's refusal is what arrives"
    SHORT_LIST = "a list leaves out the second half of its objects, and all of it where it is one"
    STALE_GET = "an object that exists is said not to"
    LATE_VISIBLE = "an object that was created is neither found nor listed until some requests later"


FITTING = {
    Lie.DUPLICATE: ("create", "delete", "retrieve"),
    Lie.SHORT_LIST: ("list",),
    Lie.STALE_GET: ("get", "head"),
    Lie.LATE_VISIBLE: ("create",),
}
LATE_REQUESTS = 8


class MisleadingStore(PassingStore):
    """An ObjectStore that passes requests on to `inner` but lies as planned; deterministic for one thread.

    For `late_requests` requests after its creation nobody who asks here sees an object that is late; its name is taken.
    """

    def __init__(self, inner: ObjectStore, plan: Mapping[int, Lie], late_requests: int = LATE_REQUESTS) -> None:
        super().__init__(inner)
        self._plan = plan
        self._late_requests = late_requests
        self._seen_from: dict[str, int] = {}
        self._lock = threading.Lock()
        self._requests: list[Request] = []

    @property
    def requests(self) -> tuple[Request, ...]:
        """What has been asked so far."""
        with self._lock:
            return tuple(self._requests)

    def create(self, key: str, body: Buffer, sha256: bytes, terms: StorageTerms = ORDINARY) -> None:
        """As the store inside; a duplicate raises ObjectExistsError though this very call has written the object."""
        lie = self._arrive("create", key)
        self._inner.create(key, body, sha256, terms)
        if lie is Lie.DUPLICATE:
            self._inner.create(key, body, sha256, terms)
        if lie is Lie.LATE_VISIBLE:
            with self._lock:
                self._seen_from[key] = len(self._requests) + self._late_requests

    def get(self, key: str, offset: int = 0, length: int | None = None, version: str | None = None) -> Buffer:
        """As the store inside, or ObjectNotFoundError."""
        if self._arrive("get", key) is Lie.STALE_GET or self._is_late(key):
            raise ObjectNotFoundError(key)
        return self._inner.get(key, offset, length, version)

    def head(self, key: str, version: str | None = None) -> ObjectInfo:
        """As the store inside, or ObjectNotFoundError."""
        if self._arrive("head", key) is Lie.STALE_GET or self._is_late(key):
            raise ObjectNotFoundError(key)
        return self._inner.head(key, version)

    def list(self, prefix: str, start_after: str = "") -> Iterator[ObjectInfo]:
        """As the store inside, or half of it."""
        lie = self._arrive("list", prefix)
        found = [info for info in self._inner.list(prefix, start_after) if not self._is_late(info.key)]
        return iter(found[: len(found) // 2] if lie is Lie.SHORT_LIST else found)

    def retrieve(self, key: str, days: int, tier: Tier, version: str | None = None) -> None:
        """As the store inside."""
        lie = self._arrive("retrieve", key)
        self._inner.retrieve(key, days, tier, version)
        if lie is Lie.DUPLICATE:
            self._inner.retrieve(key, days, tier, version)

    def delete(self, key: str) -> bool:
        """As the store inside."""
        lie = self._arrive("delete", key)
        gone = self._inner.delete(key)
        return self._inner.delete(key) if lie is Lie.DUPLICATE else gone

    def versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """As the store inside."""
        self._arrive("versions", prefix)
        return iter([info for info in self._inner.versions(prefix) if not self._is_late(info.key)])

    def extend(self, key: str, version: str | None, until: datetime) -> None:
        """As the store inside."""
        self._arrive("extend", key)
        self._inner.extend(key, version, until)

    def reinstate(self, key: str, version: str, terms: StorageTerms = ORDINARY) -> None:
        """As the store inside."""
        self._arrive("reinstate", key)
        self._inner.reinstate(key, version, terms)

    def hide(self, key: str) -> None:
        """As the store inside."""
        self._arrive("hide", key)
        self._inner.hide(key)

    def _is_late(self, key: str) -> bool:
        """Whether the request that has just arrived comes too early for that object."""
        with self._lock:
            return len(self._requests) <= self._seen_from.get(key, 0)

    def _arrive(self, kind: str, key: str) -> Lie | None:
        with self._lock:
            request = Request(len(self._requests), kind, key)
            self._requests.append(request)
        lie = self._plan.get(request.number)
        return lie if lie is not None and kind in FITTING[lie] else None
