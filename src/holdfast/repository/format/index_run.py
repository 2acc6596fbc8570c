"""Index runs (section 11): sorted rows that say where chunks lie."""

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holdfast.domain.errors import FormatError
from holdfast.repository.format import cbor
from holdfast.repository.format.places import PackTable

ROW = np.dtype(
    [
        ("id", "V32"),
        ("type", "u1"),
        ("pack", ">u4"),
        ("number", ">u4"),
        ("offset", ">u4"),
        ("length", ">u4"),
        ("plain", ">u4"),
        ("compression", "u1"),
    ]
)
Rows = npt.NDArray[np.void]
ROWS_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class IndexRun:
    """One run; `rows` ascend by id, their `pack` counts in `packs`."""

    session: bytes
    workload: bytes
    verified: bool
    plan_epoch: int
    packs: PackTable
    rows: Rows


def encode(run: IndexRun) -> bytes:
    """Object to bytes."""
    header = cbor.encode(
        {
            "session": run.session,
            "workload": run.workload,
            "verified": run.verified,
            "plan_epoch": run.plan_epoch,
            "count": len(run.rows),
            "packs": run.packs.encode(),
        }
    )
    rows = np.ascontiguousarray(run.rows, ROW).view(np.uint8)
    return b"".join((struct.pack(">I", len(header)), header, rows.data))


def decode(body: bytes) -> IndexRun:
    """Bytes to object; FormatError for anything else."""
    if len(body) < 4:
        raise FormatError("index run is too short", why=f"{len(body)} bytes")
    end = 4 + int.from_bytes(body[:4], "big")
    if end > len(body):
        raise FormatError("index run is too short", why="its header goes past its end")
    fields = cbor.decode(body[4:end], "index run")
    count = fields.natural("count", ROWS_LIMIT)
    if len(body) - end != count * ROW.itemsize:
        raise FormatError("index run has a wrong length", why=f"its header says {count} rows")
    rows = np.frombuffer(body, ROW, count, end)
    packs = PackTable(fields.get("packs", bytes))
    if count and int(rows["pack"].max()) >= len(packs):
        raise FormatError("index run names a pack row that it does not have", why=f"it has {len(packs)}")
    return IndexRun(
        session=fields.sized("session", 16),
        workload=fields.sized("workload", 16),
        verified=fields.get("verified", bool),
        plan_epoch=fields.natural("plan_epoch"),
        packs=packs,
        rows=rows,
    )
