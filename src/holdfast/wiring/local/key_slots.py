"""The ways to open a repository, and its key epochs: what a command of `holdfast repository key` does here."""

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.domain.errors import HoldfastError
from holdfast.repository.format.key_slot import RECOVERY, KeySlot
from holdfast.repository.keys.epochs import newest_begun
from holdfast.repository.keys.slots import DamagedSlot, KeySlots, Secret
from holdfast.repository.opening.memory_of_locations import recognise, remember
from holdfast.repository.opening.repository import open_repository, repository_id
from holdfast.repository.progress import Progress
from holdfast.repository.upkeep import rekeying, rotation
from holdfast.repository.upkeep.collection.collect import CollectionOrder
from holdfast.repository.upkeep.drill import Drill, drill
from holdfast.repository.upkeep.rekeying import Rekeyed
from holdfast.repository.upkeep.rotation import Rotation
from holdfast.wiring.drills import DRILL_AFTER, Drills
from holdfast.wiring.existing_store import open_existing
from holdfast.wiring.key_service import LazyKeyService
from holdfast.wiring.local.opening import LocalRepository, Warn, password_cost
from holdfast.wiring.location_memory import FileLocationMemory, home_folder
from holdfast.wiring.machine import machine_surroundings


@dataclass(frozen=True, slots=True)
class ListedSlot:
    """A slot; whether it is of the newest key epoch, when it was last tried on this machine, and whether it should be
    again: a recovery slot that nobody has tried for long may not be there when it is needed.
    """

    slot: KeySlot
    is_current: bool
    drilled: datetime | None
    is_due: bool


@dataclass(frozen=True, slots=True)
class ListedSlots:
    """All slots, and what else lies among them."""

    slots: list[ListedSlot]
    damaged: tuple[DamagedSlot, ...]


def key_slots(location: str) -> ListedSlots:
    """The key slots of a repository that need not be opened. Raises NotFoundError where there is none, IntegrityError
    where `config` does not say whose they are.
    """
    with machine_surroundings() as surroundings, closing(open_existing(location)) as store:
        repository = repository_id(store)
        found = KeySlots(store, surroundings).found(repository)
        newest, now = newest_begun(store, repository), surroundings.now()
        drills = Drills(home_folder()).of(store.location)
    listed = []
    for slot in found.slots:
        drilled = drills.get(slot.slot)
        is_old = drilled is None or drilled + DRILL_AFTER < now
        is_current = slot.kid == newest
        listed.append(ListedSlot(slot, is_current, drilled, is_current and slot.kind == RECOVERY and is_old))
    return ListedSlots(listed, found.damaged)


def tried(location: str, secret: Secret, warn: Warn) -> Drill:
    """Open the repository with that secret alone, read a block back, and remember when that was."""
    with machine_surroundings() as surroundings, closing(open_existing(location)) as store:
        repository = open_repository(store, secret, surroundings)
        recognise(repository, FileLocationMemory(home_folder(), warn))
        done = drill(repository)
        try:
            Drills(home_folder()).record(store.location, done.slot.slot, surroundings.now())
        except HoldfastError as error:
            warn(f"it opens, and that it was tried is not remembered: {error.what}; {error.why}")
        return done


def kms_alone() -> Secret:
    """Nothing but the key service."""
    return Secret(wrapper=LazyKeyService())


def add_password(opened: LocalRepository, password: bytes, label: str, kdf_memory_bytes: int) -> KeySlot:
    """A further password; each try of it costs so much memory."""
    return _slots(opened).add_password(opened.repository.master, password, label, password_cost(kdf_memory_bytes))


def add_recovery(opened: LocalRepository, label: str) -> tuple[KeySlot, str]:
    """A further recovery code, to be shown once."""
    return _slots(opened).add_recovery(opened.repository.master, label)


def add_kms(opened: LocalRepository, kms_key: str, label: str) -> KeySlot:
    """Open to whoever may use that KMS key."""
    return _slots(opened).add_kms(opened.repository.master, LazyKeyService(), kms_key, label)


def found_slot(opened: LocalRepository, slot: str) -> KeySlot | DamagedSlot:
    """The slot whose id begins so."""
    return _slots(opened).named(slot, opened.repository.master.repository)


def remove_key(opened: LocalRepository, slot: KeySlot | DamagedSlot) -> KeySlot | DamagedSlot:
    """Take the slot away."""
    return _slots(opened).remove(slot.slot.hex(), opened.repository.master)


def rotate(
    opened: LocalRepository, password: bytes | None, new_password: bytes | None, kdf_memory_bytes: int
) -> Rotation:
    """Begin the next key epoch; what `password` opens, and KMS keys that may be used, are kept."""
    secret = Secret(password, LazyKeyService())
    return rotation.rotate(opened.repository, secret, new_password, password_cost(kdf_memory_bytes))


def rekey(opened: LocalRepository, patience: timedelta, progress: Progress) -> Rekeyed:
    """Seal anew what is under older keys."""
    done = rekeying.rekey(opened.repository, CollectionOrder(patience), progress, time.sleep)
    remember(opened.repository, opened.memory, plan_epoch=done.plan_epoch)
    return done


def _slots(opened: LocalRepository) -> KeySlots:
    return KeySlots(opened.repository.store, opened.repository.surroundings)
