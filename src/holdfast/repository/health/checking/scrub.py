"""Scrub: is every stored object as it was written? Asked of its last 32 bytes, so without any key (section 1).

Reads only. What is missing can be told where numbers are dense; that objects are the right ones, and whom damage
hurts, `check.py` says, which has the keys.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from holdfast.domain.errors import (
    IntegrityError,
    NeedsRetrievalError,
    NotFoundError,
    ObjectNotFoundError,
    UnsupportedFormatError,
)
from holdfast.repository.format import envelope, key_slot, names
from holdfast.repository.format import pack as pack_form
from holdfast.repository.format.envelope import Kind
from holdfast.repository.health.checking.dense import missing_numbers
from holdfast.repository.object_store import ObjectInfo, ObjectStore
from holdfast.repository.progress import Progress
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.trust.coverings import hidden
from holdfast.repository.trust.few_at_once import few_at_once
from holdfast.repository.trust.older_versions import NOT_IT, UNSEEN, as_damage, open_newest_good
from holdfast.repository.trust.presence import is_there

_HIDDEN = "a delete marker stands over it: restores look behind it, and `holdfast repository repair` puts it right"
_FOREIGN_NAMED = 100
# What a collection or the end of a session may remove between the list and the look.
_MAY_GO = (names.PACKS, names.INDEX, names.SESSIONS, names.LEASES, names.KEYS)
# With the first number there is, and how it is named.
_DENSE = ((names.LEDGER, 1, names.ledger), (names.PLANS, 1, names.plan), (names.EPOCHS, 2, names.epoch))
_BEGINNINGS = frozenset({envelope.MAGIC_STEM, pack_form.MAGIC[:6], key_slot.MAGIC[:6]})
# A prefix of another one comes after it.
KINDS_UNDER = {
    names.CONFIG: (Kind.CONFIG,),
    names.EPOCHS: (Kind.EPOCH,),
    names.TENANTS: (Kind.TENANT,),
    names.POINTS: (Kind.MANIFEST, Kind.TOMBSTONE),
    names.INDEX: (Kind.INDEX_RUN,),
    names.CHECKPOINTS: (Kind.LEDGER_CHECKPOINT,),
    names.LEDGER: (Kind.LEDGER_BATCH,),
    names.PLANS: (Kind.PLAN,),
    names.RETIRED: (Kind.RETIREMENT,),
    names.SESSIONS: (Kind.ACKNOWLEDGEMENT, Kind.ALIVE, Kind.TASK, Kind.RESULT, Kind.SESSION_CHECKPOINT),
    names.LEASES: (Kind.LEASE,),
}


@dataclass(frozen=True, slots=True)
class Blemish:
    """A stored object that is not as it was written, or one that is missing."""

    object: str
    why: str


@dataclass(frozen=True, slots=True)
class ScrubReport:
    """What was counted and what was read. `packs_cold` were to be read and would have to be retrieved first. `foreign`:
    how many files are none of the repository's; the first ones are in `foreign_keys`.
    """

    objects: int
    stored_bytes: int
    packs: int
    packs_read: int
    read_bytes: int
    packs_cold: int
    cold_bytes: int
    foreign: int
    foreign_keys: tuple[str, ...]
    damage: tuple[Blemish, ...]


def scrub(store: ObjectStore, surroundings: Surroundings, percent: int, progress: Progress) -> ScrubReport:
    """Read every object, and of the packs so many percent (1 to 100), chosen at random.

    Raises NotFoundError where there is nothing of a repository.
    """
    own, foreign, foreign_keys = _listed(store)
    if not own:
        raise NotFoundError(
            f"there is no repository at {store.location}",
            why=f"{foreign} files lie there, none of them a repository's" if foreign else "nothing lies there",
            cure="check the location",
        )
    dice = random.Random(surroundings.random_bytes(16))  # noqa: S311 - chooses packs, not keys
    chosen = [info for info in own if not _is_pack(info.key) or dice.random() * 100 < percent]
    progress.total(sum(info.size_bytes for info in chosen))
    repository = _identity(store)
    damage = dict(_missing(store, own))
    shown = {info.key for info in own}
    damage |= {one.key: _HIDDEN for one in hidden(store) if one.key not in shown}
    read_bytes, packs_cold, cold_bytes = 0, 0, 0
    examined = few_at_once(surroundings, lambda info: _examine(store, info, repository), chosen)
    for info, found in examined:
        progress.advance(info.size_bytes)
        read_bytes += found.read_bytes
        if found.cold:
            packs_cold += 1
            cold_bytes += info.size_bytes
        if found.why:
            damage.setdefault(info.key, found.why)
    return ScrubReport(
        objects=len(own),
        stored_bytes=sum(info.size_bytes for info in own),
        packs=sum(_is_pack(info.key) for info in own),
        packs_read=sum(_is_pack(info.key) for info in chosen) - packs_cold,
        read_bytes=read_bytes,
        packs_cold=packs_cold,
        cold_bytes=cold_bytes,
        foreign=foreign,
        foreign_keys=tuple(foreign_keys),
        damage=tuple(Blemish(key, why) for key, why in sorted(damage.items())),
    )


def _listed(store: ObjectStore) -> tuple[list[ObjectInfo], int, list[str]]:
    """The repository's objects, and what else lies there."""
    own: list[ObjectInfo] = []
    foreign, foreign_keys = 0, list[str]()
    for info in store.list(""):
        if names.is_object(info.key):
            own.append(info)
            continue
        foreign += 1
        if len(foreign_keys) < _FOREIGN_NAMED:
            foreign_keys.append(info.key)
    return own, foreign, foreign_keys


def _is_pack(key: str) -> bool:
    return key.startswith(names.PACKS)


def _identity(store: ObjectStore) -> bytes | None:
    """The repository's id as `config` says in the clear; None where that is damaged or missing, which is named."""
    try:
        return open_newest_good(store, names.CONFIG, lambda data: envelope.read_header(data, names.CONFIG).repository)
    except (*NOT_IT, *UNSEEN, ObjectNotFoundError):
        return None


def _missing(store: ObjectStore, own: Iterable[ObjectInfo]) -> Iterator[tuple[str, str]]:
    """What must be there because of what is: `config`, and every number below the highest."""
    listed = {info.key for info in own}
    if names.CONFIG not in listed and not is_there(store, names.CONFIG):
        yield names.CONFIG, "it is missing, and without it the repository does not open"
    for prefix, first, name in _DENSE:
        for key in missing_numbers(store, listed, prefix, first, name):
            yield key, "it is missing, and later ones are there"


@dataclass(frozen=True, slots=True)
class _Examined:
    """`why` is "" for an object that is as it was written."""

    why: str
    read_bytes: int = 0
    cold: bool = False


def _examine(store: ObjectStore, info: ObjectInfo, repository: bytes | None) -> _Examined:
    if info.size_bytes > envelope.OBJECT_LIMIT_BYTES:
        return _Examined(f"it has {info.size_bytes} bytes, more than any object of a repository")
    try:
        data = memoryview(store.get(info.key))
    except UNSEEN as error:
        if isinstance(error, NeedsRetrievalError) and _is_pack(info.key):
            return _Examined("", cold=True)
        return _Examined(as_damage(store, info.key, error).why)
    except ObjectNotFoundError:
        return _Examined("" if info.key.startswith(_MAY_GO) else "it is missing")
    try:
        return _Examined(_why(info.key, data, repository), len(data))
    except IntegrityError as error:
        return _Examined(error.why, len(data))
    except UnsupportedFormatError:
        return _Examined("", len(data))  # whole, and of a newer Holdfast


def _why(key: str, data: memoryview, repository: bytes | None) -> str:
    """What is wrong with these bytes under that name, "" for nothing; may raise it instead."""
    if not data:
        return "it is empty"
    if bytes(data[:6]) not in _BEGINNINGS:
        return "it does not begin as an object of a repository does: overwritten, or another file in its place"
    if _is_pack(key):
        if bytes(data[-pack_form.FOOTER.size :])[8:16] != pack_form.END_MAGIC:
            return f"it is cut short, or its end is overwritten: {len(data)} bytes, and no footer"
        envelope.check_digest(data, key)
        header = pack_form.read_header(data, key)
        right, owner = names.pack(header.pack) == key, header.repository
    elif key.startswith(names.KEYS):
        slot = key_slot.decode(data, key)
        right, owner = names.slot(slot.slot) == key, slot.repository
    else:
        described = envelope.read_header(data, key)
        kinds = next(kinds for prefix, kinds in KINDS_UNDER.items() if key.startswith(prefix))
        right, owner = described.kind in kinds, described.repository
    if not right:
        return "it is whole, but another object than its name says"
    return "" if repository in (None, owner) else "it is whole, but of another repository than `config`"
