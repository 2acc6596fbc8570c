"""The master keys that a party holds, one for each key epoch (section 19), and how it comes by them."""

import dataclasses
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from holdfast.domain.errors import (
    FormatError,
    IntegrityError,
    ObjectNotFoundError,
    UnreadableError,
    WrongKeyError,
)
from holdfast.repository.crypto.keys import EpochKeys, KeyRing, MasterKey
from holdfast.repository.format import config as config_form
from holdfast.repository.format import envelope, names
from holdfast.repository.format import epoch as form
from holdfast.repository.format.config import Config
from holdfast.repository.format.envelope import Header, Kind
from holdfast.repository.format.key_slot import KeySlot
from holdfast.repository.keys.slots import KeySlots, Secret
from holdfast.repository.object_store import Buffer, ObjectStore
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.trust.first_version import open_first_good
from holdfast.repository.trust.older_versions import NOT_IT, open_newest_good
from holdfast.repository.trust.vouching import ALL_COUNT, Vouching


@dataclass(frozen=True, slots=True, repr=False)
class Unlocked:
    """The master key of every epoch, the slot that led to the newest, and what that one vouches for. `doubt`: why
    nobody here can tell whether a newer one has begun.
    """

    slot: KeySlot
    keys: Mapping[int, MasterKey]
    vouching: Vouching = ALL_COUNT
    doubt: UnreadableError | None = None


class KeyEpochs:
    """The keys of every epoch up to the newest that is known. Whoever meets a newer one is led there by `newer`, which
    gives all keys, or none where no newer epoch has begun. Any thread may use it.
    """

    def __init__(self, unlocked: Unlocked, newer: Callable[[MasterKey], Unlocked | None]) -> None:
        self.slot = unlocked.slot
        self.vouching = unlocked.vouching
        self.doubt = unlocked.doubt
        self._keys = dict(unlocked.keys)
        self._newer = newer
        self._lock = threading.Lock()

    @property
    def newest(self) -> MasterKey:
        """Under this one new objects are sealed."""
        return self._keys[max(self._keys)]

    @property
    def kids(self) -> tuple[int, ...]:
        """The epochs whose keys are held, ascending."""
        return tuple(sorted(self._keys))

    def of(self, kid: int) -> MasterKey:
        """The master key of that epoch. Raises WrongKeyError for a newer one that the secret has no slot of, and
        FormatError for an epoch that never began.
        """
        with self._lock:
            if kid > max(self._keys):
                further = self._newer(self.newest)
                if further is not None:
                    self._keys.update(further.keys)
                    self.vouching = further.vouching
            found = self._keys.get(kid)
        if found is None:
            raise FormatError(
                f"there is no key epoch {kid}",
                why=f"the newest that has begun here is {self.newest.kid}",
                key=names.epoch(kid),
            )
        return found

    def add(self, master: MasterKey, vouching: Vouching) -> None:
        """The key of an epoch that was begun here, and what of `config` and tenants that vouches for."""
        with self._lock:
            self._keys[master.kid] = master
            self.vouching = vouching

    def key_ring(self, tenant: bytes, id_key: bytes) -> KeyRing:
        """Everything that a tenant's packs and index runs open with; `id_key` is kept in the tenant's object."""

        def epoch(kid: int) -> EpochKeys:
            return self.of(kid).epoch_keys(tenant)

        def data_key(kid: int, session: bytes) -> bytes:
            return self.of(kid).data_key(session)

        newest = self.newest
        return KeyRing(newest.repository, newest.suite, newest.kid, tenant, id_key, epoch, data_key)


def first_epoch(
    store: ObjectStore, surroundings: Surroundings, master: MasterKey, slot: KeySlot, secret: Secret, *, marked: bool
) -> KeyEpochs:
    """Of a repository that is made now; `secret` opens it again where another party has begun a newer epoch. `marked`:
    the repository is immutable, and an epoch counts by its mark alone.
    """
    return _led(_Door(store, surroundings, master.repository, secret), Unlocked(slot, {master.kid: master}), marked)


def unlock(store: ObjectStore, surroundings: Surroundings, config: Buffer, secret: Secret) -> tuple[KeyEpochs, Config]:
    """All keys, by a slot of the newest epoch that `secret` opens, and what they open `config` to.

    Raises WrongKeyError, also for a secret whose slots are all of past epochs; IntegrityError names what is damaged.
    """
    door = _Door(store, surroundings, envelope.read_header(config, names.CONFIG).repository, secret)

    def opened(unlocked: Unlocked) -> Config:
        return _config(config, unlocked, door.repository)

    unlocked = _unlocked(door, lambda one: opened(one).immutable)
    found = opened(unlocked)
    return _led(door, unlocked, found.immutable), found


@dataclass(frozen=True, slots=True, repr=False)
class _Door:
    """Where a party stands with its secret."""

    store: ObjectStore
    surroundings: Surroundings
    repository: bytes
    secret: Secret


# Whether these keys, which are the repository's, count epochs by their marks alone. Raises IntegrityError for others.
_Proof = Callable[[Unlocked], bool]


def _led(door: _Door, unlocked: Unlocked, marked: bool) -> KeyEpochs:
    """Keys that find newer ones: a repository's are those that lead to the keys which are known."""

    def proven(other: Unlocked) -> bool:
        if any(other.keys.get(kid) != known for kid, known in unlocked.keys.items()):
            raise FormatError(
                f"a key slot of {door.store.location} leads to other keys than are known here",
                why="it is not the repository's",
                cure="remove that slot",
            )
        return marked

    def newer(newest: MasterKey) -> Unlocked | None:
        return _unlocked(door, proven) if _has_successor(door.store, newest, marked=marked) else None

    return KeyEpochs(unlocked, newer)


def _config(data: Buffer, unlocked: Unlocked, repository: bytes) -> Config:
    def key_of(kid: int) -> bytes:
        if kid not in unlocked.keys:
            raise FormatError(f"{names.CONFIG} is of key epoch {kid}", why="no slot leads there")
        return unlocked.keys[kid].sub("config")

    body = envelope.open_object(
        data, kinds=(Kind.CONFIG,), kind_key=key_of, object_key=names.CONFIG, repository=repository
    )[1]
    unlocked.vouching.require(names.CONFIG, data)
    return config_form.decode(body)


def _unlocked(door: _Door, proof: _Proof) -> Unlocked:
    unlocked = _by_slots(door, proof)
    if unlocked is None:  # an epoch may have begun after the slots were listed; its own stood before it
        unlocked = _by_slots(door, proof)
    if unlocked is None:
        raise WrongKeyError(
            f"what was given opens a key epoch of {door.store.location} that is past",
            why="the master key was rotated since, and no slot of the newest epoch opens with this",
            cure="use a password, code or KMS key of the newest epoch: `holdfast repository key list` shows its slots",
        )
    return unlocked


def _by_slots(door: _Door, proof: _Proof) -> Unlocked | None:
    """None where the slots that open are all of past epochs."""
    is_past, nowhere = False, 0
    foreign: IntegrityError | None = None
    for slot, master in KeySlots(door.store, door.surroundings).opened(door.repository, door.secret):
        try:
            chain = _chain(door.store, slot, master)
            if chain is None:
                nowhere = max(nowhere, master.kid)
                continue
            marked = proof(chain)
            if marked:
                _require_first(door.store, chain.keys)
            try:
                is_newest = not _has_successor(door.store, master, marked=marked)
            except UnreadableError as error:
                return dataclasses.replace(chain, doubt=error)
            if is_newest:
                return chain
            is_past = True
        except IntegrityError as error:  # a slot that somebody else has made keeps no other from opening
            foreign = foreign or error
    if foreign is not None:
        raise foreign
    if is_past:
        return None
    raise IntegrityError(
        f"{names.epoch(nowhere)} is not there, or is another one's",
        why=f"a key slot of epoch {nowhere} opens, and nothing says that this epoch has begun",
        cure="bring it back from the bucket's older versions or a copy; without it the older keys are out of reach",
        objects=(names.epoch(nowhere),),
    )


def _chain(store: ObjectStore, slot: KeySlot, master: MasterKey) -> Unlocked | None:
    """All keys up to the slot's, which is this one; None where it is of a rotation that did not come to its end, or
    lost its race.
    """
    if master.kid == form.FIRST_EPOCH:
        return Unlocked(slot, {master.kid: master})
    key = names.epoch(master.kid)

    def opened(data: Buffer) -> Unlocked:
        _require_epoch(data, key, master.repository, master.kid)
        if not envelope.is_sealed_under(data, master.sub("epoch"), key):
            raise FormatError(f"{key} is of another rotation", why="it is not sealed under this key", key=key)
        body = envelope.open_object(
            data,
            kinds=(Kind.EPOCH,),
            kind_key=lambda _kid: master.sub("epoch"),
            object_key=key,
            repository=master.repository,
        )[1]
        epoch = form.decode(body)
        older = {kid: dataclasses.replace(master, key=one, kid=kid) for kid, one in epoch.older.items()}
        vouching = ALL_COUNT if epoch.vouched is None else Vouching(master.kid, epoch.vouched)
        return Unlocked(slot, {**older, master.kid: master}, vouching)

    try:
        return open_newest_good(store, key, opened)
    except ObjectNotFoundError:
        return None


def newest_begun(store: ObjectStore, repository: bytes) -> int:
    """The kid of the newest epoch as far as can be told without a key, which vouches for nothing: junk has begun
    none.
    """
    kid = form.FIRST_EPOCH
    with suppress(*NOT_IT):
        while _says_it_began(store, repository, kid + 1):
            kid += 1
    return kid


def _has_successor(store: ObjectStore, master: MasterKey, *, marked: bool) -> bool:
    """Whether the epoch after that of `master` has begun. Raises IntegrityError for what says no such thing."""
    if marked:
        return first_marked(store, master) is not None
    return _says_it_began(store, master.repository, master.kid + 1)


def first_marked(store: ObjectStore, previous: MasterKey) -> Buffer | None:
    """The object by which who held `previous` has begun the epoch after it: of several the first (rule 9.7). Raises
    UnreadableError for one that may be it.
    """
    kid = previous.kid + 1
    key = names.epoch(kid)

    def opened(data: Buffer) -> Buffer:
        salt = _require_epoch(data, key, previous.repository, kid).salt
        if not form.is_marked(salt, previous, key):
            raise FormatError(f"{key} bears no mark", why=f"who has put it did not hold epoch {previous.kid}", key=key)
        return data

    try:
        return open_first_good(store, key, opened)
    except UnreadableError:
        raise
    except (*NOT_IT, ObjectNotFoundError):
        return None  # whoever may put objects can take the name; nothing has begun by that


def _require_first(store: ObjectStore, keys: Mapping[int, MasterKey]) -> None:
    """Raises FormatError where another rotation came before the one that these keys are of."""
    newest = keys[max(keys)]
    if newest.kid == form.FIRST_EPOCH:
        return
    key = names.epoch(newest.kid)
    first = first_marked(store, keys[newest.kid - 1])
    if first is None or not envelope.is_sealed_under(first, newest.sub("epoch"), key):
        raise FormatError(f"{key} is of another rotation", why="the one of this key slot came later", key=key)


def _says_it_began(store: ObjectStore, repository: bytes, kid: int) -> bool:
    try:
        data = store.get(names.epoch(kid))
    except ObjectNotFoundError:
        return False
    _require_epoch(data, names.epoch(kid), repository, kid)
    return True


def _require_epoch(data: Buffer, key: str, repository: bytes, kid: int) -> Header:
    header = envelope.read_header(data, key)
    if (header.kind, header.kid, header.repository) != (Kind.EPOCH, kid, repository):
        raise FormatError(f"{key} is no key epoch of this repository", why="its header says so", key=key)
    return header
