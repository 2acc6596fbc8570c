"""The document of `holdfast repository collect-garbage`, under the stable names of docs/cli.md."""

from typing import TYPE_CHECKING, Any

from holdfast.cli.quantities import human_size, to_the_minute
from holdfast.cli.tables import facts_table
from holdfast.domain.numerals import counted

if TYPE_CHECKING:
    from holdfast.repository.collection.collect import CollectionReport

Document = dict[str, Any]


def collection(report: "CollectionReport") -> Document:
    """Everything that was found and done."""
    return {
        "dry_run": report.dry_run,
        "plan": report.epoch,
        "restore_points": report.points,
        "packs": report.packs,
        "stored_bytes": report.stored_bytes,
        "condemned_packs": report.condemned,
        "condemned_bytes": report.condemned_bytes,
        "repacked_packs": report.repacked,
        "written_bytes": report.written_bytes,
        "deleted_packs": report.deleted,
        "freed_bytes": report.freed_bytes,
        "kept_packs": report.kept,
        "waiting": [{"session": one.session.hex(), "opened": one.since} for one in report.waiting],
    }


def collection_table(report: "CollectionReport") -> str:
    """The same for people."""
    would = "to be " if report.dry_run else ""
    facts: dict[str, str | int | float | None] = {
        "restore points": report.points,
        "packs before": f"{report.packs} ({human_size(report.stored_bytes)})",
        f"{would}condemned": f"{report.condemned} ({human_size(report.condemned_bytes)})",
        f"{would}repacked": f"{report.repacked} ({human_size(report.written_bytes)} written anew)",
    }
    if not report.dry_run:
        facts["deleted"] = f"{report.deleted} ({human_size(report.freed_bytes)})"
        facts["kept for now"] = report.kept
    return facts_table(facts)


def what_waits(report: "CollectionReport") -> str:
    """Which sessions hold the rest up, and until when."""
    since = ", ".join(f"{one.session.hex()[:8]} (since {to_the_minute(one.since)})" for one in report.waiting)
    return (
        f"nothing more is deleted while {counted(len(report.waiting), 'session')} may build upon it: {since}; "
        "run this again when it has ended, or a day after its last sign of life"
    )
