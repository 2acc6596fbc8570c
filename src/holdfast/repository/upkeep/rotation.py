"""A new master key for all that is written from now on (sections 19 and 21). The order of the lines is the promise."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.domain.errors import CancelledError, ConflictError, HoldfastError, ObjectExistsError, UnavailableError
from holdfast.repository.crypto.keys import KEY_BYTES, MasterKey
from holdfast.repository.format import envelope, names
from holdfast.repository.format import epoch as form
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.epoch import Epoch
from holdfast.repository.format.key_slot import KMS, PASSWORD, RECOVERY, KeySlot
from holdfast.repository.keys.epochs import first_marked
from holdfast.repository.keys.slots import DamagedSlot, KeySlots, PasswordCost, Secret
from holdfast.repository.opening.repository import Repository
from holdfast.repository.trust.vouching import Vouching
from holdfast.repository.upkeep.handing_over import hand_over, record_unsaid, vouched_for


@dataclass(frozen=True, slots=True, repr=False)
class Rotation:
    """What a rotation did: `kept` are the new slots, `left_behind` those of the epoch before to which no new one
    answers, `damaged` what else lies among the slots and was left as it is. The recovery code is shown once and kept
    nowhere. `not_handed_over`: why what stands under the older keys was not handed over to the new epoch, where it was
    not; who writes next does it.
    """

    kid: int
    recovery_code: str
    kept: tuple[KeySlot, ...]
    left_behind: tuple[KeySlot, ...]
    damaged: tuple[DamagedSlot, ...]
    not_handed_over: HoldfastError | None


def rotate(
    repository: Repository, secret: Secret, new_password: bytes | None = None, cost: PasswordCost | None = None
) -> Rotation:
    """Begin the next key epoch. KMS keys are kept where they may be used, and so is the password or code in `secret`,
    unless `new_password` takes its place.

    A damaged slot keeps nobody from it. Raises ConflictError where another rotation was quicker, IntegrityError where
    `config`, a tenant, the ledger or what an open session has made is damaged: then nothing has changed.
    """
    before = repository.master
    vouched = vouched_for(repository)
    record_unsaid(repository)
    slots = KeySlots(repository.store, repository.surroundings)
    found = slots.found(before.repository)
    old = [slot for slot in found.slots if slot.is_of(before)]
    master = MasterKey(repository.surroundings.random_bytes(KEY_BYTES), before.repository, before.kid + 1, before.suite)
    taken = {
        slot.slot: slots.take_over(slot, before, master, secret)
        for slot in old
        if new_password is None or slot.kind not in (PASSWORD, RECOVERY)
    }
    kept = [slot for slot in taken.values() if slot is not None]
    left_behind = [slot for slot in old if taken.get(slot.slot) is None]
    if new_password is not None:
        kept.append(slots.add_password(master, new_password, "password", cost))
    elif not any((slot.kind == KMS) == (secret.text is None) for slot in kept):
        slots.withdraw(kept)
        raise UnavailableError(
            f"the key slot that opens {repository.store.location} is not there",
            why="it was removed just now, or this store does not show all that it holds",
            cure="run it again: nothing has changed",
        )
    recovery, code = slots.add_recovery(master, "recovery code")
    kept.append(recovery)
    try:
        _begin(repository, master, vouched)
    except ObjectExistsError as error:
        slots.withdraw(kept)
        raise ConflictError(
            f"key epoch {master.kid} of {repository.store.location} was begun by somebody else",
            why="another rotation was quicker",
            cure="nothing was changed here; look who rotates, and rotate again if it is still wanted",
        ) from error
    repository.epochs.add(master, Vouching(master.kid, vouched))
    failure: HoldfastError | None = None
    try:
        hand_over(repository)
    except HoldfastError as error:  # the epoch has begun: its recovery code must be shown
        failure = error
    except KeyboardInterrupt:  # also to who has no patience for the rest, for the old code opens nothing new
        why, cure = "somebody ended the command", "nothing has to be done: the next backup goes on"
        failure = CancelledError("handing over to the new key was cut short", why=why, cure=cure)
    return Rotation(master.kid, code, tuple(kept), tuple(left_behind), found.damaged, failure)


def _begin(repository: Repository, master: MasterKey, vouched: Mapping[str, bytes]) -> None:
    """The write that makes it so; sealed under the new key, with all older ones inside."""
    before = repository.master
    older = {kid: repository.epochs.of(kid).key for kid in repository.epochs.kids}
    key = names.epoch(master.kid)
    data = envelope.seal(
        Kind.EPOCH,
        form.encode(Epoch(master.kid, older, repository.surroundings.timestamp(), vouched)),
        kind_key=master.sub("epoch"),
        object_key=key,
        repository=master.repository,
        kid=master.kid,
        salt=form.marked_salt(before, key, repository.surroundings.random_bytes(form.NONCE_BYTES)),
        suite=master.suite,
    )
    try:
        repository.store.create(key, data, hashlib.sha256(data).digest())
    except ObjectExistsError:
        if not envelope.is_sealed_under(repository.store.get(key), master.sub("epoch"), key):
            raise
        # Rule 1: our own lost answer, so the slots are those of an epoch that has begun.
    if repository.config.immutable and first_marked(repository.store, before) != data:
        raise ObjectExistsError(key)
