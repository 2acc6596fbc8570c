"""Ways to the master key: make, try, add, list, take over and remove key slots (section 5)."""

import dataclasses
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from holdfast.domain.errors import (
    ConflictError,
    FormatError,
    HoldfastError,
    IntegrityError,
    NotFoundError,
    PermissionDeniedError,
    UsageError,
    WrongKeyError,
)
from holdfast.repository.crypto import password as passwords
from holdfast.repository.crypto.keyed_hash import FIPS_SUITE
from holdfast.repository.crypto.keys import KEY_BYTES, MasterKey
from holdfast.repository.format import key_slot as form
from holdfast.repository.format import names
from holdfast.repository.format.cbor import Fields
from holdfast.repository.format.epoch import FIRST_EPOCH
from holdfast.repository.format.key_slot import KMS, PASSWORD, RECOVERY, KeySlot
from holdfast.repository.object_store import Buffer, ObjectStore
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.trust.listing import objects_under
from holdfast.repository.trust.older_versions import NOT_IT, all_keys, open_newest_good


class KeyWrapper(Protocol):
    """A key management service that wraps and unwraps small secrets under a key it never gives away."""

    def wrap(self, key_id: str, plaintext: bytes, context: Mapping[str, str]) -> bytes:
        """Encrypt under `key_id`, bound to `context`."""

    def unwrap(self, blob: bytes, context: Mapping[str, str], key_id: str | None = None) -> bytes:
        """Decrypt what was wrapped with the same context, and under that key where one is named. Raises
        PermissionDeniedError.
        """


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """What a party brings to open a repository: the words of a password file (a password or a recovery code), a key
    service, or both."""

    text: bytes | None = None
    wrapper: KeyWrapper | None = None


@dataclass(frozen=True, slots=True)
class PasswordCost:
    """Argon2id's cost; the default is RFC 9106's second recommendation."""

    memory_kib: int = 64 * 1024
    iterations: int = 3
    lanes: int = 4


@dataclass(frozen=True, slots=True)
class DamagedSlot:
    """What stands under a slot's name and opens nothing, and why: somebody has put it there, or it was a slot once."""

    slot: bytes
    why: str


@dataclass(frozen=True, slots=True)
class SlotsFound:
    """What stands under `keys/`, what no LIST shows last."""

    slots: tuple[KeySlot, ...]
    damaged: tuple[DamagedSlot, ...]


class KeySlots:
    """The `keys/` of one repository."""

    def __init__(self, store: ObjectStore, surroundings: Surroundings) -> None:
        self._store = store
        self._surroundings = surroundings

    def add_password(self, master: MasterKey, secret: bytes, label: str, cost: PasswordCost | None = None) -> KeySlot:
        """A slot that opens with a password of at least one byte."""
        if not secret:
            raise UsageError("the password is empty", why="an empty password protects nothing", cure="choose another")
        if passwords.looks_like_recovery_code(secret.decode("utf-8", "replace")):
            raise UsageError(
                "the password has the form of a recovery code",
                why="it could not be told from one",
                cure="choose another",
            )
        salt = self._surroundings.random_bytes(16)
        if master.suite == FIPS_SUITE:
            parameters: dict[str, object] = {"salt": salt, "iterations": passwords.APPROVED_ITERATIONS[0]}
        else:
            parameters = {"salt": salt, **dataclasses.asdict(cost or PasswordCost())}
        return self._add(master, PASSWORD, label, parameters, _password_kek(secret, parameters, master.suite))

    def add_recovery(self, master: MasterKey, label: str) -> tuple[KeySlot, str]:
        """A slot that opens with a code, which is returned to be printed once and stored nowhere."""
        code = self._surroundings.random_bytes(KEY_BYTES)
        slot = self._add(master, RECOVERY, label, {}, passwords.recovery_key(code))
        return slot, passwords.print_recovery_code(code)

    def add_kms(self, master: MasterKey, wrapper: KeyWrapper, key_id: str, label: str) -> KeySlot:
        """A slot that opens with whoever may use the KMS key."""
        kek = self._surroundings.random_bytes(KEY_BYTES)
        slot = self._surroundings.random_bytes(16)
        blob = wrapper.wrap(key_id, kek, _context(master.repository, slot))
        return self._add(master, KMS, label, {"key_id": key_id, "wrapped": blob}, kek, slot)

    def take_over(self, slot: KeySlot, before: MasterKey, master: MasterKey, secret: Secret) -> KeySlot | None:
        """A slot that leads to another master key in the same way, where `secret` allows to make one (the password or
        code itself, or a KMS key that may be used) and is seen to lead to the one `before`: anybody may have put a slot
        there that names a KMS key of their own.
        """
        try:
            kek = self._key_for(slot, Secret(wrapper=secret.wrapper) if slot.kind == KMS else secret)
            led = None if kek is None else form.unwrap(slot, kek)
            if kek is None or led is None or led.key != before.key:
                return None
            key_id = slot.parameters.get("key_id")
            if slot.kind == KMS and secret.wrapper is not None and isinstance(key_id, str):
                return self.add_kms(master, secret.wrapper, key_id, slot.label)
        except (ConflictError, FormatError, NotFoundError, PermissionDeniedError, UsageError):
            return None  # a key that may not be used, or a slot that asks for the impossible
        if slot.kind == RECOVERY:
            return self._add(master, RECOVERY, slot.label, {}, kek)
        if secret.text is None:
            return None
        fields = Fields(slot.parameters, names.slot(slot.slot))
        cost = None
        if master.suite != FIPS_SUITE:
            cost = PasswordCost(*(fields.natural(name) for name in ("memory_kib", "iterations", "lanes")))
        return self.add_password(master, secret.text, slot.label, cost)

    def withdraw(self, slots: Iterable[KeySlot]) -> None:
        """Take back slots that were written for a master key which did not come to be."""
        for slot in slots:
            self._store.delete(names.slot(slot.slot))

    def found(self, repository: bytes) -> SlotsFound:
        """All slots of that repository, hidden ones too, and what else lies among them: but for what is hidden."""
        slots, damaged = list[KeySlot](), list[DamagedSlot]()
        listed = self._listed_keys()
        for key in [*listed, *self._hidden_keys()]:
            try:
                slots.append(open_newest_good(self._store, key, partial(_decode, key, of=repository)))
            except NOT_IT as error:
                if key in listed:
                    damaged.append(DamagedSlot(names.slot_id(key), error.why))
        return SlotsFound(tuple(slots), tuple(damaged))

    def _listed_keys(self) -> list[str]:
        return [info.key for info in objects_under(self._store, names.KEYS)]

    def _hidden_keys(self) -> list[str]:
        """What no LIST shows, and the versions do (rule 9.5)."""
        listed = set(self._listed_keys())
        return [key for key in all_keys(self._store, names.KEYS) if names.is_object(key) and key not in listed]

    def named(self, slot_prefix: str, repository: bytes) -> KeySlot | DamagedSlot:
        """The slot whose id begins so. Raises NotFoundError, UsageError."""
        found = self.found(repository)
        everything: list[KeySlot | DamagedSlot] = [*found.slots, *found.damaged]
        chosen = [one for one in everything if one.slot.hex().startswith(slot_prefix.lower())]
        if not chosen or not slot_prefix:
            raise NotFoundError(
                f"no key slot begins with {slot_prefix!r}",
                why="the repository has no such slot",
                cure="see `holdfast repository key list`",
            )
        if len(chosen) > 1:
            raise UsageError(
                f"{slot_prefix!r} is not unique", why=f"{len(chosen)} slots begin so", cure="write more of it"
            )
        return chosen[0]

    def remove(self, slot_prefix: str, master: MasterKey) -> KeySlot | DamagedSlot:
        """Take a slot away; of those that lead to `master`, the last two and the last recovery slot stay."""
        chosen = self.named(slot_prefix, master.repository)
        if isinstance(chosen, KeySlot) and chosen.kid > master.kid:
            raise ConflictError(
                f"slot {chosen.slot.hex()} stays",
                why=f"it is of key epoch {chosen.kid}, which a rotation may be about to begin",
                cure="rotate first, or let the one that runs come to its end; then remove it",
            )
        others = self.found(master.repository).slots
        rest = [slot for slot in others if slot.slot != chosen.slot and slot.is_of(master)]
        if len(rest) < 2 or not any(slot.kind == RECOVERY for slot in rest):
            raise ConflictError(
                f"slot {chosen.slot.hex()} stays",
                why="a repository keeps at least two key slots, one of them a recovery slot",
                cure="add another slot first: `holdfast repository key add`, with --recovery for a recovery slot",
            )
        if not self._store.delete(names.slot(chosen.slot)):
            raise ConflictError(
                f"slot {chosen.slot.hex()} stays",
                why="Object Lock holds it: in an immutable repository renewals lock key slots on",
                cure="begin a new key, with another password (`holdfast repository key rotate --new-password-file`): "
                "this slot opens nothing that is written from then on",
            )
        return chosen

    def opened(self, repository: bytes, secret: Secret) -> Iterator[tuple[KeySlot, MasterKey]]:
        """The slots of that repository which `secret` opens, with what they lead to, of the newest key epoch first;
        what a LIST shows comes before what is hidden (rule 9.5).

        A damaged slot is not taken for a wrong password: when no intact one opens, IntegrityError names it.
        """
        met = _Met()
        opened = False
        for find in (self._listed_keys, self._hidden_keys):
            for slot, master in self._opened_of(find(), repository, secret, met):
                opened = True
                yield slot, master
        if opened and not any(isinstance(error, NOT_IT) for error in met.errors):
            return  # to nothing that counts; who asked says why
        raise met.worst(self._store.location, repository) or WrongKeyError(
            f"no key slot of {self._store.location} opens",
            why=_why_none(met.slots, secret),
            cure=_cure_of_none(secret),
        )

    def _opened_of(
        self, keys: list[str], repository: bytes, secret: Secret, met: "_Met"
    ) -> Iterator[tuple[KeySlot, MasterKey]]:
        slots = []
        for key in keys:
            try:
                slots.append(open_newest_good(self._store, key, partial(_decode, key)))
            except NOT_IT as error:
                met.errors.append(error)
        met.slots += slots
        own = sorted((slot for slot in slots if slot.repository == repository), key=lambda slot: -slot.kid)
        for slot in own:
            try:
                kek = self._key_for(slot, secret)
            except FormatError as error:  # a slot that asks for the impossible keeps no other from opening
                key = names.slot(slot.slot)
                met.errors.append(FormatError(f"{key}: {error.what}", why=error.why, cure=error.cure, key=key))
                continue
            except HoldfastError as error:
                met.errors.append(error)  # nor does one whose KMS key is another one's, or disabled, or no key at all
                continue
            except MemoryError:
                met.errors.append(_too_costly(slot))
                continue
            master = None if kek is None else form.unwrap(slot, kek)
            if master is not None:
                yield slot, master

    def _key_for(self, slot: KeySlot, secret: Secret) -> bytes | None:
        """The slot's KEK where `secret` may have it."""
        fields = Fields(slot.parameters, names.slot(slot.slot))
        if slot.kind == KMS and secret.wrapper is not None and secret.text is None:
            return secret.wrapper.unwrap(fields.get("wrapped", bytes), _context(slot.repository, slot.slot))
        if secret.text is None:
            return None
        text = secret.text.decode("utf-8", "replace")
        is_code = passwords.looks_like_recovery_code(text)
        if slot.kind == RECOVERY and is_code:
            return passwords.recovery_key(passwords.read_recovery_code(text))
        if slot.kind == PASSWORD and not is_code:
            return _password_kek(secret.text, slot.parameters, slot.suite)
        return None

    def _add(
        self,
        master: MasterKey,
        kind: str,
        label: str,
        parameters: Mapping[str, object],
        kek: bytes,
        slot_id: bytes | None = None,
    ) -> KeySlot:
        slot = KeySlot(
            slot=slot_id or self._surroundings.random_bytes(16),
            repository=master.repository,
            kid=master.kid,
            kind=kind,
            label=label,
            created=self._surroundings.timestamp(),
            parameters=parameters if master.kid == FIRST_EPOCH else {**parameters, form.CHECK: master.slot_check()},
            suite=master.suite,
        )
        data = form.seal(slot, kek, master.key, self._surroundings.random_bytes(12))
        key = names.slot(slot.slot)
        opened = form.unwrap(form.decode(data, key), kek)
        if opened is None or opened.key != master.key:
            raise FormatError(
                "a new key slot does not open", why="this machine's memory or processor may be faulty", key=key
            )
        self._store.create(key, data, hashlib.sha256(data).digest())
        return slot


def _password_kek(password: bytes, parameters: Mapping[str, object], suite: int) -> bytes:
    fields = Fields(parameters, "key slot")
    salt, iterations = fields.get("salt", bytes), fields.natural("iterations")
    if suite == FIPS_SUITE:
        return passwords.approved_password_key(password, salt, iterations=iterations)
    memory_kib, lanes = fields.natural("memory_kib"), fields.natural("lanes")
    return passwords.password_key(password, salt, memory_kib=memory_kib, iterations=iterations, lanes=lanes)


def _decode(key: str, data: Buffer, of: bytes | None = None) -> KeySlot:
    slot = form.decode(data, key)
    if names.slot(slot.slot) != key:
        raise FormatError(f"{key} holds another slot", why="its header names another slot", key=key)
    if of is not None and slot.repository != of:
        raise FormatError(f"{key} is another repository's", why="its header names another repository", key=key)
    return slot


def _context(repository: bytes, slot: bytes) -> dict[str, str]:
    return {"holdfast:repository": repository.hex(), "holdfast:slot": slot.hex()}


@dataclass(slots=True)
class _Met:
    """The slots that were looked at, and what kept some of them from opening."""

    slots: list[KeySlot] = field(default_factory=list)
    errors: list[HoldfastError] = field(default_factory=list)

    def worst(self, location: str, repository: bytes) -> HoldfastError | None:
        """What to report where no slot opens: damage before all else."""
        damage = [error for error in self.errors if isinstance(error, IntegrityError)]
        for error in damage:
            error.cure = (
                "give the password, recovery code or KMS key of another slot: any of them opens it; then "
                "`holdfast repository key add` makes a new slot in place of the damaged one"
            )
        if not damage and self.slots and all(slot.repository != repository for slot in self.slots):
            return FormatError(
                f"{names.CONFIG} and the key slots of {location} are of different repositories",
                why="their headers name different ids: one of them was replaced",
                cure="bring both back from one copy of the store",
                key=names.CONFIG,
            )
        return next(iter([*damage, *self.errors]), None)


def _too_costly(slot: KeySlot) -> HoldfastError:
    return HoldfastError(
        f"{names.slot(slot.slot)} cannot be tried on this machine",
        why=f"its password is stretched with {slot.parameters.get('memory_kib')} KiB of memory, which are not there",
        cure="give the recovery code or the password of another slot, or open it where there is more memory",
    )


def _cure_of_none(secret: Secret) -> str:
    if secret.text is None and secret.wrapper is not None:
        return "a password or the recovery code opens it; `holdfast repository key add --kms-key KEY` adds a KMS key"
    return "check the password file; the recovery code opens the repository too"


def _why_none(slots: list[KeySlot], secret: Secret) -> str:
    if not slots:
        return "it has none: they were removed, or have not arrived yet"
    kinds = ", ".join(sorted({slot.kind for slot in slots}))
    if secret.text is None and secret.wrapper is None:
        return f"neither a password nor a key service was given; it has slots of kind {kinds}"
    if secret.text is None and all(slot.kind != KMS for slot in slots):
        return f"no KMS key was ever added; it has slots of kind {kinds}"
    return f"the password, code or KMS key given is none of its own (slots of kind {kinds})"
