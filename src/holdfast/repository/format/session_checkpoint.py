"""How far a session had come (section 18): which chunk each block that it has read holds, and the packs that stand."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from holdfast.domain.errors import FormatError
from holdfast.repository.format import cbor, manifest, names
from holdfast.repository.format.cbor import Fields
from holdfast.repository.format.envelope import check_version
from holdfast.repository.format.manifest import VOLUME_LIMIT_BYTES, StoredPack
from holdfast.repository.format.places import ENTRY_COLUMNS, HOLE, PACK_ROW, Located, PackRow

FORMAT = 1
BLOCKS_LIMIT = (1 << 16) - 1
UNMARKED = bytes(32)
_NUMBER_BYTES = 8
_ROW = np.dtype([("block", ">u8"), ("entry", ENTRY_COLUMNS)])

Rows = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class VolumeBlocks:
    """Blocks of one volume, ascending: `rows` are 59 bytes each, their entries count in `packs`. `source`: the identity
    of what was read.
    """

    name: str
    size_bytes: int
    source: Mapping[str, str]
    packs: tuple[PackRow, ...]
    rows: bytes

    @classmethod
    def of(
        cls, name: str, size_bytes: int, source: Mapping[str, str], blocks: Iterable[tuple[int, Located | None]]
    ) -> "VolumeBlocks":
        """From blocks with what they hold, None for zeros; at most BLOCKS_LIMIT."""
        table: dict[PackRow, int] = {}
        rows = b"".join(
            number.to_bytes(_NUMBER_BYTES, "big")
            + (HOLE if held is None else held.encode_entry(table.setdefault(held.place.pack, len(table))))
            for number, held in blocks
        )
        return cls(name, size_bytes, source, tuple(table), rows)

    def columns(self) -> Rows:
        """The rows as an array with the fields `block` and `entry`."""
        return np.frombuffer(self.rows, _ROW)

    def held(self, at: int) -> Located | None:
        """What the block of row `at` holds, None for zeros."""
        entry = self.rows[at * _ROW.itemsize + _NUMBER_BYTES : (at + 1) * _ROW.itemsize]
        return None if entry == HOLE else Located.decode_entry(entry, self.packs)


@dataclass(frozen=True, slots=True)
class SessionCheckpoint:
    """What is new since the checkpoint before. `packs` are data packs of this session that were found again; `proof` is
    the mark of who holds the master key, or UNMARKED.
    """

    session: bytes
    attempt: int
    number: int
    workload_id: bytes
    packs: tuple[StoredPack, ...]
    volumes: tuple[VolumeBlocks, ...]
    proof: bytes = UNMARKED

    def unmarked(self) -> bytes:
        """The bytes that the mark is of."""
        return encode(dataclasses.replace(self, proof=UNMARKED))


def encode(checkpoint: SessionCheckpoint) -> bytes:
    """Object to bytes."""
    return cbor.encode(
        {
            "format": FORMAT,
            "session": checkpoint.session,
            "attempt": checkpoint.attempt,
            "number": checkpoint.number,
            "workload": checkpoint.workload_id,
            "packs": manifest.pack_rows(checkpoint.packs),
            "volumes": [
                {
                    "name": volume.name,
                    "size": volume.size_bytes,
                    "source": dict(volume.source),
                    "pack_rows": b"".join(pack.encode() for pack in volume.packs),
                    "blocks": volume.rows,
                }
                for volume in checkpoint.volumes
            ],
            "proof": checkpoint.proof,
        }
    )


def decode(body: bytes) -> SessionCheckpoint:
    """Bytes to object; FormatError for anything that is no checkpoint of this version."""
    fields = cbor.decode(body, "session checkpoint")
    check_version(fields.natural("format"), FORMAT, "session checkpoint")
    checkpoint = SessionCheckpoint(
        session=fields.sized("session", 16),
        attempt=fields.natural("attempt", names.ATTEMPT_LIMIT),
        number=fields.natural("number", names.SESSION_CHECKPOINT_LIMIT),
        workload_id=fields.sized("workload", 16),
        packs=manifest.stored_packs(fields),
        volumes=tuple(_volume(item) for item in fields.maps("volumes")),
        proof=fields.sized("proof", len(UNMARKED)),
    )
    if sum(len(volume.columns()) for volume in checkpoint.volumes) > BLOCKS_LIMIT:
        raise FormatError("session checkpoint: too many blocks", why=f"allowed are {BLOCKS_LIMIT}")
    return checkpoint


def of_key(key: str, body: bytes) -> SessionCheckpoint:
    """The checkpoint of that name. Raises FormatError for one that names another session, attempt or number."""
    checkpoint = decode(body)
    if names.session_checkpoint(checkpoint.session, checkpoint.attempt, checkpoint.number) != key:
        raise FormatError(f"{key} is another checkpoint", why="it names another session, attempt or number", key=key)
    return checkpoint


def _volume(fields: Fields) -> VolumeBlocks:
    source = fields.get("source", dict)
    if not all(isinstance(key, str) and isinstance(value, str) for key, value in source.items()):
        raise FormatError("session checkpoint: bad source", why="expected texts under texts")
    rows = fields.get("blocks", bytes)
    if len(rows) % _ROW.itemsize:
        raise FormatError("session checkpoint: bad blocks", why=f"{len(rows)} bytes are no rows of {_ROW.itemsize}")
    volume = VolumeBlocks(
        name=fields.get("name", str),
        size_bytes=fields.natural("size", VOLUME_LIMIT_BYTES),
        source=source,
        packs=tuple(PackRow.decode(row) for row in fields.rows("pack_rows", PACK_ROW.size)),
        rows=rows,
    )
    columns = volume.columns()
    if bool((columns["block"][1:] <= columns["block"][:-1]).any()):
        raise FormatError("session checkpoint: bad blocks", why="they do not ascend")
    held = np.frombuffer(rows, np.uint8).reshape(len(columns), _ROW.itemsize)[:, _NUMBER_BYTES:].any(axis=1)
    if bool((columns["entry"]["pack"][held] >= len(volume.packs)).any()):
        raise FormatError("session checkpoint names a pack row that it does not have", why=f"{len(volume.packs)} rows")
    return volume
