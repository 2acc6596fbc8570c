"""What structures.json holds, as the product's own objects."""

import dataclasses

import numpy as np

from holdfast.repository.crypto.keys import MasterKey, TenantKeys
from holdfast.repository.delegation.results import BackupResult, RestoredVolume, RestoreResult
from holdfast.repository.delegation.tasks import BackupTask, RestoreOrder, RestoreTask, TenantPart, VolumeOrder
from holdfast.repository.format.acknowledgement import Acknowledgement
from holdfast.repository.format.alive import Alive
from holdfast.repository.format.config import Config
from holdfast.repository.format.index_run import ROW, IndexRun
from holdfast.repository.format.key_slot import KeySlot
from holdfast.repository.format.lease import Claim
from holdfast.repository.format.ledger import Batch, LedgerState
from holdfast.repository.format.manifest import IMAGE, Manifest, StoredPack, VolumeMap
from holdfast.repository.format.origin import Backup, Origin
from holdfast.repository.format.places import Located, PackRow, PackTable, Place
from holdfast.repository.format.plan import Plan
from holdfast.repository.format.retirement import Retirement
from holdfast.repository.format.session_checkpoint import SessionCheckpoint, VolumeBlocks
from holdfast.repository.format.tenant import Tenant
from holdfast.repository.format.tombstone import Tombstone
from holdfast.repository.keys.epochs import KeyEpochs, Unlocked
from holdfast.repository.packs.compression import CompressionLevel
from holdfast.repository.writing.parents import Method
from holdfast.repository.writing.terms import IndexRunOffer, WritingTerms
from tests.golden import make_structures as made
from tests.golden.make_vectors import (
    CHUNKING_KEY,
    ID_KEY,
    MASTER,
    NAME_KEY,
    PACK,
    REPOSITORY,
    SALT,
    SESSION,
    SLOT,
)
from tests.golden.make_vectors import TENANT as TENANT_ID

ROW_OF_PACK = PackRow(1, SESSION, PACK)
ROW_OF_OTHER = PackRow(1, made.OTHER_SESSION, made.OTHER_PACK)
GIB_NODE = Located(SALT, Place(ROW_OF_PACK, 2, 200, 300, 6652, 1))

CONFIG = Config(REPOSITORY, NAME_KEY, made.TIME, 524288)
TENANT = Tenant("default", TenantKeys(ID_KEY, CHUNKING_KEY), made.TIME)
LEASE = Claim(SLOT, 2, made.TIME, made.LATER, "build-7, process 4711")
TOMBSTONE = Tombstone(SESSION, made.LATER)
RETIREMENT = Retirement(SESSION, made.POINT, made.LATER)
ACKNOWLEDGEMENT = Acknowledgement(SESSION, 7)
PLAN = Plan(7, frozenset({SESSION, made.OTHER_SESSION}), frozenset({PACK}), frozenset({made.RUN}))
PLAN_WITH_SURVIVORS = dataclasses.replace(PLAN, epoch=8, survivors={PACK: frozenset({made.OTHER_PACK})})
PLAN_WITH_UNNAMED_PACKS = dataclasses.replace(PLAN, epoch=9, unnamed=frozenset({PACK}))
ALIVE = Alive(SESSION, 494_592)

OPEN = {"type": "open", "session": made.OTHER_SESSION, "point": made.POINT, "time": made.TIME}
COMMIT = {
    "type": "commit",
    "session": SESSION,
    "point": made.POINT,
    "time": made.LATER,
    "tenant": "default",
    "workload": "web",
    "kind": "image",
    "created": made.TIME,
    "size": 600_000_000_000,
    "parent": made.OTHER_SESSION,
}
RETIRE = {"type": "retire", "session": made.OTHER_SESSION, "point": made.POINT, "time": made.LATER}
PIN = {"type": "pin", "session": SLOT, "points": [SESSION, made.OTHER_SESSION], "time": made.LATER}
UNPIN = {"type": "unpin", "session": SLOT}
BATCH = Batch(3, SALT, made.LATER, (OPEN, COMMIT, RETIRE, PIN, UNPIN))
FIRST_BATCH = Batch(1, bytes(32), made.TIME, (OPEN,))
PLANNED = {"type": "plan", "session": SLOT, "time": made.LATER, "plan_epoch": 8}
RENEWED = {"type": "renew", "session": SLOT, "time": made.LATER}
BATCH_OF_UPKEEP = Batch(5, SALT, made.LATER, (PLANNED, RENEWED))
CHECKPOINT_AFTER_UPKEEP = LedgerState(
    2000, SALT, {SESSION: COMMIT}, {made.OTHER_SESSION: OPEN}, {SLOT: PIN}, plan_epoch=8, renewed=RENEWED
)
CHECKPOINT_AFTER_A_DELETION = LedgerState(
    3000, SALT, {SESSION: COMMIT}, {made.OTHER_SESSION: OPEN}, {SLOT: PIN}, once=frozenset({TENANT_ID.hex()})
)
CHECKPOINT = LedgerState(1000, SALT, {SESSION: COMMIT}, {made.OTHER_SESSION: OPEN}, {SLOT: PIN})

MANIFEST = Manifest(
    kind=IMAGE,
    tenant="default",
    workload="web",
    session=SESSION,
    created=made.TIME,
    committed=made.LATER,
    parent=made.OTHER_SESSION,
    volumes=(
        VolumeMap("volume", 600_000_000_000, 524288, 0, 3, GIB_NODE, {"kind": "file", "name": "Größe"}),
        VolumeMap("empty", 0, 0, 1, 1, None, {}),
    ),
    packs=(StoredPack(PACK, False, 16_777_216, SALT), StoredPack(made.OTHER_PACK, True, 7000, ID_KEY)),
    index_runs=(made.RUN,),
    plan_epoch=0,
    keep_until=None,
    writer="holdfast 0.1.0",
    statistics={"read_bytes": 2**40, "new": 0},
)


def epochs_of(master: MasterKey) -> KeyEpochs:
    """That key alone, as somebody would hold it who came by a recovery slot."""
    slot = KeySlot(SLOT, REPOSITORY, master.kid, "recovery", "", made.TIME, {})
    return KeyEpochs(Unlocked(slot, {master.kid: master}), lambda _newest: None)


EPOCHS = epochs_of(MasterKey(MASTER, REPOSITORY))
COPY = dataclasses.replace(
    MANIFEST,
    origin=Origin(Backup(TENANT_ID, made.OTHER_SESSION), made.WORKLOAD, (GIB_NODE, None)),
    keep_until=made.LATER,
)
BATCH_OF_A_COPY = Batch(4, SALT, made.LATER, ({**COMMIT, "origin": TENANT_ID + made.OTHER_SESSION},))

OWNER = TenantPart.of(EPOCHS.key_ring(TENANT_ID, ID_KEY))
VOLUME = MANIFEST.volumes[0]
BACKUP_TASK = BackupTask(
    owner=OWNER,
    session=SESSION,
    attempt=1,
    data_key=MasterKey(MASTER, REPOSITORY).data_key(SESSION),
    pack_size_bytes=16_777_216,
    workload="web",
    terms=WritingTerms(
        session=SESSION,
        workload_id=made.WORKLOAD,
        plan_epoch=7,
        condemned=frozenset({PACK, made.OTHER_PACK}),
        index_runs=(IndexRunOffer(made.RUN, 5000, True),),
        level=CompressionLevel.DEFAULT,
    ),
    volumes=(
        VolumeOrder("volume", {"kind": "ebs", "snapshot": "snap-1"}, VOLUME, 2**40),
        VolumeOrder("new", {"tags": {"a": [1, None, True]}}),
    ),
    parent=made.OTHER_SESSION,
    further_runs=(made.RUN,),
    limits={"requests": 500},
)
RESTORE_TASK = RestoreTask(
    owner=OWNER,
    session=SESSION,
    attempt=2,
    data_keys={session: MasterKey(MASTER, REPOSITORY).data_key(session) for session in (SESSION, made.OTHER_SESSION)},
    index_runs=(made.RUN,),
    volumes=(RestoreOrder(VOLUME, {"kind": "ebs", "region": "eu-west-1"}),),
)
BACKUP_RESULT = BackupResult(
    session=SESSION,
    attempt=1,
    volumes=(VOLUME,),
    methods=(Method.COMPARED,),
    packs=MANIFEST.packs,
    loaded_runs=(made.RUN,),
    statistics={"read_bytes": 2**40},
    warnings=("volume: all was read",),
)
RESTORE_RESULT = RestoreResult(
    session=SESSION,
    attempt=2,
    volumes=(RestoredVolume("volume", 600_000_000_000, {"snapshot_id": "snap-2"}),),
    statistics={"get": 3},
)

INDEX_RUN = IndexRun(
    session=SESSION,
    workload=made.WORKLOAD,
    verified=True,
    plan_epoch=0,
    packs=PackTable.of([ROW_OF_PACK, ROW_OF_OTHER]),
    rows=np.array(
        [
            (NAME_KEY, 1, 0, 0, 96, 524304, 524288, 0),
            (ID_KEY, 2, 1, 7, 70000, 1016, 6652, 1),
            (SALT, 1, 0, 1, 524400, 17, 1, 0),
        ],
        ROW,
    ),
)

LEAF: list[Located | None] = [None] * 128
LEAF[0] = Located(SALT, Place(ROW_OF_PACK, 0, 96, 524304, 524288, 0))
LEAF[5] = Located(ID_KEY, Place(ROW_OF_OTHER, 7, 70000, 1016, 524288, 1))
LEAF[127] = Located(NAME_KEY, Place(ROW_OF_PACK, 1, 524400, 17, 1, 0))
CHUNK_LENGTHS = [300_000, 1, 4_194_304]
COVERED = [4_494_305, 2**40]
# Name: level, cut, entries, what they cover.
NODES: dict[str, tuple[int, int, list[Located | None], list[int]]] = {
    "fixed leaf": (0, 0, LEAF, []),
    "fixed inner": (3, 0, [None, GIB_NODE], []),
    "stream leaf": (
        0,
        1,
        [
            Located(SALT, Place(ROW_OF_PACK, number, 96 + number, length + 16, length, 0))
            for number, length in enumerate(CHUNK_LENGTHS)
        ],
        CHUNK_LENGTHS,
    ),
    "stream inner": (
        1,
        1,
        [
            Located(SALT, Place(ROW_OF_PACK, 0, 96, 500, 6600, 1)),
            Located(ID_KEY, Place(ROW_OF_OTHER, 0, 96, 500, 6600, 1)),
        ],
        COVERED,
    ),
}
SESSION_CHECKPOINT = SessionCheckpoint(
    session=SESSION,
    attempt=1,
    number=2,
    workload_id=made.WORKLOAD,
    packs=(StoredPack(PACK, holds_maps=False, size_bytes=16_777_216, sha256=SALT),),
    volumes=(
        VolumeBlocks.of(
            "volume",
            1 << 60,
            {"kind": "ebs", "snapshot": "snap-1"},
            [
                (3, Located(SALT, Place(ROW_OF_PACK, 0, 96, 524304, 524288, 0))),
                (4, None),
                (1 << 40, Located(ID_KEY, Place(ROW_OF_OTHER, 7, 70000, 1016, 524288, 1))),
            ],
        ),
    ),
)
