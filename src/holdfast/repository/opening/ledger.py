"""The ledger in a store: read to its end, append, checkpoint (ordering rules 2, 4, 5, 10)."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence

from holdfast.domain.errors import (
    ConflictError,
    FormatError,
    HoldfastError,
    IntegrityError,
    ObjectExistsError,
    ObjectNotFoundError,
    PermissionDeniedError,
    RollbackError,
    UnreadableError,
)
from holdfast.repository.format import ledger as form
from holdfast.repository.format import names
from holdfast.repository.format.envelope import Kind, read_header
from holdfast.repository.format.epoch import FIRST_EPOCH
from holdfast.repository.format.ledger import Batch, LedgerState, Record
from holdfast.repository.keys.sealed_store import SealedStore
from holdfast.repository.object_store import Buffer
from holdfast.repository.opening.checkpoints import Checkpoint, newest_checkpoint
from holdfast.repository.opening.point_object import PointObject, unrecorded_commits
from holdfast.repository.opening.unknown_points import require_known, unknown_points
from holdfast.repository.trust.as_put import is_as_put
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.older_versions import (
    NOT_IT,
    UNSEEN,
    all_keys,
    as_damage,
    older_versions,
    several_versions,
)
from holdfast.repository.trust.presence import not_shown

_FIRST_WINDOW = 2
_LAST_WINDOW = 32
_NAMED_MISSING = 1000
HOW_TO_ACCEPT = (
    "find out who did it; then `holdfast repository show URL --accept-ledger`, or for an appliance "
    "`holdfast repository rescan NAME --accept-ledger`, accepts what is there now"
)

# What stands under a number: its bytes, or why nobody here may read them.
Fetched = Buffer | IntegrityError


class Ledger:
    """One party's view of the ledger; `state` is as of the last `refresh` or `append`, and so is `kid`, the key epoch
    of its newest batch.

    A damaged batch hides what it recorded and nothing else: it is kept in `damage`, reading goes on behind it, so that
    a restore never fails for it; points that it may have hidden are found by their keys. Nothing is appended to such a
    ledger. `begun_at`: the checkpoint from which it was read.
    """

    def __init__(self, sealed: SealedStore) -> None:
        self._sealed = sealed
        self.state = LedgerState()
        self.kid = FIRST_EPOCH
        self._summed_kid = FIRST_EPOCH
        self.begun_at: Checkpoint | None = None
        self.damage: list[IntegrityError] = []
        self._gaps: list[range] = []

    def open(self, *, hidden: bool = False) -> LedgerState:
        """Begin at the newest checkpoint that opens and read to the end. `hidden`: also one that a delete marker hides,
        for where locks hold it the batches before it may be gone (rule 9.2).
        """
        store = self._sealed.store
        hints = all_keys(store, names.CHECKPOINTS) if hidden else [one.key for one in store.list(names.CHECKPOINTS)]
        self.begun_at = newest_checkpoint(self._sealed, hints)
        if self.begun_at is not None:
            self.state = self.begun_at.state
            self.kid = self._summed_kid = self.begun_at.kid
        self.refresh()
        while self._cross_gap():
            self.refresh()
        if self.state.sequence == 0:
            self._look_for_points()
        return self.state

    def numbers(self, first: int) -> Iterator[int]:
        """What there is from a number on to the end: gaps left out, which are as wide as somebody likes."""
        for gap in self._gaps:
            yield from range(first, gap.start)
            first = max(first, gap.stop)
        yield from range(first, self.state.sequence + 1)

    def refresh(self) -> LedgerState:
        """Read on by GET of dense numbers until there is none (rule 4); a LIST is never asked for the end."""
        window = _FIRST_WINDOW
        while True:
            first = self.state.sequence + 1
            fetched = list(self._sealed.surroundings.transfer.map(self._fetch, range(first, first + window)))
            ended = None in fetched
            found = [one for one in fetched[: fetched.index(None) if ended else None] if one is not None]
            self._take(found)
            if ended:
                return self.state
            window = min(window * 4, _LAST_WINDOW)

    def _cross_gap(self) -> bool:
        """Whether there are batches behind the end that was read: presence in a LIST is a fact (rule 5). Then what is
        missing before them is damage, and reading goes on with the first that is there."""
        behind = self._standing_behind(self.state.sequence)
        if behind is None:
            return False
        if self._fetch(self.state.sequence + 1) is not None:
            return True  # appended since
        missing = [names.ledger(number) for number in range(self.state.sequence + 1, behind)[:_NAMED_MISSING]]
        self.damage.append(
            IntegrityError(
                f"the ledger has a gap before {names.ledger(behind)}",
                why="it is missing",
                cure="bring the missing objects back from a copy of the store; restores go on without them; if nothing "
                f"ever stood there, somebody has put {names.ledger(behind)} there: remove that one object",
                objects=tuple(missing),
            )
        )
        self._gaps.append(range(self.state.sequence + 1, behind))
        self.state = dataclasses.replace(self.state, sequence=behind - 1, head=b"")
        return True

    def _look_for_points(self) -> None:
        """No session stores a point before its `open` record: where some stand and no batch does, all are missing, as
        where a copy has not arrived yet. Only the repository's keys make one that opens.
        """
        keys = (info.key for info in objects_under(self._sealed.store, names.POINTS))
        standing = next(filter(self._is_end_of_a_session, keys), None)
        if standing is None or self.refresh().sequence:
            return
        self.damage.append(
            IntegrityError(
                f"{names.ledger(1)} and all that follow it are missing",
                why=f"{standing} stands, and whoever wrote it was in the ledger before",
                cure="bring the missing objects back from a copy of the store; restores go on without them",
                objects=(names.ledger(1),),
            )
        )

    def _is_end_of_a_session(self, key: str) -> bool:
        try:
            self._sealed.read(key, Kind.MANIFEST, Kind.TOMBSTONE)
        except (*NOT_IT, *UNSEEN, ObjectNotFoundError):
            return False
        return True

    def _standing_behind(self, sequence: int) -> int | None:
        """The first batch that a LIST shows after that sequence, junk left out."""
        for info in objects_under(self._sealed.store, names.LEDGER, names.ledger(sequence)):
            if info.key.startswith(names.CHECKPOINTS):
                break
            number = int(info.key.removeprefix(names.LEDGER))
            if not self._sealed.first_counts or self._fetch(number) is not None:
                return number
        return None

    def _take(self, found: list[Fetched]) -> None:
        """Add the objects that follow the state's sequence, each checked in itself and against the one before."""
        batches: list[tuple[Batch, bytes]] = []
        sequence, head = self.state.sequence, self.state.head
        several = self._several(sequence + 1, sequence + len(found)) if self._sealed.first_counts and found else {}
        for data in found:
            sequence += 1
            try:
                batch, sha256 = self._good_at_last(sequence, data, head, several.get(names.ledger(sequence), ()))
            except IntegrityError as error:
                key = names.ledger(sequence)
                if not self._opens(key, data):
                    error.cure = (
                        f"bring {key} back as it was, from a copy or the bucket's older versions; restores go on "
                        f"without it. Only if no record ever stood there for certain, remove {key} (`aws s3 rm`, or "
                        "the file)"
                    )
                self.damage.append(error)
                batch, sha256 = Batch(sequence, head, "", ()), b""
            batches.append((batch, sha256))
            head = sha256
        self.state = form.apply(self.state, batches)

    def whole(self) -> LedgerState:
        """The state now. Raises the IntegrityError of a damaged ledger: it may hide points."""
        self.refresh()
        self._require_whole()
        return self.state

    def append(self, *records: Record, opening: bytes | None = None, ending: bytes | None = None) -> None:
        """Add records after whatever others have added meanwhile, and see them acknowledged.

        `opening`: a session that must not be known yet, so that of two who open it one does. `ending`: one that nobody
        may have ended without a point. Raises ConflictError where it is so, and what `append_as` raises.
        """

        def said(state: LedgerState) -> Sequence[Record]:
            if opening is not None and (opening in state.open or opening in state.live):
                raise ConflictError(
                    f"session {opening.hex()} was opened already",
                    why="somebody else did, or an answer was lost",
                    cure="run it again",
                )
            if ending is not None and ending not in state.open and ending not in state.live:
                raise ConflictError(
                    f"session {ending.hex()} was ended by somebody else",
                    why="the ledger counts it as open no more: it gave no sign of life for a day, or was given up",
                    cure="run the backup again",
                )
            return records

        self.append_as(said)

    def append_as(
        self, records_of: Callable[[LedgerState], Sequence[Record] | None], *, beside_unknown: bool = False
    ) -> None:
        """Add what `records_of` makes of the state that it is to follow, asked again whenever somebody was quicker:
        what was true before may not be. Where it makes None there is nothing to add.

        Who adds the first batch under a new key epoch says with it which points of open sessions stand under older
        keys: behind it they would count no more (section 21). Nor would those of which it knows no session: beside
        these only who tells it of them adds that batch (`beside_unknown`). Raises IntegrityError for such a point, and
        that of a damaged ledger, whose chain cannot be continued.
        """
        are_known = beside_unknown
        while True:
            if self._is_to_turn() and not are_known:
                require_known(self.unknown_points())
                are_known = True
            self._require_whole()
            sequence = self.state.sequence + 1
            unsaid = self._unsaid()
            said = Batch(sequence, self.state.head, "", tuple(unsaid))
            records = records_of(form.apply(self.state, [(said, self.state.head)]) if unsaid else self.state)
            if records is None and not unsaid:
                return
            batch = dataclasses.replace(
                said, time=self._sealed.surroundings.timestamp(), records=(*unsaid, *(records or ()))
            )
            try:
                sha256 = self._sealed.write(Kind.LEDGER_BATCH, names.ledger(sequence), form.encode_batch(batch))
            except ObjectExistsError as error:
                if self.refresh().sequence < sequence and not self._set_junk_aside(sequence):
                    raise not_shown(names.ledger(sequence)) from error
                continue
            self.state = form.apply(self.state, [(batch, sha256)])
            self.kid = self._sealed.epochs.newest.kid
            if sequence % form.CHECKPOINT_EVERY == 0 or self._summed_kid < self.kid:
                self._checkpoint()
            return

    def _require_whole(self) -> None:
        if self.damage:
            raise self.damage[0]

    @property
    def reached_kid(self) -> int:
        """The key epoch that a manifest must have to count while the ledger does not say so (section 21)."""
        return min(self.kid, self._sealed.epochs.newest.kid)

    def unknown_points(self) -> Iterator[tuple[str, PointObject | HoldfastError]]:
        """Points that stand and that it does not know, read to its end; or why something may be one. Nothing where it
        is damaged: that says itself what it may hide.
        """
        if not self.damage:
            for found in unknown_points(self._sealed, lambda: (self.refresh(), self.reached_kid)):
                if self.damage:
                    return
                yield found

    def _is_to_turn(self) -> bool:
        """Whether the next batch is the first under a key epoch."""
        return self.kid < self._sealed.epochs.newest.kid

    def _unsaid(self) -> list[Record]:
        return unrecorded_commits(self._sealed, self.state, self.kid) if self._is_to_turn() else []

    def require_head(self, sequence: int, head: bytes) -> None:
        """Rule 10: the ledger must still hold what was remembered; RollbackError when it was set back or replaced."""
        if sequence == 0 or (self.state.sequence == sequence and self.state.head == head):
            return
        self._require(sequence, head)

    def require_standing(self) -> None:
        """The same for the end of what was read, before one that was open for long is built upon."""
        if self.state.sequence and self.state.head:
            self._require(self.state.sequence, self.state.head)

    def _require(self, sequence: int, head: bytes) -> None:
        data = self._fetch(sequence)
        if data is not None and (self.damage or self._stands(sequence, data, head)):
            return  # damage is reported as damage, not as another ledger
        raise RollbackError(
            f"the ledger of {self._sealed.store.location} is not the one seen here before",
            why=f"record {sequence}, remembered from an earlier use, is "
            f"{'gone' if data is None else 'another one'}: the store was set back, or replaced",
            cure=HOW_TO_ACCEPT,
        )

    def _stands(self, sequence: int, data: Fetched, head: bytes) -> bool:
        """Whether the batch is that object, or was before something else was put over it (rule 9.5)."""
        candidates = self._candidates(sequence, data, ())
        return any(
            hashlib.sha256(candidate).digest() == head
            for _version, candidate in candidates
            if not isinstance(candidate, IntegrityError)
        )

    def _set_junk_aside(self, sequence: int) -> bool:
        """Whether a name that is taken, and has no batch, can be asked for again: junk is under a delete marker now.
        Whoever was quicker with a batch is hidden by that, and counts all the same (rule 9.7).
        """
        key, sealed = names.ledger(sequence), self._sealed
        if not sealed.first_counts or sealed.is_hidden(key):
            return False
        if self._fetch(sequence) is None:
            sealed.store.hide(key)
        return True

    def _fetch(self, sequence: int) -> Fetched | None:
        """What stands there, whole or not; None also for junk (rule 9.7)."""
        key, sealed = names.ledger(sequence), self._sealed
        data: Fetched
        try:
            data = sealed.store.get(key)
        except ObjectNotFoundError:
            return None
        except IntegrityError as error:  # it is larger than any batch
            data = error
        except UNSEEN as error:
            data = self._unseen(key, error)
        return None if sealed.first_counts and not self._opens(key, data) and self._is_junk(key) else data

    def _unseen(self, key: str, error: HoldfastError) -> IntegrityError:
        """One object that nobody here may read is damage like another: it may be a batch, and restores go on without
        it. Raises `error` where no version of it is: then S3 denies what is not there.
        """
        try:
            there = key in all_keys(self._sealed.store, key)
        except PermissionDeniedError:
            there = False
        if not there:
            raise error
        return as_damage(self._sealed.store, key, error)

    def _is_junk(self, key: str) -> bool:
        """Whether what stands there never was a batch: no version opens, or would with a key epoch that is not known
        here, and each is as it was put; where the store cannot tell that, whether all are hidden. Who may not ask for
        versions, or may not read one, cannot tell.
        """
        store, as_put = self._sealed.store, list[bool | None]()
        for version in older_versions(store, key):
            try:
                data = store.get(key, version=version)
            except IntegrityError:  # larger than any batch
                as_put.append(True)
                continue
            except UNSEEN:
                return False
            if self._opens(key, data) or self._is_beyond(key, data):
                return False
            as_put.append(is_as_put(store, key, version, data))
        if False in as_put:
            return False  # torn or rotten: it may be one
        return (bool(as_put) and None not in as_put) or self._sealed.is_hidden(key)

    def _is_beyond(self, key: str, data: Buffer) -> bool:
        """Whether it says that it is of a key epoch which is not known here: its object may be damaged, or gone."""
        try:
            header = read_header(data, key)
        except NOT_IT:
            return False
        epochs = self._sealed.epochs
        return header.repository == epochs.newest.repository and header.kid not in epochs.kids

    def _opens(self, key: str, data: Fetched) -> bool:
        if isinstance(data, IntegrityError):
            return False
        try:
            self._sealed.open(key, data, Kind.LEDGER_BATCH)
        except IntegrityError:
            return False
        return True

    def _decode(self, sequence: int, data: Buffer, head: bytes) -> Batch:
        key = names.ledger(sequence)
        batch = form.decode_batch(self._sealed.open(key, data, Kind.LEDGER_BATCH)[1])
        kid = read_header(data, key).kid
        if kid < self.kid:
            raise FormatError(
                f"{key} is of key epoch {kid}",
                why=f"epoch {self.kid} stands before it, which who has only an older key cannot have read",
                cure="find out who has the older master key and may write here",
                key=key,
            )
        if batch.sequence != sequence or (head and batch.previous != head):
            raise FormatError(
                f"the ledger's chain breaks at {key}", why="it does not follow the object before it", key=key
            )
        self.kid = kid
        return batch

    def _several(self, first: int, last: int) -> dict[str, tuple[str, ...]]:
        """Which of these batches have several versions, by one LIST of what their names have in common (rule 9.7)."""
        begin, end = names.ledger(first), names.ledger(last)
        same = next((at for at, (one, other) in enumerate(zip(begin, end, strict=True)) if one != other), len(begin))
        return several_versions(self._sealed.store, begin[:same])

    def _good_at_last(
        self, sequence: int, data: Fetched, head: bytes, versions: tuple[str, ...]
    ) -> tuple[Batch, bytes]:
        """The same, asked for once more before it is called damaged: one answer may have come torn."""
        try:
            return self._good(sequence, data, head, versions)
        except IntegrityError:
            again = self._fetch(sequence)
            return self._good(sequence, data if again is None else again, head, versions)

    def _good(self, sequence: int, data: Fetched, head: bytes, versions: tuple[str, ...]) -> tuple[Batch, bytes]:
        """The batch that counts, with the SHA-256 of its object: the first of several `versions` that follows `head`
        (rule 9.7); else these bytes, or what they were put over (rule 9.5).
        """
        damage: IntegrityError | None = None
        for version, candidate in self._candidates(sequence, data, versions):
            if isinstance(candidate, IntegrityError):
                damage = damage or candidate
                if versions and isinstance(candidate, UnreadableError):
                    break  # it may be the first
                continue
            try:
                return self._decode(sequence, candidate, head), hashlib.sha256(candidate).digest()
            except IntegrityError as error:
                damage = damage or error  # the first one's is reported
                if versions and version is not None and self._is_torn(names.ledger(sequence), version, candidate):
                    break  # it may be the first, too
        raise damage or ObjectNotFoundError(names.ledger(sequence))

    def _is_torn(self, key: str, version: str, data: Buffer) -> bool:
        """Whether it does not open because it is not as it was put."""
        return not self._opens(key, data) and is_as_put(self._sealed.store, key, version, data) is False

    def _candidates(
        self, sequence: int, data: Fetched, versions: tuple[str, ...]
    ) -> Iterator[tuple[str | None, Fetched]]:
        key, store = names.ledger(sequence), self._sealed.store
        if not versions:
            yield None, data
        for version in reversed(versions) if versions else older_versions(store, key):
            try:
                yield version, store.get(key, version=version)
            except IntegrityError as error:
                yield version, error
            except UNSEEN as error:
                yield version, as_damage(store, key, error, version)

    def _checkpoint(self) -> None:
        try:
            body = form.encode_checkpoint(self.state)
            self._sealed.write(Kind.LEDGER_CHECKPOINT, names.checkpoint(self.state.sequence), body)
            self._summed_kid = self.kid
        except ObjectExistsError:
            return  # another process reached the same sequence and wrote the same sum
