"""The documents of `holdfast repository copy`, under the stable names of docs/cli.md."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from holdfast.cli.quantities import human_duration, human_size, to_the_minute
from holdfast.cli.tables import facts_table, rows_table

if TYPE_CHECKING:
    from holdfast.repository.copying.copy import CopyPlan, CopyReport, FailedPoint
    from holdfast.repository.copying.order import Chosen
    from holdfast.repository.sessions.points import PointSummary
    from holdfast.wiring.local.opening import LocalRepository

Document = dict[str, Any]


def copied(report: "CopyReport") -> Document:
    """What came of a run."""
    return {
        "dry_run": False,
        "copied": [
            {
                **_point(one.point),
                "copy": one.manifest.session.hex(),
                "parent": None if one.manifest.parent is None else one.manifest.parent.hex(),
                "read_bytes": one.read_bytes,
                "resumed_bytes": one.resumed_bytes,
                "stored_bytes": one.stored_bytes,
            }
            for one in report.copied
        ],
        "stored_bytes": sum(one.stored_bytes for one in report.copied),
        **_others(report.chosen, report.failed),
        "warnings": list(report.warnings),
    }


def planned(plan: "CopyPlan") -> Document:
    """What a run would do."""
    return {
        "dry_run": True,
        "to_copy": [{**_point(one.point), "stored_bytes": one.stored_bytes} for one in plan.estimates],
        "stored_bytes": sum(one.stored_bytes for one in plan.estimates),
        **_others(plan.chosen, plan.failed),
    }


def cost(there: "LocalRepository", here: "LocalRepository", duration_seconds: float) -> Document:
    """What both stores were asked for."""
    return {
        "received_bytes": there.counts.received_bytes,
        "sent_bytes": here.counts.sent_bytes,
        "source_requests": there.requests,
        "target_requests": here.requests,
        "duration_seconds": round(duration_seconds, 3),
    }


def table(document: Mapping[str, Any]) -> str:
    """Of either, for people."""
    dry_run = document["dry_run"]
    new = document["to_copy" if dry_run else "copied"]
    facts = facts_table(
        {
            "to copy" if dry_run else "copied": len(new),
            "there already": len(document["skipped"]),
            "failed": len(document["failed"]),
            "about" if dry_run else "stored": human_size(document["stored_bytes"]),
            "received": human_size(document["received_bytes"]),
            "took": human_duration(document["duration_seconds"]),
        }
    )
    rows = [
        (
            one["restore_point"],
            one["workload"],
            to_the_minute(one["created"]),
            human_size(one["size_bytes"]),
            human_size(one["stored_bytes"]),
            one.get("copy"),
        )
        for one in new
    ]
    heads = ("RESTORE POINT", "WORKLOAD", "CREATED", "SIZE", "STORED", "COPY")
    return "\n".join([facts, rows_table(heads, rows, spare=("COPY",))] if rows else [facts])


def _others(chosen: "Chosen", failed: "Sequence[FailedPoint]") -> Document:
    return {
        "skipped": [{**_point(point), "copy": copy.id} for point, copy in chosen.present],
        "failed": [
            {**_point(one.point), "code": one.error.code, "what": one.error.what, "why": one.error.why}
            for one in failed
        ],
    }


def _point(point: "PointSummary") -> Document:
    return {
        "restore_point": point.id,
        "workload": point.workload,
        "created": point.created,
        "size_bytes": point.size_bytes,
    }
