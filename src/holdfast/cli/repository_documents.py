"""The documents of `holdfast repository`, under the stable names of docs/cli.md."""

from typing import TYPE_CHECKING, Any

from holdfast.cli.quantities import human_size, short_time
from holdfast.cli.tables import as_facts, facts_table, rows_table
from holdfast.domain.numerals import counted
from holdfast.domain.time import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from holdfast.repository.format.key_slot import KeySlot
    from holdfast.repository.health.checking.check import CheckReport, Hurt
    from holdfast.repository.health.checking.scrub import ScrubReport
    from holdfast.repository.health.repair.report import RepairReport
    from holdfast.repository.keys.slots import DamagedSlot
    from holdfast.repository.opening.repository import NewRepository, Repository
    from holdfast.repository.sessions.statistics import RepositoryStatistics
    from holdfast.repository.upkeep.drill import Drill
    from holdfast.repository.upkeep.renewal.renew import RenewalReport
    from holdfast.repository.upkeep.rotation import Rotation
    from holdfast.wiring.local.key_slots import ListedSlot, ListedSlots

Document = dict[str, Any]


def new_repository(new: "NewRepository") -> Document:
    """Of `repository init`."""
    return {
        "repository": new.repository.config.repository.hex(),
        "location": new.repository.store.location,
        "created": new.repository.config.created,
        "immutable": new.repository.config.immutable,
        "single_writer": new.repository.config.single_writer,
        "recovery_code": new.recovery_code,
    }


def by_epoch(stored: "Mapping[int, int]") -> list[Document]:
    """Bytes of packs by the key epoch under which they are sealed, ascending."""
    return [{"key_epoch": kid, "size_bytes": size} for kid, size in stored.items()]


def repository(found: "Repository", stored_by_epoch: "Mapping[int, int]") -> Document:
    """Of `repository show`; `stored_by_epoch`: bytes of packs by the key epoch under which they are sealed."""
    from holdfast.repository.upkeep.renewal.notice import holds_until, last_renewal

    config, state, renewed = found.config, found.ledger.state, last_renewal(found)
    return {
        "repository": config.repository.hex(),
        "location": found.store.location,
        "class": config.repository_class,
        "storage_class": config.archive_class,
        "created": config.created,
        "immutable": config.immutable,
        "single_writer": config.single_writer,
        "locks_renewed": None if renewed is None else format_time(renewed),
        "locks_hold_until": format_time(holds_until(found)) if config.immutable else None,
        "block_size_bytes": config.block_size_bytes,
        "pack_size_bytes": config.pack_size_bytes,
        "encryption_suite": config.suite,
        "key_epoch": found.master.kid,
        "stored_by_key_epoch": by_epoch(stored_by_epoch),
        "ledger_sequence": state.sequence,
        "ledger_head": state.head.hex(),
        "restore_points": len(state.live),
    }


def renewal(report: "RenewalReport") -> Document:
    """Of `repository renew-locks`."""
    latest = report.latest_promise
    return {
        "dry_run": report.dry_run,
        "restore_points": report.points,
        "objects": report.looked_at,
        "extended": report.extended,
        "latest_promise": None if latest is None else format_time(latest),
        "locks_hold_until": format_time(report.holds_until),
        "not_renewed": [{"object": one.object, "why": one.why} for one in report.not_renewed],
    }


def renewal_table(document: Document) -> str:
    """The same for people."""
    facts = facts_table(as_facts({name: value for name, value in document.items() if name != "not_renewed"}))
    lost = [(one["object"], one["why"]) for one in document["not_renewed"]]
    return facts + rows_table(("damaged or missing", "why"), lost) if lost else facts


def repository_table(document: Document) -> str:
    """Of `repository show`, for people."""
    stored = ", ".join(
        f"{human_size(one['size_bytes'])} under {one['key_epoch']}" for one in document["stored_by_key_epoch"]
    )
    return facts_table(as_facts(document | {"stored_by_key_epoch": stored}))


def statistics(measured: "Repository", found: "RepositoryStatistics") -> Document:
    """Of `repository stats`."""
    return {
        "single_writer": measured.config.single_writer,
        "restore_points": found.points,
        "workloads": found.workloads,
        "points_bytes": found.points_bytes,
        "stored_bytes": found.stored_bytes,
        "packs": found.packs,
        "hidden_objects": found.hidden,
        "objects": {
            kind: {"objects": count, "size_bytes": found.object_bytes[kind]} for kind, count in found.objects.items()
        },
    }


def statistics_table(found: "RepositoryStatistics") -> str:
    """Of `repository stats`, for people."""
    facts = facts_table(
        {
            "restore points": found.points,
            "workloads": found.workloads,
            "size of all points": human_size(found.points_bytes),
            "stored": human_size(found.stored_bytes),
        }
    )
    kinds = rows_table(
        ("KIND", "OBJECTS", "SIZE"),
        [(kind, count, human_size(found.object_bytes[kind])) for kind, count in found.objects.items()],
    )
    return facts + "\n" + kinds


def check(report: "CheckReport") -> Document:
    """Of `repository check`."""
    return {
        "objects": report.objects,
        "restore_points": report.points,
        "packs": report.packs,
        "packs_read": report.packs_read,
        "read_bytes": report.read_bytes,
        "unreferenced_packs": report.unreferenced_packs,
        "packs_cold": report.packs_cold,
        "cold_bytes": report.cold_bytes,
        "damage": [
            {
                "object": damage.object,
                "why": damage.why,
                "harmless": damage.harmless,
                "restore_points": _hurt(damage.hurt),
            }
            for damage in report.damage
        ],
    }


def check_table(report: "CheckReport", *, read: bool) -> str:
    """Of `repository check`, for people; `read`: whether the packs were to be read."""
    facts = facts_table(
        {
            "objects": report.objects,
            "restore points": report.points,
            "packs": report.packs,
            "packs read": f"{report.packs_read} ({human_size(report.read_bytes)})"
            if read
            else "none: --read-data does",
            "unreferenced packs": report.unreferenced_packs,
            "not read, to be retrieved first": _cold(report.packs_cold, report.cold_bytes),
            "damaged objects": len(report.damage),
            "of these harmless": len(report.damage) - len(report.harmful),
        }
    )
    rows: list[tuple[str, str, str | None, str | None, str | None]] = []
    for damage in report.damage:
        rows += [
            (damage.object, damage.why, hurt.point_id, hurt.workload, ", ".join(hurt.volumes)) for hurt in damage.hurt
        ] or [(damage.object, damage.why, None, None, None)]
    return facts + ("\n" + rows_table(("OBJECT", "WHY", "RESTORE POINT", "WORKLOAD", "VOLUMES"), rows) if rows else "")


def scrub(report: "ScrubReport") -> Document:
    """Of `repository scrub`."""
    return {
        "objects": report.objects,
        "stored_bytes": report.stored_bytes,
        "packs": report.packs,
        "packs_read": report.packs_read,
        "read_bytes": report.read_bytes,
        "packs_cold": report.packs_cold,
        "cold_bytes": report.cold_bytes,
        "foreign_files": report.foreign,
        "foreign": list(report.foreign_keys),
        "damage": [{"object": one.object, "why": one.why} for one in report.damage],
    }


def scrub_table(report: "ScrubReport") -> str:
    """Of `repository scrub`, for people."""
    facts = facts_table(
        {
            "objects": report.objects,
            "stored": human_size(report.stored_bytes),
            "read": human_size(report.read_bytes),
            "packs": report.packs,
            "packs read": report.packs_read,
            "not read, to be retrieved first": _cold(report.packs_cold, report.cold_bytes),
            "foreign files": report.foreign,
            "damaged objects": len(report.damage),
        }
    )
    rows = [(one.object, one.why) for one in report.damage]
    return facts + ("\n" + rows_table(("OBJECT", "WHY"), rows) if rows else "")


def _cold(packs: int, size_bytes: int) -> str | None:
    return f"{packs} ({human_size(size_bytes)})" if packs else None


def repair(report: "RepairReport") -> Document:
    """Of `repository repair`."""
    return {
        "dry_run": report.rehearsal,
        "packs_read": report.packs_read,
        "read_bytes": report.read_bytes,
        "written_packs": report.written_packs,
        "written_bytes": report.written_bytes,
        "index_runs": list(report.index_runs),
        "plan": report.epoch or None,
        "packs": [
            {
                "object": pack.object,
                "why": pack.why,
                "healed_chunks": pack.mended_chunks,
                "lost_chunks": pack.lost_chunks,
                "restore_points": _hurt(pack.hurt),
            }
            for pack in report.packs
        ],
        "replaced_index_runs": [
            {"object": run.object, "why": run.why, "replaced": run.replaced} for run in report.runs
        ],
        "damage": [{"object": one.object, "why": one.why, "restore_points": _hurt(one.hurt)} for one in report.others],
        "reinstated": [{"object": one.object, "why": one.why} for one in report.reinstated],
        "covered": [{"object": one.object, "why": one.why} for one in report.covered],
        "recorded_points": list(report.points),
    }


def repair_table(report: "RepairReport") -> str:
    """Of `repository repair`, for people."""
    would = "would be " if report.rehearsal else ""
    facts = facts_table(
        {
            "packs read": f"{report.packs_read} ({human_size(report.read_bytes)})",
            "packs written": f"{report.written_packs} ({human_size(report.written_bytes)})",
            "damaged objects": len(report.packs) + len(report.runs) + len(report.others),
            f"{would}brought back on top": len(report.reinstated) or None,
            "left as they are": len(report.left),
        }
    )
    rows: list[tuple[str, str, str, str | None, str | None]] = []
    for pack in report.packs:
        outcome = f"{counted(pack.mended_chunks, 'chunk')} {would}healed" + (
            f", {pack.lost_chunks} lost" if pack.lost_chunks else ""
        )
        rows += [(pack.object, pack.why, outcome, hurt.point_id, ", ".join(hurt.volumes)) for hurt in pack.hurt] or [
            (pack.object, pack.why, outcome, None, None)
        ]
    rows += [
        (run.object, run.why, f"{would}replaced" if run.replaced else "in force still", None, None)
        for run in report.runs
    ]
    rows += [(one.object, one.why, "see docs/recovery.md", None, None) for one in report.others]
    rows += [(one.object, one.why, f"{would}brought back on top", None, None) for one in report.reinstated]
    rows += [(one.object, one.why, "below it still", None, None) for one in report.covered]
    rows += [(key, "the ledger did not know it", f"{would}recorded again", None, None) for key in report.points]
    return facts + ("\n" + rows_table(("OBJECT", "WHY", "OUTCOME", "HURTS", "VOLUMES"), rows) if rows else "")


def _hurt(points: "Iterable[Hurt]") -> list[Document]:
    """Whom damage hurts."""
    return [
        {"restore_point": hurt.point_id, "workload": hurt.workload, "volumes": list(hurt.volumes)} for hurt in points
    ]


def key_slot(slot: "KeySlot") -> Document:
    """One slot of `repository key list`."""
    key_id = slot.parameters.get("key_id")
    memory_kib = slot.parameters.get("memory_kib")
    return {
        "slot": slot.slot.hex(),
        "kind": slot.kind,
        "label": slot.label,
        "created": slot.created,
        "kms_key": key_id if isinstance(key_id, str) else None,
        "memory_bytes": memory_kib * 1024 if isinstance(memory_kib, int) else None,
        "key_epoch": slot.kid,
    }


def key_slots_table(slots: "list[KeySlot]") -> str:
    """Of `repository key list`, for people."""
    return rows_table(
        ("SLOT", "KIND", "KEY EPOCH", "CREATED", "LABEL"),
        [(slot.slot.hex(), slot.kind, slot.kid, short_time(slot.created), slot.label) for slot in slots],
    )


def listed_slot(listed: "ListedSlot") -> Document:
    """One entry of `repository key list`."""
    last = listed.drilled
    return key_slot(listed.slot) | {
        "current": listed.is_current,
        "last_drill": None if last is None else format_time(last),
        "drill_due": listed.is_due,
    }


def damaged_slot(damaged: "DamagedSlot") -> Document:
    """What lies among the slots and is none."""
    return {"slot": damaged.slot.hex(), "why": damaged.why}


def removed_slot(removed: "KeySlot | DamagedSlot") -> Document:
    """Of `repository key remove`."""
    from holdfast.repository.keys.slots import DamagedSlot

    return damaged_slot(removed) if isinstance(removed, DamagedSlot) else key_slot(removed)


def listed_slots(listed: "ListedSlots") -> Document:
    """Of `repository key list`."""
    return {
        "key_slots": [listed_slot(one) for one in listed.slots],
        "damaged": [damaged_slot(one) for one in listed.damaged],
    }


def listed_slots_table(listed: "ListedSlots") -> str:
    """Of `repository key list`, for people."""
    rows: list[tuple[str | int | None, ...]] = [
        (
            one.slot.slot.hex(),
            one.slot.kind,
            one.slot.kid if one.is_current else f"{one.slot.kid} (opens nothing)",
            short_time(one.slot.created),
            "never" if one.drilled is None else short_time(format_time(one.drilled)),
            one.slot.label,
        )
        for one in listed.slots
    ]
    rows += [(one.slot.hex(), "damaged", None, None, None, one.why) for one in listed.damaged]
    return rows_table(("SLOT", "KIND", "KEY EPOCH", "CREATED", "LAST DRILL", "LABEL"), rows)


def what_is_due(listed: "ListedSlot") -> str:
    """The warning of a recovery slot that nobody has tried for long."""
    slot = f"recovery slot {listed.slot.slot.hex()} ({listed.slot.label})"
    when = "was never tried here" if listed.drilled is None else "was tried more than 90 days ago"
    return f"{slot} {when}: does somebody still have its code? `holdfast repository key drill` finds out"


def drill(done: "Drill") -> Document:
    """Of `repository key drill`."""
    return key_slot(done.slot) | {"restore_point": done.point, "read_bytes": done.read_bytes}


def rotation(done: "Rotation") -> Document:
    """Of `repository key rotate`."""
    return {
        "key_epoch": done.kid,
        "damaged": [damaged_slot(one) for one in done.damaged],
        "recovery_code": done.recovery_code,
        "kept": [key_slot(slot) for slot in done.kept],
        "left_behind": [key_slot(slot) for slot in done.left_behind],
    }


def rotation_table(done: "Rotation") -> str:
    """Of `repository key rotate`, for people."""
    facts = facts_table({"key epoch": done.kid, "recovery code": done.recovery_code})
    return facts + "\n" + key_slots_table(list(done.kept))
