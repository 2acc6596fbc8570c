"""Repositories that have grown: many points, or many chunks whose packs are known by name alone."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.scale_step import incremental
from bench.virtual_packs import Family, VirtualPacks, WrittenBy
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.crypto.keys import CHUNK_TYPE_DATA
from holdfast.repository.format import index_run, map_node, names
from holdfast.repository.format.envelope import Kind
from holdfast.repository.format.index_run import ROW, IndexRun
from holdfast.repository.format.manifest import IMAGE, Manifest, VolumeMap
from holdfast.repository.format.map_node import CUT_FIXED, FANOUT
from holdfast.repository.format.pack import HEADER_BYTES, ZSTD
from holdfast.repository.format.places import ENTRY_COLUMNS, Entries, Located, PackRow, PackTable
from holdfast.repository.opening.repository import DEFAULT_TENANT, Repository
from holdfast.repository.packs.compression import CompressionLevel
from holdfast.repository.packs.sorted_run import merged_rows
from holdfast.repository.sessions.session import WriterSession, commit, open_session, retire
from holdfast.repository.stores.directory import DirectoryStore
from holdfast.repository.surroundings import Surroundings
from holdfast.repository.writing.backup_session import BackupSession
from holdfast.repository.writing.commit import WrittenVolumes, commit_point
from holdfast.repository.writing.terms import terms_of
from holdfast.testing.small_repository import make_small_repository

CHUNKS_IN_PACK = 32
CHUNK_BYTES = 200_000
_AROUND_BYTES = 4096
_GIBIBYTE = 1 << 30


@dataclass(frozen=True, slots=True)
class Grown:
    """Where it stands, and the code that opens it."""

    folder: Path
    code: str


def new(folder: Path, surroundings: Surroundings) -> tuple[Grown, Repository]:
    """An empty one."""
    small = make_small_repository(DirectoryStore(folder), surroundings)
    return Grown(folder, (small.secret.text or b"").decode()), small.open(surroundings)


def grow_points(repository: Repository, workloads: int, until: list[int]) -> Iterator[int]:
    """Points of 1 GiB volumes, one workload after the other; stops at each of these numbers of points. A workload's
    first one is a backup, and at the further ones nothing has changed: manifests and ledger records alone.
    """
    latest: list[Manifest] = []
    made = 0
    for wanted in until:
        while made < wanted:
            at = made % workloads
            if made < workloads:
                latest.append(incremental(repository, f"w{at}", 0, _GIBIBYTE).finished.manifest)
            else:
                latest[at] = _unchanged(repository, latest[at])
            made += 1
        yield made


def _unchanged(repository: Repository, before: Manifest) -> Manifest:
    session = open_session(repository, DEFAULT_TENANT, before.workload)
    manifest = dataclasses.replace(
        before,
        session=session.session,
        created=session.started,
        committed=repository.surroundings.timestamp(),
        parent=before.session,
        packs=(),
        index_runs=(),
    )
    return commit(session, manifest)


def grow_chunks(grown: Grown, repository: Repository, volumes: int, leaves: int, runs: int) -> None:
    """One point of each of so many volumes of so many leaves, each block a chunk of its own, its index in so many runs.
    Then the first of them is retired.
    """
    blocks = leaves * FANOUT
    family = Family(repository.config.repository)
    for number in range(volumes):
        session = open_session(repository, DEFAULT_TENANT, f"v{number}")
        family.written.append(WrittenBy(session.session, -(-blocks // CHUNKS_IN_PACK), _pack_bytes()))
        _grow(session, family.written[-1], np.random.default_rng(number), blocks, runs)
        if number == 0:
            first = session
    retire(repository, first.session, first.point_key)
    VirtualPacks.leave(grown.folder, family)


def _pack_bytes() -> int:
    return CHUNKS_IN_PACK * CHUNK_BYTES + _AROUND_BYTES


def _grow(session: WriterSession, packs: WrittenBy, dice: np.random.Generator, blocks: int, runs: int) -> None:
    """Its map is written as a backup would, its index cut into several runs as many backups would."""
    backup = BackupSession.begin(session.repository.access(), terms_of(session, CompressionLevel.DEFAULT))
    rows = [PackRow(1, session.session, packs.pack(number)) for number in range(packs.count)]
    ids = np.frombuffer(dice.bytes(blocks * 32), "V32")
    nodes: list[Located | None] = [
        backup.nodes.put(_leaf(ids[first : first + FANOUT], rows, first)) for first in range(0, blocks, FANOUT)
    ]
    level = 0
    while len(nodes) > 1:
        level += 1
        above = (nodes[first : first + FANOUT] for first in range(0, len(nodes), FANOUT))
        nodes = [backup.nodes.put(map_node.encode(level, CUT_FIXED, children, [])) for children in above]
    _write_runs(session, ids, rows, runs)
    size_bytes = blocks * BLOCK_SIZE_BYTES
    volume = VolumeMap("volume", size_bytes, BLOCK_SIZE_BYTES, CUT_FIXED, level + 1, nodes[0], {})
    stored = backup.finish()
    commit_point(session, WrittenVolumes(IMAGE, (volume,), stored, backup.index, True, None, {}))


def _leaf(ids: npt.NDArray[np.void], rows: list[PackRow], first: int) -> bytes:
    """A leaf whose chunks lie one after the other."""
    entries: Entries = np.zeros(FANOUT, ENTRY_COLUMNS)
    chunks = np.arange(first, first + len(ids))
    entries["id"][: len(ids)] = ids
    entries["pack"][: len(ids)] = chunks // CHUNKS_IN_PACK - first // CHUNKS_IN_PACK
    _place(entries[: len(ids)], chunks)
    used = rows[first // CHUNKS_IN_PACK : int(chunks[-1]) // CHUNKS_IN_PACK + 1]
    head = map_node.HEAD.pack(1, 0, CUT_FIXED, 0, FANOUT, len(used), 0)
    return b"".join([head, *(row.encode() for row in used), entries.tobytes()])


def _place(columns: npt.NDArray[np.void], chunks: npt.NDArray[np.int64]) -> None:
    columns["number"] = chunks % CHUNKS_IN_PACK
    columns["offset"] = HEADER_BYTES + chunks % CHUNKS_IN_PACK * CHUNK_BYTES
    columns["length"] = CHUNK_BYTES
    columns["plain"] = BLOCK_SIZE_BYTES
    columns["compression"] = ZSTD


def _write_runs(session: WriterSession, ids: npt.NDArray[np.void], rows: list[PackRow], runs: int) -> None:
    for part, chunks in enumerate(np.array_split(np.arange(len(ids)), runs), start=1):
        columns = np.zeros(len(chunks), ROW)
        columns["id"] = ids[chunks]
        columns["type"] = CHUNK_TYPE_DATA
        columns["pack"] = chunks // CHUNKS_IN_PACK - chunks[0] // CHUNKS_IN_PACK
        _place(columns, chunks)
        packs = PackTable.of(rows[chunks[0] // CHUNKS_IN_PACK : chunks[-1] // CHUNKS_IN_PACK + 1])
        ascending, named = merged_rows([(columns, packs)])
        run = IndexRun(session.session, session.workload_id, True, session.plan.epoch, named, ascending)
        key = names.index_run(session.tenant_id, session.session, part)
        session.repository.sealed.write(Kind.INDEX_RUN, key, index_run.encode(run))
