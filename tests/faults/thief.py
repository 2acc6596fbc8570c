"""Who has the master key of a past epoch, and may write: every object that such a one can make opens for everybody."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from holdfast.repository.crypto.keys import MasterKey
from holdfast.repository.format import acknowledgement, index_run, manifest, names, plan, retirement, tenant, tombstone
from holdfast.repository.format import config as config_form
from holdfast.repository.format import ledger as ledger_form
from holdfast.repository.format.acknowledgement import Acknowledgement
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.index_run import IndexRun
from holdfast.repository.format.ledger import LedgerState
from holdfast.repository.format.manifest import Manifest
from holdfast.repository.format.plan import Plan
from holdfast.repository.format.retirement import Retirement
from holdfast.repository.format.tombstone import Tombstone
from holdfast.repository.keys.sealed_store import SealedStore
from holdfast.repository.object_store import ObjectStore
from holdfast.repository.opening.repository import Repository
from holdfast.repository.stores.memory import MemoryStore
from holdfast.testing.deterministic_surroundings import deterministic_surroundings
from holdfast.testing.small_repository import put
from tests.golden.product import epochs_of

TIME = "2026-11-26T00:00:00.000000Z"
END_OF_TIME = 1 << 60


class Thief:
    """Of the repository `seen` the key that it was at, and all that this key opened. `place` puts an object where
    one may stand, as the store allows it.
    """

    def __init__(self, seen: Repository, place: Callable[[ObjectStore, str, bytes], None] = put) -> None:
        self.master: MasterKey = seen.master
        self._seen = seen
        self._place = place

    def sealed(self, kind: Kind, key: str, body: bytes) -> bytes:
        """An object that opens under the past key."""
        scratch = MemoryStore()
        SealedStore(scratch, epochs_of(self.master), deterministic_surroundings(999)).write(kind, key, body)
        return bytes(scratch.get(key))

    def forge(self, store: ObjectStore, kind: Kind, key: str, body: bytes) -> str:
        """Such an object in the store, which gives back its key."""
        self._place(store, key, self.sealed(kind, key, body))
        return key

    def checkpoint(self, store: ObjectStore, state: LedgerState) -> str:
        body = ledger_form.encode_checkpoint(state)
        return self.forge(store, Kind.LEDGER_CHECKPOINT, names.checkpoint(state.sequence), body)

    def plan(self, store: ObjectStore, forged: Plan) -> str:
        return self.forge(store, Kind.PLAN, names.plan(forged.epoch), plan.encode(forged, TIME))

    def run(self, store: ObjectStore, key: str, forged: IndexRun) -> str:
        return self.forge(store, Kind.INDEX_RUN, key, index_run.encode(forged))

    def retirement(self, store: ObjectStore, session: bytes, point: str) -> str:
        body = retirement.encode(Retirement(session, point, TIME))
        return self.forge(store, Kind.RETIREMENT, names.retired(session), body)

    def manifest(self, store: ObjectStore, key: str, forged: Manifest) -> str:
        return self.forge(store, Kind.MANIFEST, key, manifest.encode(forged))

    def tombstone(self, store: ObjectStore, key: str) -> str:
        body = tombstone.encode(Tombstone(names.session_of_point(key), TIME))
        return self.forge(store, Kind.TOMBSTONE, key, body)

    def acknowledgement(self, store: ObjectStore, session: bytes, epoch: int) -> str:
        body = acknowledgement.encode(Acknowledgement(session, epoch))
        return self.forge(store, Kind.ACKNOWLEDGEMENT, names.acknowledgement(session, epoch), body)

    def config(self, store: ObjectStore, **other: Any) -> str:
        body = config_form.encode(dataclasses.replace(self._seen.config, **other))
        return self.forge(store, Kind.CONFIG, names.CONFIG, body)

    def tenant(self, store: ObjectStore, name: str, **keys: Any) -> str:
        known = self._seen.tenant()
        body = tenant.encode(dataclasses.replace(known, name=name, keys=dataclasses.replace(known.keys, **keys)))
        return self.forge(store, Kind.TENANT, names.tenant(self._seen.tenant_id(name)), body)


def misleading(run: IndexRun, **other: Any) -> IndexRun:
    """The same chunks, each said to lie where another one does, and for everybody to build upon."""
    rows = run.rows.copy()
    for field in ("pack", "number", "offset", "length"):
        rows[field] = np.roll(rows[field], 1)
    return dataclasses.replace(run, rows=rows, verified=True, plan_epoch=END_OF_TIME, **other)


def without(records: Mapping[bytes, Any], session: bytes) -> dict[bytes, Any]:
    """All records but that session's."""
    return {key: record for key, record in records.items() if key != session}
