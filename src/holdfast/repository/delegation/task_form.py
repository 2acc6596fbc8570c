"""Tasks as bytes (section 16): deterministic CBOR, bounded on the way back."""

import struct
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from holdfast.domain.archive import ArchiveClass
from holdfast.domain.errors import FormatError, UsageError
from holdfast.domain.time import format_time, parse_time
from holdfast.repository.block_source import BLOCK_SIZE_BYTES
from holdfast.repository.crypto.keyed_hash import DEFAULT_SUITE, SUITES
from holdfast.repository.crypto.keys import KEY_BYTES, EpochKeys
from holdfast.repository.delegation.facts import facts_of
from holdfast.repository.delegation.tasks import (
    VOLUMES_LIMIT,
    BackupTask,
    CopySource,
    PackOrder,
    RestoreOrder,
    RestoreTask,
    Task,
    TenantPart,
    VerifyTask,
    VolumeOrder,
    VolumeToCopy,
)
from holdfast.repository.format import cbor, manifest, names
from holdfast.repository.format.cbor import Fields
from holdfast.repository.format.config import PACK_SIZE_LIMIT_BYTES
from holdfast.repository.format.envelope import check_version
from holdfast.repository.format.epoch import FIRST_EPOCH, KID_LIMIT
from holdfast.repository.format.manifest import VOLUME_LIMIT_BYTES
from holdfast.repository.format.origin import Backup
from holdfast.repository.format.places import PACK_ROW, PackRow
from holdfast.repository.packs.compression import CompressionLevel
from holdfast.repository.writing.terms import IndexRunOffer, WritingTerms

FORMAT = 1
BACKUP, COPY, RESTORE, VERIFY = "backup", "copy", "restore", "verify"
_ORDERED_PACK = struct.Struct(f">{PACK_ROW.size}sI32s")


def encode_task(task: Task) -> bytes:
    """Object to bytes."""
    common = {
        "format": FORMAT,
        "session": task.session,
        "attempt": task.attempt,
        "limits": dict(task.limits),
        "proof": task.proof,
        **_owner_fields(task.owner),
    }
    if isinstance(task, RestoreTask):
        return cbor.encode(
            {
                **common,
                "work": RESTORE,
                "data_keys": _data_key_rows(task.data_keys),
                "index_runs": list(task.index_runs),
                "volumes": [
                    {"volume": manifest.volume_fields(order.volume), "target": dict(order.target)}
                    for order in task.volumes
                ],
                **_class_fields(task.archive_class),
                **_version_fields(task.versions),
            }
        )
    if isinstance(task, VerifyTask):
        packs = (_ORDERED_PACK.pack(one.row.encode(), one.size_bytes, one.sha256) for one in task.packs)
        own = {"work": VERIFY, "data_keys": _data_key_rows(task.data_keys), "packs": b"".join(packs)}
        return cbor.encode({**common, **own, **_version_fields(task.versions)})
    return cbor.encode(
        {
            **common,
            "work": BACKUP if task.copied_from is None else COPY,
            "data_key": task.data_key,
            "pack_size": task.pack_size_bytes,
            "workload": task.workload,
            "parent": task.parent,
            "further_runs": list(task.further_runs),
            "volumes": [_order_fields(order) for order in task.volumes],
            **_terms_fields(task.terms),
            **_lock_fields(task),
            **_class_fields(task.archive_class),
            **({"copied_from": _source_fields(task.copied_from)} if task.copied_from is not None else {}),
        }
    )


def decode_task(body: bytes) -> Task:
    """Bytes to object; FormatError for anything that is no task of this version."""
    fields = cbor.decode(body, "task")
    check_version(fields.natural("format"), FORMAT, "task")
    work = fields.get("work", str)
    if work == BACKUP:
        return _backup_task(fields)
    if work == COPY:
        return _copy_task(fields)
    if work == RESTORE:
        return _restore_task(fields)
    if work == VERIFY:
        return _verify_task(fields)
    raise FormatError(f"task: unknown work {work}", why=f"expected {BACKUP}, {COPY}, {RESTORE} or {VERIFY}")


def _data_key_rows(data_keys: Mapping[bytes, bytes]) -> bytes:
    return b"".join(session + key for session, key in sorted(data_keys.items()))


def _data_keys(fields: Fields) -> dict[bytes, bytes]:
    return {row[:16]: row[16:] for row in fields.rows("data_keys", 16 + KEY_BYTES)}


def _lock_fields(task: BackupTask) -> dict[str, Any]:
    """Nothing where nothing is to be locked."""
    if not task.locked:
        return {}
    return {"locked": True, "keep_until": None if task.keep_until is None else format_time(task.keep_until)}


def _owner_fields(owner: TenantPart) -> dict[str, Any]:
    own = owner.epochs[owner.kid]
    older = [
        kid.to_bytes(4, "big") + keys.map + keys.index for kid, keys in sorted(owner.epochs.items()) if kid != owner.kid
    ]
    return {
        "repository": owner.repository,
        "kid": owner.kid,
        "tenant": owner.tenant,
        "id_key": owner.id_key,
        "map_key": own.map,
        "index_key": own.index,
        **({"older": b"".join(older)} if older else {}),
        **({"suite": owner.suite} if owner.suite != DEFAULT_SUITE else {}),
    }


def _owner(fields: Fields) -> TenantPart:
    kid = fields.natural("kid", KID_LIMIT)
    rows = fields.rows("older", 4 + 2 * KEY_BYTES) if "older" in fields.values else []
    epochs = {int.from_bytes(row[:4], "big"): EpochKeys(row[4 : 4 + KEY_BYTES], row[4 + KEY_BYTES :]) for row in rows}
    if list(epochs) != list(range(FIRST_EPOCH, FIRST_EPOCH + len(rows))) or kid != FIRST_EPOCH + len(rows):
        raise FormatError(f"task: of key epoch {kid} with {len(rows)} older ones", why="expected all before its own")
    own = EpochKeys(fields.sized("map_key", KEY_BYTES), fields.sized("index_key", KEY_BYTES))
    suite = fields.natural("suite") if "suite" in fields.values else DEFAULT_SUITE
    if suite not in SUITES:
        raise FormatError(f"task: unknown suite {suite}", why="expected one of this program's")
    return TenantPart(
        repository=fields.sized("repository", 16),
        suite=suite,
        kid=kid,
        tenant=fields.sized("tenant", 16),
        id_key=fields.sized("id_key", KEY_BYTES),
        epochs={**epochs, kid: own},
    )


def _order_fields(order: VolumeOrder) -> dict[str, Any]:
    return {
        "name": order.name,
        "source": dict(order.source),
        "parent": None if order.parent is None else manifest.volume_fields(order.parent),
        "size": order.size_bytes,
    }


def _terms_fields(terms: WritingTerms) -> dict[str, Any]:
    return {
        "workload_id": terms.workload_id,
        "plan_epoch": terms.plan_epoch,
        "condemned": b"".join(sorted(terms.condemned)),
        "index_runs": [
            {
                "key": offer.key,
                "size": offer.size_bytes,
                "in_force": offer.in_force,
                **({} if offer.digest is None else {"digest": offer.digest}),
            }
            for offer in terms.index_runs
        ],
        "level": int(terms.level),
    }


def _source_fields(source: CopySource) -> dict[str, Any]:
    return {
        **_owner_fields(source.owner),
        "location": source.location,
        "point": source.point,
        "origin": {"repository": source.backup.repository, "point": source.backup.point},
        "reader": source.reader,
        "scratch_key": source.scratch_key,
        "data_keys": _data_key_rows(source.data_keys),
        "index_runs": list(source.index_runs),
        "volumes": [
            {
                "volume": manifest.volume_fields(one.volume),
                "earlier": None if one.earlier is None else manifest.volume_fields(one.earlier),
            }
            for one in source.volumes
        ],
        "earlier_stands": source.earlier_stands,
        **_version_fields(source.versions),
    }


def _copy_source(fields: Fields) -> CopySource:
    origin = _inner(fields, "origin")
    return CopySource(
        location=fields.get("location", str),
        owner=_owner(fields),
        point=fields.sized("point", 16),
        backup=Backup(origin.sized("repository", 16), origin.sized("point", 16)),
        reader=fields.sized("reader", 16),
        scratch_key=fields.sized("scratch_key", KEY_BYTES),
        data_keys=_data_keys(fields),
        index_runs=tuple(fields.texts("index_runs")),
        volumes=tuple(
            VolumeToCopy(
                manifest.volume_of(_inner(item, "volume")),
                None if item.optional("earlier", dict) is None else manifest.volume_of(_inner(item, "earlier")),
            )
            for item in _volumes(fields)
        ),
        earlier_stands=fields.get("earlier_stands", bool),
        versions=_versions(fields),
    )


def _copy_task(fields: Fields) -> BackupTask:
    task, source = _backup_task(fields), _copy_source(_inner(fields, "copied_from"))
    if [order.name for order in task.volumes] != [one.volume.name for one in source.volumes]:
        raise FormatError("task: volumes that do not belong together", why="each is read from one of that name")
    return replace(task, copied_from=source)


def _class_fields(archive_class: ArchiveClass | None) -> dict[str, str]:
    """Nothing in a standard repository."""
    return {} if archive_class is None else {"storage_class": archive_class.value}


def _archive_class(fields: Fields) -> ArchiveClass | None:
    text = fields.optional("storage_class", str)
    if text is not None and text not in list(ArchiveClass):
        raise FormatError(f"task: unknown storage class {text}", why=f"expected one of {', '.join(ArchiveClass)}")
    return None if text is None else ArchiveClass(text)


def _offer(fields: Fields) -> IndexRunOffer:
    digest = None if fields.optional("digest", bytes) is None else fields.sized("digest", 32)
    return IndexRunOffer(fields.get("key", str), fields.natural("size"), fields.get("in_force", bool), digest)


def _backup_task(fields: Fields) -> BackupTask:
    session = fields.sized("session", 16)
    level = fields.natural("level")
    if level not in [int(known) for known in CompressionLevel]:
        raise FormatError(f"task: unknown level {level}", why="expected a level that is on offer")
    return BackupTask(
        owner=_owner(fields),
        session=session,
        attempt=fields.natural("attempt", names.ATTEMPT_LIMIT),
        data_key=fields.sized("data_key", KEY_BYTES),
        pack_size_bytes=fields.natural("pack_size", PACK_SIZE_LIMIT_BYTES),
        workload=fields.get("workload", str),
        terms=WritingTerms(
            session=session,
            workload_id=fields.sized("workload_id", 16),
            plan_epoch=fields.natural("plan_epoch"),
            condemned=frozenset(fields.rows("condemned", 16)),
            index_runs=tuple(_offer(item) for item in fields.maps("index_runs")),
            level=CompressionLevel(level),
        ),
        volumes=tuple(_order(item) for item in _volumes(fields)),
        parent=None if fields.optional("parent", bytes) is None else fields.sized("parent", 16),
        further_runs=tuple(fields.texts("further_runs")),
        limits=_limits(fields),
        proof=fields.sized("proof", 32),
        locked=bool(fields.optional("locked", bool)),
        keep_until=_time(fields, "keep_until"),
        archive_class=_archive_class(fields),
    )


def _time(fields: Fields, key: str) -> datetime | None:
    text = fields.optional(key, str)
    try:
        return None if text is None else parse_time(text)
    except UsageError as error:
        raise FormatError(f"task: bad {key}", why=error.what) from error


def _restore_task(fields: Fields) -> RestoreTask:
    return RestoreTask(
        owner=_owner(fields),
        session=fields.sized("session", 16),
        attempt=fields.natural("attempt", names.ATTEMPT_LIMIT),
        data_keys=_data_keys(fields),
        index_runs=tuple(fields.texts("index_runs")),
        volumes=tuple(
            RestoreOrder(manifest.volume_of(_inner(item, "volume")), facts_of(item, "target"))
            for item in _volumes(fields)
        ),
        limits=_limits(fields),
        versions=_versions(fields),
        archive_class=_archive_class(fields),
        proof=fields.sized("proof", 32),
    )


def _version_fields(versions: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Nothing where nothing is covered."""
    return {"versions": {key: list(ids) for key, ids in versions.items()}} if versions else {}


def _versions(fields: Fields) -> dict[str, tuple[str, ...]]:
    named = Fields(fields.optional("versions", dict) or {}, "task: versions")
    for key in named.values:
        if not (key.startswith((names.PACKS, names.INDEX)) and names.is_object(key)):
            raise FormatError("task: versions of what is neither pack nor index run", why=f"{key!r}")
    return {key: tuple(named.texts(key)) for key in named.values}


def _verify_task(fields: Fields) -> VerifyTask:
    rows = (_ORDERED_PACK.unpack(row) for row in fields.rows("packs", _ORDERED_PACK.size))
    packs = tuple(PackOrder(PackRow.decode(row), size, sha256) for row, size, sha256 in rows)
    if len({one.row.pack for one in packs}) != len(packs):
        raise FormatError("task: a pack is named twice", why="each is read once")
    return VerifyTask(
        owner=_owner(fields),
        session=fields.sized("session", 16),
        attempt=fields.natural("attempt", names.ATTEMPT_LIMIT),
        data_keys=_data_keys(fields),
        packs=packs,
        limits=_limits(fields),
        versions=_versions(fields),
        proof=fields.sized("proof", 32),
    )


def _order(fields: Fields) -> VolumeOrder:
    parent = fields.optional("parent", dict)
    size = fields.optional("size", int)
    order = VolumeOrder(
        name=fields.get("name", str),
        source=facts_of(fields, "source"),
        parent=None if parent is None else manifest.volume_of(_inner(fields, "parent")),
        size_bytes=None if size is None else fields.natural("size", VOLUME_LIMIT_BYTES),
    )
    if order.parent is not None and order.parent.block_size_bytes != BLOCK_SIZE_BYTES:
        raise FormatError("task: a parent of other blocks", why=f"blocks of {order.parent.block_size_bytes} bytes")
    return order


def _inner(fields: Fields, key: str) -> Fields:
    value: dict[str, Any] = fields.get(key, dict)
    return Fields(value, f"{fields.structure}.{key}")


def _volumes(fields: Fields) -> list[Fields]:
    volumes = fields.maps("volumes")
    if not 1 <= len(volumes) <= VOLUMES_LIMIT:
        raise FormatError(f"task: {len(volumes)} volumes", why=f"expected 1 to {VOLUMES_LIMIT}")
    return volumes


def _limits(fields: Fields) -> Mapping[str, int]:
    limits = fields.get("limits", dict)
    if not all(isinstance(key, str) and isinstance(value, int) for key, value in limits.items()):
        raise FormatError("task: bad limits", why="expected integers under texts")
    return limits
