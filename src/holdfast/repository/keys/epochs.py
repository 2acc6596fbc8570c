"""The master keys that a party holds, one for each key epoch (section 19), and how it comes by them."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from holdfast.domain.errors import FormatError, IntegrityError, ObjectNotFoundError, WrongKeyError
from holdfast.repository.crypto.keys import EpochKeys, KeyRing, MasterKey
from holdfast.repository.format import envelope, names
from holdfast.repository.format import epoch as form
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.key_slot import KeySlot
from holdfast.repository.keys.slots import KeySlots, Secret
from holdfast.repository.object_store import Buffer, ObjectStore
from holdfast.repository.surroundings import Surroundings


@dataclass(frozen=True, slots=True, repr=False)
class Unlocked:
    """The master key of every epoch, and the slot that led to the newest."""

    slot: KeySlot
    keys: Mapping[int, MasterKey]


class KeyEpochs:
    """The keys of every epoch up to the newest that is known. Whoever meets a newer one is led there by `newer`, which
    gives all keys, or none where no newer epoch has begun. Any thread may use it.
    """

    def __init__(self, unlocked: Unlocked, newer: Callable[[int], Unlocked | None]) -> None:
        self.slot = unlocked.slot
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
                further = self._newer(max(self._keys))
                self._keys.update({} if further is None else further.keys)
            found = self._keys.get(kid)
        if found is None:
            raise FormatError(
                f"there is no key epoch {kid}",
                why=f"the newest that has begun here is {self.newest.kid}",
                key=names.epoch(kid),
            )
        return found

    def add(self, master: MasterKey) -> None:
        """The key of an epoch that was begun here."""
        with self._lock:
            self._keys[master.kid] = master

    def key_ring(self, tenant: bytes, id_key: bytes) -> KeyRing:
        """Everything that a tenant's packs and index runs open with; `id_key` is kept in the tenant's object."""

        def epoch(kid: int) -> EpochKeys:
            return self.of(kid).epoch_keys(tenant)

        def data_key(kid: int, session: bytes) -> bytes:
            return self.of(kid).data_key(session)

        newest = self.newest
        return KeyRing(newest.repository, newest.suite, newest.kid, tenant, id_key, epoch, data_key)


def first_epoch(
    store: ObjectStore, surroundings: Surroundings, master: MasterKey, slot: KeySlot, secret: Secret
) -> KeyEpochs:
    """Of a repository that is made now; `secret` opens it again where another party has begun a newer epoch."""
    unlocked = Unlocked(slot, {master.kid: master})
    return KeyEpochs(unlocked, _led_by(store, surroundings, master.repository, secret))


def unlock(store: ObjectStore, surroundings: Surroundings, repository: bytes, secret: Secret) -> KeyEpochs:
    """All keys, by a slot of the newest epoch that `secret` opens.

    Raises WrongKeyError, also for a secret whose slots are all of past epochs; IntegrityError names what is damaged.
    """
    return KeyEpochs(
        _unlocked(store, surroundings, repository, secret), _led_by(store, surroundings, repository, secret)
    )


def _led_by(
    store: ObjectStore, surroundings: Surroundings, repository: bytes, secret: Secret
) -> Callable[[int], Unlocked | None]:
    def newer(newest: int) -> Unlocked | None:
        if _begun(store, repository, newest + 1) is None:
            return None
        return _unlocked(store, surroundings, repository, secret)

    return newer


def _unlocked(store: ObjectStore, surroundings: Surroundings, repository: bytes, secret: Secret) -> Unlocked:
    unlocked = _by_slots(store, surroundings, repository, secret)
    if unlocked is None:  # an epoch may have begun after the slots were listed; its own stood before it
        unlocked = _by_slots(store, surroundings, repository, secret)
    if unlocked is None:
        raise WrongKeyError(
            f"what was given opens a key epoch of {store.location} that is past",
            why="the master key was rotated since, and no slot of the newest epoch opens with this",
            cure="use a password, code or KMS key of the newest epoch: `holdfast repository key list` shows its slots",
        )
    return unlocked


def _by_slots(store: ObjectStore, surroundings: Surroundings, repository: bytes, secret: Secret) -> Unlocked | None:
    """None where the slots that open are all of past epochs."""
    is_past, nowhere = False, 0
    for slot, master in KeySlots(store, surroundings).opened(repository, secret):
        keys = _chain(store, master)
        if keys is None:
            nowhere = max(nowhere, master.kid)
        elif _begun(store, repository, master.kid + 1) is not None:
            is_past = True
        else:
            return Unlocked(slot, keys)
    if is_past:
        return None
    raise IntegrityError(
        f"{names.epoch(nowhere)} is not there, or is another one's",
        why=f"a key slot of epoch {nowhere} opens, and nothing says that this epoch has begun",
        cure="bring it back from the bucket's older versions or a copy; without it the older keys are out of reach",
        objects=(names.epoch(nowhere),),
    )


def _chain(store: ObjectStore, master: MasterKey) -> Mapping[int, MasterKey] | None:
    """All keys up to this one; None where it is of a rotation that did not come to its end, or lost its race."""
    if master.kid == form.FIRST_EPOCH:
        return {master.kid: master}
    data = _begun(store, master.repository, master.kid)
    if data is None:
        return None
    key = names.epoch(master.kid)
    if not envelope.is_sealed_under(data, master.sub("epoch"), key):
        return None
    body = envelope.open_object(
        data,
        kinds=(Kind.EPOCH,),
        kind_key=lambda _kid: master.sub("epoch"),
        object_key=key,
        repository=master.repository,
    )[1]
    older = form.decode(body).older
    keys = {kid: MasterKey(one, master.repository, kid, master.suite) for kid, one in older.items()}
    return {**keys, master.kid: master}


def newest_begun(store: ObjectStore, repository: bytes) -> int:
    """The kid of the newest epoch, which needs no key to tell. Raises IntegrityError for what says no such thing."""
    kid = form.FIRST_EPOCH
    while _begun(store, repository, kid + 1) is not None:
        kid += 1
    return kid


def _begun(store: ObjectStore, repository: bytes, kid: int) -> Buffer | None:
    """What says that an epoch has begun; None where it has not. Raises IntegrityError for what says no such thing."""
    key = names.epoch(kid)
    try:
        data = store.get(key)
    except ObjectNotFoundError:
        return None
    header = envelope.read_header(data, key)
    if (header.kind, header.kid, header.repository) != (Kind.EPOCH, kid, repository):
        raise FormatError(f"{key} is no key epoch of this repository", why="its header says so", key=key)
    return data
