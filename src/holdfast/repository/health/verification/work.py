"""What a verify worker does: each pack of its task read whole, once, and every chunk of it opened and hashed again.

It writes nothing but its result: what is good, and what is damaged, by pack and chunk.
"""

from itertools import chain

from holdfast.domain.errors import HoldfastError, ObjectNotFoundError
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA
from holdfast.repository.delegation.results import BadPack, ReadPack, VerifyResult
from holdfast.repository.delegation.tasks import PackOrder, VerifyTask
from holdfast.repository.format import names
from holdfast.repository.format import pack as form
from holdfast.repository.keys.access import TenantAccess
from holdfast.repository.object_store import Buffer, ObjectStore
from holdfast.repository.packs.whole_pack import bad_chunks
from holdfast.repository.progress import Progress
from holdfast.repository.stores.counting import CountingStore, RequestCounts
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.trust.few_at_once import few_at_once
from holdfast.repository.trust.older_versions import NOT_IT, UNSEEN, as_damage, older_versions


def run_verify_task(
    store: ObjectStore, task: VerifyTask, progress: Progress, surroundings: Surroundings
) -> VerifyResult:
    """Read every pack of the task. Damage is no error: it stands in the result."""
    counts = RequestCounts()
    access = task.access(CountingStore(store, counts), surroundings)
    progress.total(sum(one.size_bytes for one in task.packs))
    good: list[ReadPack] = []
    damage: list[BadPack] = []
    for order, read in few_at_once(surroundings, lambda one: _read(access, one), task.packs):
        if isinstance(read, ReadPack):
            good.append(read)
        else:
            damage.append(read)
        progress.advance(order.size_bytes)
    return VerifyResult(task.session, task.attempt, tuple(good), tuple(damage), counts.snapshot())


def _read(access: TenantAccess, order: PackOrder) -> ReadPack | BadPack:
    """Of what is found, and else of the versions that the task names (rule 9.5)."""
    key = names.pack(order.row.pack)
    tries = (_read_version(access, order, version) for version in chain((None,), older_versions(access.store, key)))
    newest = next(tries)
    for one in chain((newest,), tries):
        if isinstance(one, ReadPack):
            return one
    if isinstance(newest, HoldfastError):
        return BadPack(order.row.pack, as_damage(access.store, key, newest).why)
    return newest


def _read_version(access: TenantAccess, order: PackOrder, version: str | None) -> ReadPack | BadPack | HoldfastError:
    """The error where nobody here may read it."""
    pack = order.row.pack
    try:
        return _examined(access, order, access.store.get(names.pack(pack), version=version))
    except ObjectNotFoundError:
        return BadPack(pack, "it is missing")
    except NOT_IT as error:
        return BadPack(pack, error.why)
    except UNSEEN as error:
        return error


def _examined(access: TenantAccess, order: PackOrder, data: Buffer) -> ReadPack | BadPack:
    """As a check does it (`health/checking/pack_check.py`), with the one key that the pack can have."""
    row, key = order.row, names.pack(order.row.pack)
    trailer, sha256 = form.digest(memoryview(data)[:-32])
    if trailer != memoryview(data)[-32:]:
        broken = "its SHA-256 does not match its bytes"
    elif order.recorded and (sha256, len(data)) != (order.sha256, order.size_bytes):
        return BadPack(row.pack, "it is whole, but not the pack that its manifest recorded")
    else:
        broken = ""
    header = form.read_header(data, key)
    if (header.repository, header.session, header.pack) != (access.keys.repository, row.session, row.pack):
        return BadPack(row.pack, broken or "its header names another repository, session or pack")
    cipher_key = access.keys.session(row.kid, row.session).of_pack(row.pack, holds_maps=False)
    opened = form.open_body(data, cipher_key, key)
    chunks = bad_chunks(opened, data, access.keys.chunk_key(CHUNK_TYPE_DATA))
    if chunks:
        return BadPack(row.pack, f"{len(chunks)} of its {len(opened.entries)} chunks do not open", chunks)
    return BadPack(row.pack, broken) if broken else ReadPack(row.pack, len(opened.entries), len(data))
