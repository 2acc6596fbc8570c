"""What a worker says came of its task (section 16): its word only, of which `acceptance.py` and
`health/verification/acceptance.py` believe as little as they can.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from holdfast.domain.errors import FormatError
from holdfast.repository.delegation.facts import Facts, facts_of
from holdfast.repository.delegation.task_form import BACKUP, FORMAT, RESTORE, VERIFY
from holdfast.repository.format import cbor, manifest, names
from holdfast.repository.format.cbor import Fields
from holdfast.repository.format.envelope import check_version
from holdfast.repository.format.manifest import VOLUME_LIMIT_BYTES, StoredPack, VolumeMap
from holdfast.repository.format.places import ID_BYTES
from holdfast.repository.writing.parents import Method


@dataclass(frozen=True, slots=True)
class BackupResult:
    """Volumes in the order of the task, the method of each, the packs that were written, the index runs that were
    built upon; `statistics` are the counters that the manifest keeps.
    """

    session: bytes
    attempt: int
    volumes: tuple[VolumeMap, ...]
    methods: tuple[Method, ...]
    packs: tuple[StoredPack, ...]
    loaded_runs: tuple[str, ...]
    statistics: Mapping[str, int]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RestoredVolume:
    """A volume that was restored; `facts` is what its target said at the end, e.g. {"snapshot_id": "snap-..."}."""

    name: str
    size_bytes: int
    facts: Facts


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """Volumes in the order of the task; `statistics`: requests by kind, `received_bytes` from the repository."""

    session: bytes
    attempt: int
    volumes: tuple[RestoredVolume, ...]
    statistics: Mapping[str, int]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReadPack:
    """A pack of which every chunk opened to its id."""

    pack: bytes
    chunks: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BadPack:
    """A pack that is not as it was written, and why; `chunks`: ids that do not open, none where the whole does not."""

    pack: bytes
    why: str
    chunks: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """Each pack of the task, in one of two: those that are good, and the damage; `statistics` as of a restore."""

    session: bytes
    attempt: int
    packs: tuple[ReadPack, ...]
    damage: tuple[BadPack, ...]
    statistics: Mapping[str, int]
    warnings: tuple[str, ...] = ()


Result = BackupResult | RestoreResult | VerifyResult

_READ_PACK = struct.Struct(">16sII")


def encode_result(result: Result) -> bytes:
    """Object to bytes."""
    fields: dict[str, Any] = {
        "format": FORMAT,
        "session": result.session,
        "attempt": result.attempt,
        "statistics": dict(result.statistics),
        "warnings": list(result.warnings),
    }
    if isinstance(result, RestoreResult):
        volumes: list[dict[str, Any]] = [
            {"name": volume.name, "size": volume.size_bytes, "facts": dict(volume.facts)} for volume in result.volumes
        ]
        return cbor.encode({**fields, "work": RESTORE, "volumes": volumes})
    if isinstance(result, VerifyResult):
        packs = b"".join(_READ_PACK.pack(one.pack, one.chunks, one.size_bytes) for one in result.packs)
        damage = [{"pack": one.pack, "why": one.why, "chunks": b"".join(sorted(one.chunks))} for one in result.damage]
        return cbor.encode({**fields, "work": VERIFY, "packs": packs, "damage": damage})
    return cbor.encode(
        {
            **fields,
            "work": BACKUP,
            "volumes": [manifest.volume_fields(volume) for volume in result.volumes],
            "methods": [method.value for method in result.methods],
            "packs": manifest.pack_rows(result.packs),
            "index_runs": list(result.loaded_runs),
        }
    )


def decode_result(body: bytes) -> Result:
    """Bytes to object; FormatError for anything that is no result of this version."""
    fields = cbor.decode(body, "result")
    check_version(fields.natural("format"), FORMAT, "result")
    work = fields.get("work", str)
    session = fields.sized("session", 16)
    attempt = fields.natural("attempt", names.ATTEMPT_LIMIT)
    statistics = manifest.statistics_of(fields)
    warnings = tuple(fields.texts("warnings"))
    if work == RESTORE:
        restored = tuple(_restored(item) for item in fields.maps("volumes"))
        return RestoreResult(session, attempt, restored, statistics, warnings)
    if work == VERIFY:
        read = tuple(ReadPack(*_READ_PACK.unpack(row)) for row in fields.rows("packs", _READ_PACK.size))
        bad = tuple(
            BadPack(item.sized("pack", 16), item.get("why", str), frozenset(item.rows("chunks", ID_BYTES)))
            for item in fields.maps("damage")
        )
        return VerifyResult(session, attempt, read, bad, statistics, warnings)
    if work != BACKUP:
        raise FormatError(f"result: unknown work {work}", why=f"expected {BACKUP}, {RESTORE} or {VERIFY}")
    return BackupResult(
        session=session,
        attempt=attempt,
        volumes=tuple(manifest.volume_of(item) for item in fields.maps("volumes")),
        methods=tuple(_method(text) for text in fields.texts("methods")),
        packs=manifest.stored_packs(fields),
        loaded_runs=tuple(fields.texts("index_runs")),
        statistics=statistics,
        warnings=warnings,
    )


def _restored(fields: Fields) -> RestoredVolume:
    return RestoredVolume(
        fields.get("name", str), fields.natural("size", VOLUME_LIMIT_BYTES), facts_of(fields, "facts")
    )


def _method(text: str) -> Method:
    try:
        return Method(text)
    except ValueError as error:
        raise FormatError(f"result: unknown method {text}", why="expected one that this program knows") from error
