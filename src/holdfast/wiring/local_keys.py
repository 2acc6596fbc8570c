"""The ways to open a repository, and its key epochs: what a command of `holdfast repository key` does here."""

from contextlib import closing

from holdfast.domain.errors import NotFoundError
from holdfast.repository import rotation
from holdfast.repository.format.key_slot import KeySlot
from holdfast.repository.key_slots import KeySlots, Secret
from holdfast.repository.rotation import Rotation
from holdfast.repository.stores.location import open_store
from holdfast.wiring.key_service import LazyKeyService
from holdfast.wiring.local import LocalRepository, machine_surroundings, password_cost


def key_slots(location: str) -> list[KeySlot]:
    """The key slots of a repository that need not be opened. Raises NotFoundError where there is none."""
    with machine_surroundings() as surroundings, closing(open_store(location)) as store:
        slots = list(KeySlots(store, surroundings).each())
        if not slots:
            raise NotFoundError(
                f"there is no repository at {store.location}", why="it has no key slot", cure="check the location"
            )
        return slots


def add_password(opened: LocalRepository, password: bytes, label: str, kdf_memory_bytes: int) -> KeySlot:
    """A further password; each try of it costs so much memory."""
    return _slots(opened).add_password(opened.repository.master, password, label, password_cost(kdf_memory_bytes))


def add_recovery(opened: LocalRepository, label: str) -> tuple[KeySlot, str]:
    """A further recovery code, to be shown once."""
    return _slots(opened).add_recovery(opened.repository.master, label)


def add_kms(opened: LocalRepository, kms_key: str, label: str) -> KeySlot:
    """Open to whoever may use that KMS key."""
    return _slots(opened).add_kms(opened.repository.master, LazyKeyService(), kms_key, label)


def remove_key(opened: LocalRepository, slot: str) -> KeySlot:
    """Take the slot away whose id begins so."""
    return _slots(opened).remove(slot, opened.repository.master)


def rotate(
    opened: LocalRepository, password: bytes | None, new_password: bytes | None, kdf_memory_bytes: int
) -> Rotation:
    """Begin the next key epoch; what `password` opens, and KMS keys that may be used, are kept."""
    secret = Secret(password, LazyKeyService())
    return rotation.rotate(opened.repository, secret, new_password, password_cost(kdf_memory_bytes))


def _slots(opened: LocalRepository) -> KeySlots:
    return KeySlots(opened.repository.store, opened.repository.surroundings)
