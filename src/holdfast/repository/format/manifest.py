"""Manifests (section 10): one sealed manifest is one restore point."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.domain.errors import FormatError
from holdfast.repository.format import cbor
from holdfast.repository.format.envelope import check_version
from holdfast.repository.format.map_node import CUT_FIXED, CUT_STREAM, DEPTH_LIMIT
from holdfast.repository.format.origin import Origin, origin_fields, origin_of
from holdfast.repository.format.places import ROOT_BYTES, Located

PACK_ROW = struct.Struct(">16sBI32s")
VOLUME_LIMIT_BYTES = 1 << 60
FORMAT = 1
IMAGE, STREAM = "image", "stream"
CONFIGURATION_LIMIT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class VolumeMap:
    """A volume in a point: its size, its block map, and where it came from. `root` None: all zeros, or empty."""

    name: str
    size_bytes: int
    block_size_bytes: int
    cut: int
    depth: int
    root: Located | None
    source: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StoredPack:
    """A pack that the point's own session wrote; `sha256` is the whole object's."""

    pack: bytes
    holds_maps: bool
    size_bytes: int
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Manifest:
    """A restore point. `configuration`: what else is needed to bring the workload back, opaque to the repository.
    `origin`: of a copy, where it is from.
    """

    kind: str
    tenant: str
    workload: str
    session: bytes
    created: str
    committed: str
    parent: bytes | None
    volumes: tuple[VolumeMap, ...]
    packs: tuple[StoredPack, ...]
    index_runs: tuple[str, ...]
    plan_epoch: int
    keep_until: str | None
    writer: str
    statistics: Mapping[str, int]
    configuration: bytes | None = None
    origin: Origin | None = None

    @property
    def size_bytes(self) -> int:
        """All volumes together."""
        return sum(volume.size_bytes for volume in self.volumes)


def encode(manifest: Manifest) -> bytes:
    """Object to bytes. A point without a configuration has no such key, nor has one without an origin."""
    configuration = {} if manifest.configuration is None else {"configuration": _bounded(manifest.configuration)}
    origin = {} if manifest.origin is None else {"origin": origin_fields(manifest.origin)}
    return cbor.encode(
        {
            **configuration,
            **origin,
            "format": FORMAT,
            "kind": manifest.kind,
            "tenant": manifest.tenant,
            "workload": manifest.workload,
            "session": manifest.session,
            "created": manifest.created,
            "committed": manifest.committed,
            "parent": manifest.parent,
            "volumes": [volume_fields(volume) for volume in manifest.volumes],
            "packs": pack_rows(manifest.packs),
            "index_runs": list(manifest.index_runs),
            "plan_epoch": manifest.plan_epoch,
            "keep_until": manifest.keep_until,
            "writer": manifest.writer,
            "statistics": dict(manifest.statistics),
        }
    )


def volume_fields(volume: VolumeMap) -> dict[str, object]:
    """A volume as a manifest lists it."""
    return {
        "name": volume.name,
        "size": volume.size_bytes,
        "block_size": volume.block_size_bytes,
        "cut": volume.cut,
        "depth": volume.depth,
        "root": None if volume.root is None else volume.root.encode_root(),
        "source": dict(volume.source),
    }


def pack_rows(packs: tuple[StoredPack, ...]) -> bytes:
    """Packs as a manifest lists them, 53 bytes each."""
    return b"".join(PACK_ROW.pack(pack.pack, int(pack.holds_maps), pack.size_bytes, pack.sha256) for pack in packs)


def stored_packs(fields: cbor.Fields) -> tuple[StoredPack, ...]:
    """The same back, from the field `packs`."""
    rows = (PACK_ROW.unpack(row) for row in fields.rows("packs", PACK_ROW.size))
    return tuple(StoredPack(pack, bool(flags & 1), size, sha256) for pack, flags, size, sha256 in rows)


def _bounded(configuration: bytes) -> bytes:
    if len(configuration) > CONFIGURATION_LIMIT_BYTES:
        raise FormatError(
            f"manifest: a configuration of {len(configuration)} bytes", why=f"allowed are {CONFIGURATION_LIMIT_BYTES}"
        )
    return configuration


def decode(body: bytes) -> Manifest:
    """Bytes to object; FormatError for anything that is no manifest of this version."""
    fields = cbor.decode(body, "manifest")
    check_version(fields.natural("format"), FORMAT, "manifest")
    configuration = fields.optional("configuration", bytes)
    origin = fields.optional("origin", dict)
    return Manifest(
        kind=fields.get("kind", str),
        tenant=fields.get("tenant", str),
        workload=fields.get("workload", str),
        session=fields.sized("session", 16),
        created=fields.get("created", str),
        committed=fields.get("committed", str),
        parent=None if fields.optional("parent", bytes) is None else fields.sized("parent", 16),
        volumes=tuple(volume_of(item) for item in fields.maps("volumes")),
        packs=stored_packs(fields),
        index_runs=tuple(fields.texts("index_runs")),
        plan_epoch=fields.natural("plan_epoch"),
        keep_until=fields.optional("keep_until", str),
        writer=fields.get("writer", str),
        statistics=statistics_of(fields),
        configuration=None if configuration is None else _bounded(configuration),
        origin=None if origin is None else origin_of(cbor.Fields(origin, "manifest.origin")),
    )


def statistics_of(fields: cbor.Fields) -> Mapping[str, int]:
    """The field `statistics`: integers under texts."""
    statistics = fields.get("statistics", dict)
    if not all(isinstance(key, str) and isinstance(value, int) for key, value in statistics.items()):
        raise FormatError(f"{fields.structure}: bad statistics", why="expected integers under texts")
    return statistics


def volume_of(fields: cbor.Fields) -> VolumeMap:
    """A volume of a manifest's list; FormatError for anything else."""
    root = fields.optional("root", bytes)
    depth = fields.natural("depth", DEPTH_LIMIT)
    cut = fields.natural("cut", CUT_STREAM)
    block_size = fields.natural("block_size", 8 * 1024 * 1024)
    if depth < 1 or (cut == CUT_FIXED and block_size < 512):
        raise FormatError("manifest: bad volume", why=f"depth {depth}, block size {block_size}")
    source = fields.get("source", dict)
    if not all(isinstance(key, str) and isinstance(value, str) for key, value in source.items()):
        raise FormatError("manifest: bad source", why="expected texts under texts")
    return VolumeMap(
        name=fields.get("name", str),
        size_bytes=fields.natural("size", VOLUME_LIMIT_BYTES),
        block_size_bytes=block_size,
        cut=cut,
        depth=depth,
        root=None if root is None else Located.decode_root(fields.sized("root", ROOT_BYTES)),
        source=source,
    )
