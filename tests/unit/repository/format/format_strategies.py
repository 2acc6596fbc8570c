"""Hypothesis strategies for every structure of the repository format."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from holdfast.domain.archive import ArchiveClass
from holdfast.repository.crypto.keyed_hash import SUITES
from holdfast.repository.crypto.keys import TenantKeys
from holdfast.repository.format.acknowledgement import Acknowledgement
from holdfast.repository.format.alive import Alive
from holdfast.repository.format.config import Config
from holdfast.repository.format.epoch import Epoch
from holdfast.repository.format.index_run import ROW, IndexRun
from holdfast.repository.format.lease import NUMBER_LIMIT, Claim
from holdfast.repository.format.ledger import Batch, LedgerState
from holdfast.repository.format.manifest import IMAGE, STREAM, Manifest, StoredPack, VolumeMap
from holdfast.repository.format.names import ATTEMPT_LIMIT, SESSION_CHECKPOINT_LIMIT
from holdfast.repository.format.origin import Backup, Origin
from holdfast.repository.format.pack import CHUNKS_LIMIT
from holdfast.repository.format.places import HOLE, Located, PackRow, PackTable, Place
from holdfast.repository.format.plan import Plan
from holdfast.repository.format.retirement import Retirement
from holdfast.repository.format.session_checkpoint import SessionCheckpoint, VolumeBlocks
from holdfast.repository.format.tenant import Tenant
from holdfast.repository.format.tombstone import Tombstone

ids = st.binary(min_size=16, max_size=16)
digests = st.binary(min_size=32, max_size=32)
keys = digests
naturals = st.integers(0, 2**62)
u32s = st.integers(0, 2**32 - 1)
texts = st.text(max_size=20)
times = st.just("2026-11-22T20:38:02.123456Z")

configs = st.builds(
    Config,
    ids,
    keys,
    texts,
    st.integers(0, 8 * 2**20),
    pack_size_bytes=st.integers(0, 256 * 2**20),
    archive_class=st.none() | st.sampled_from(ArchiveClass),
    suite=st.sampled_from(SUITES),
    immutable=st.booleans(),
    single_writer=st.booleans(),
)
tenants = st.builds(Tenant, texts, st.builds(TenantKeys, keys, keys), times)
tombstones = st.builds(Tombstone, ids, times)
retirements = st.builds(
    lambda session, place, time: Retirement(session, f"{place}/{session.hex()}", time), ids, texts, times
)
acknowledgements = st.builds(Acknowledgement, ids, naturals)
signs_of_life = st.builds(Alive, ids, naturals)
claims = st.builds(Claim, ids, st.integers(0, NUMBER_LIMIT), times, times, texts)
vouched = st.none() | st.dictionaries(texts, digests, max_size=3)
plans = st.builds(
    Plan,
    naturals,
    st.frozensets(ids),
    st.frozensets(ids),
    st.frozensets(texts),
    unnamed=st.frozensets(ids, max_size=3),
    survivors=st.dictionaries(ids, st.frozensets(ids, min_size=1, max_size=3), max_size=3),
    merged=st.dictionaries(ids, ids, max_size=3),
    vouched=vouched,
    said_since=st.none() | naturals,
)

epochs = st.lists(keys, min_size=1, max_size=4).flatmap(
    lambda older: st.builds(Epoch, st.just(len(older) + 1), st.just(dict(enumerate(older, 1))), texts, vouched)
)

pack_rows = st.builds(PackRow, u32s, ids, ids)
places = st.builds(Place, pack_rows, st.integers(0, CHUNKS_LIMIT - 1), u32s, u32s, u32s, st.integers(0, 255))
locateds = st.builds(Located, digests, places).filter(lambda item: item.encode_entry(0) != HOLE)

volumes = st.builds(
    VolumeMap,
    name=texts,
    size_bytes=st.integers(0, 2**60),
    block_size_bytes=st.integers(512, 8 * 2**20),
    cut=st.sampled_from([0, 1]),
    depth=st.integers(1, 8),
    root=st.none() | locateds,
    source=st.dictionaries(texts, texts, max_size=3),
)
stored_packs = st.lists(st.builds(StoredPack, ids, st.booleans(), u32s, digests), max_size=3).map(tuple)
origins = st.builds(Origin, st.builds(Backup, ids, ids), ids, st.lists(st.none() | locateds, max_size=3).map(tuple))
manifests = st.builds(
    Manifest,
    kind=st.sampled_from([IMAGE, STREAM]),
    tenant=texts,
    workload=texts,
    session=ids,
    created=times,
    committed=times,
    parent=st.none() | ids,
    volumes=st.lists(volumes, max_size=3).map(tuple),
    packs=stored_packs,
    index_runs=st.lists(texts, max_size=3).map(tuple),
    plan_epoch=naturals,
    keep_until=st.none() | times,
    writer=texts,
    statistics=st.dictionaries(texts, st.integers(-(2**63), 2**63), max_size=3),
    configuration=st.none() | st.binary(max_size=20),
    origin=st.none() | origins,
)
session_checkpoints = st.builds(
    SessionCheckpoint,
    session=ids,
    attempt=st.integers(0, ATTEMPT_LIMIT),
    number=st.integers(0, SESSION_CHECKPOINT_LIMIT),
    workload_id=ids,
    packs=stored_packs,
    volumes=st.lists(
        st.builds(
            VolumeBlocks.of,
            texts,
            st.integers(0, 2**60),
            st.dictionaries(texts, texts, max_size=3),
            st.dictionaries(st.integers(0, 2**40), st.none() | locateds, max_size=4).map(
                lambda held: sorted(held.items(), key=lambda one: one[0])
            ),
        ),
        max_size=2,
    ).map(tuple),
    proof=digests,
)


def records(*types: str) -> st.SearchStrategy[dict[str, Any]]:
    """Ledger records of these types."""
    forms = {
        "open": st.fixed_dictionaries(
            {"type": st.just("open"), "session": ids, "point": texts, "time": times}, optional={"kid": u32s}
        ),
        "retire": st.fixed_dictionaries({"type": st.just("retire"), "session": ids, "point": texts, "time": times}),
        "unpin": st.fixed_dictionaries({"type": st.just("unpin"), "session": ids}),
        "pin": st.fixed_dictionaries(
            {"type": st.just("pin"), "session": ids, "points": st.lists(ids, max_size=3), "time": times}
        ),
        "commit": st.fixed_dictionaries(
            {
                "type": st.just("commit"),
                "session": ids,
                "point": texts,
                "time": times,
                "tenant": texts,
                "workload": texts,
                "kind": st.sampled_from([IMAGE, STREAM]),
                "created": times,
                "size": naturals,
                "parent": st.none() | ids,
            },
            optional={"origin": digests, "plan_epoch": naturals, "keep_until": times, "manifest": digests},
        ),
        "plan": st.fixed_dictionaries({"type": st.just("plan"), "session": ids, "time": times, "plan_epoch": naturals}),
        "renew": st.fixed_dictionaries({"type": st.just("renew"), "session": ids, "time": times}),
    }
    return st.one_of(*(forms[name] for name in types))


def by_session(name: str) -> st.SearchStrategy[dict[bytes, dict[str, Any]]]:
    """Records of one type under their sessions."""
    return st.lists(records(name), max_size=3).map(lambda rows: {row["session"]: row for row in rows})


every_record = records("open", "commit", "retire", "pin", "unpin", "plan", "renew")
batches = st.builds(Batch, naturals, digests, times, st.lists(every_record, max_size=4).map(tuple))
checkpoints = st.builds(
    LedgerState,
    naturals,
    digests,
    by_session("commit"),
    by_session("open"),
    by_session("pin"),
    plan_epoch=naturals,
    renewed=st.none() | records("renew"),
)


@st.composite
def index_runs(draw: st.DrawFn) -> IndexRun:
    """Runs whose rows ascend and name pack rows that are there."""
    packs = PackTable.of(draw(st.lists(pack_rows, min_size=1, max_size=4, unique=True)))
    numbers = st.tuples(
        digests,
        st.sampled_from([1, 2]),
        st.integers(0, len(packs) - 1),
        u32s,
        u32s,
        u32s,
        u32s,
        st.sampled_from([0, 1]),
    )
    rows = sorted(draw(st.lists(numbers, max_size=8, unique_by=lambda row: row[0])))
    return IndexRun(draw(ids), draw(ids), draw(st.booleans()), draw(naturals), packs, np.array(rows, ROW))


@st.composite
def fixed_nodes(draw: st.DrawFn) -> tuple[int, int, list[Located | None], list[int]]:
    """Level, cut, 128 entries with holes, no spans."""
    entries: list[Located | None] = [None] * 128
    for number, item in draw(st.dictionaries(st.integers(0, 127), locateds, max_size=6)).items():
        entries[number] = item
    return draw(st.integers(0, 7)), 0, entries, []


@st.composite
def stream_nodes(draw: st.DrawFn) -> tuple[int, int, list[Located | None], list[int]]:
    """Level, cut, some entries without holes, what each covers."""
    few = draw(st.lists(locateds, min_size=1, max_size=4))
    entries: list[Located | None] = [few[number % len(few)] for number in range(draw(st.integers(1, 128)))]
    return draw(st.integers(0, 7)), 1, entries, [draw(st.integers(1, 2**50))] * len(entries)
