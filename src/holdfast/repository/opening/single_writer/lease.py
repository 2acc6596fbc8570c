"""The lease of a repository in single-writer mode (rules 8.1, 8.2 and 8.4). The order of the lines is the promise."""

import shlex
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.domain.errors import (
    HoldfastError,
    IntegrityError,
    LeaseHeldError,
    ObjectNotFoundError,
    SecondWriterError,
    WrongKeyError,
)
from holdfast.domain.time import format_time, parse_time
from holdfast.repository.format import lease as form
from holdfast.repository.format import names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.lease import Claim
from holdfast.repository.keys.sealed_store import SealedStore
from holdfast.repository.object_store import ObjectInfo
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.presence import is_there

RENEW_AFTER = timedelta(minutes=10)
TAKEN_OVER_AFTER = timedelta(hours=1)
SETTLING_SECONDS = 2.0
_UNKNOWN = "somebody unknown"
_TAKEN_OVER = "its claim is gone: somebody took the lease over"


@dataclass(frozen=True, slots=True)
class Holder:
    """Another party, by the newest of its claims (`info`); `claim` is None where that does not open."""

    info: ObjectInfo
    claim: Claim | None

    @property
    def last_heard(self) -> datetime | None:
        """By the store's clock where it has one, else by the claim's own; None where neither says."""
        if self.info.modified is not None:
            return self.info.modified
        return None if self.claim is None else parse_time(self.claim.time)


class Lease:
    """One party's lease, from its first write on until it is given back; then it is over. Any thread may use it.

    `sealed` is a view of the store as it is, in which nothing asks for a lease.
    """

    def __init__(self, sealed: SealedStore) -> None:
        self._sealed = sealed
        self._store = sealed.store
        self._holder = sealed.surroundings.random_bytes(16)
        self._lock = threading.RLock()
        self._claims: list[int] = []
        self._taken = ""
        self._renewed: datetime | None = None
        self._over = ""

    def hold(self) -> None:
        """Before a write: take the lease, or renew it where that is due. Raises LeaseHeldError where another party
        writes, SecondWriterError where this one has lost it.
        """
        with self._lock:
            if self._over:
                raise self._lost(self._over)
            if self._renewed is None:
                self._take()
            elif not timedelta(0) <= self._sealed.surroundings.now() - self._renewed < RENEW_AFTER:
                self._renew()  # also where this machine's clock was set back since

    def confirm(self) -> None:
        """The same, and the claim is seen to stand."""
        with self._lock:
            self.hold()
            self._require_claim()

    def give_back(self) -> None:
        """Others may write from here on; what was never taken is no error."""
        with self._lock:
            self._over = self._over or "it was given back"
            self._withdraw()

    def take_over(self) -> tuple[Holder, ...]:
        """Take the lease from holders that are dead, at a person's word (rule 8.4): who they were. Raises
        LeaseHeldError while one of them may be alive.
        """
        with self._lock:
            dead = self._others()
            try:
                self._claim()
                own = self._store.head(self._key(self._claims[-1]))
                for holder in self._others().values():
                    if not self._is_dead(holder, own):
                        raise self._held(holder)
                for info in list(objects_under(self._store, names.LEASES)):
                    if names.holder_of(info.key) in dead:
                        self._store.delete(info.key)
                self._look_again()
            except HoldfastError:
                self._withdraw()
                raise
            return tuple(dead.values())

    def _take(self) -> None:
        for holder in self._others().values():
            raise self._held(holder)
        try:
            self._claim()
            self._look_again()
        except HoldfastError:
            self._withdraw()
            raise

    def _look_again(self) -> None:
        self._sealed.surroundings.pause(SETTLING_SECONDS)
        for holder in self._others().values():
            raise self._held(holder)

    def _renew(self) -> None:
        self._require_claim()
        earlier = tuple(self._claims)
        self._claim()
        try:
            # Who took over meanwhile has removed these, and may not have seen the new one on its way.
            self._require_one_of(earlier)
        except SecondWriterError:
            self._over = _TAKEN_OVER
            self._withdraw()
            raise
        for number in earlier:
            self._store.delete(self._key(number))
            self._claims.remove(number)

    def _claim(self) -> None:
        """The next claim; from the moment before it is written the time runs."""
        now = self._sealed.surroundings.now()
        number = self._claims[-1] + 1 if self._claims else 1
        self._taken = self._taken or format_time(now)
        claim = Claim(self._holder, number, self._taken, format_time(now), self._sealed.surroundings.party)
        self._claims.append(number)
        self._sealed.write(Kind.LEASE, self._key(number), form.encode(claim))
        self._renewed = now

    def _withdraw(self) -> None:
        self._renewed = None
        while self._claims:
            self._store.delete(self._key(self._claims[-1]))
            self._claims.pop()

    def _require_claim(self) -> None:
        self._require_one_of(self._claims)

    def _require_one_of(self, claims: Sequence[int]) -> None:
        if not any(is_there(self._store, self._key(number)) for number in reversed(claims)):
            raise self._lost(_TAKEN_OVER)

    def _key(self, number: int) -> str:
        return names.lease(self._holder, number)

    def _others(self) -> Mapping[bytes, Holder]:
        """Who else has claims, as a LIST shows them: presence is a fact (rule 5)."""
        newest: dict[bytes, ObjectInfo] = {}
        for info in objects_under(self._store, names.LEASES):
            newest[names.holder_of(info.key)] = info
        newest.pop(self._holder, None)
        return {holder: Holder(info, self._read(info.key)) for holder, info in newest.items()}

    def _read(self, key: str) -> Claim | None:
        try:
            return form.decode(self._sealed.open(key, self._store.get(key), Kind.LEASE)[1])
        except (IntegrityError, ObjectNotFoundError, WrongKeyError):
            return None  # it holds as well as one that opens

    def _is_dead(self, holder: Holder, own: ObjectInfo) -> bool:
        now = self._sealed.surroundings.now() if own.modified is None else own.modified
        return holder.last_heard is not None and holder.last_heard + TAKEN_OVER_AFTER <= now

    def _held(self, holder: Holder) -> LeaseHeldError:
        claim, heard = holder.claim, holder.last_heard
        who = _UNKNOWN if claim is None else f"{claim.party}, since {claim.taken}"
        said = "" if heard is None else f"; it was last heard of at {format_time(heard)}"
        dead_from = "" if heard is None else f", from {format_time(heard + TAKEN_OVER_AFTER)} on"
        return LeaseHeldError(
            f"{self._store.location} is written to by {who}",
            why=f"it is in single-writer mode: one party writes at a time{said}",
            cure="run it again when that one has ended; where it is known to be dead"
            f"{dead_from}: `holdfast repository take-over-lease {shlex.quote(self._store.location)}`",
        )

    def _lost(self, why: str) -> SecondWriterError:
        return SecondWriterError(
            f"this program no longer holds the lease of {self._store.location}",
            why=why,
            cure="see that nobody else writes there, then run it again",
        )
