"""`holdfast point`: restore points that the server knows, wherever they lie."""

from typing import Annotated, Any

import typer

from holdfast.cli.command import command
from holdfast.cli.options import YesOption, confirm
from holdfast.cli.quantities import human_size, short_time, to_the_minute
from holdfast.cli.server_connection import ApplianceOption, NoWaitOption, WorkerModeOption, connected, every, query
from holdfast.cli.session_display import begun, finish, named_workload
from holdfast.cli.tables import SHORT_ID, Cell, as_facts, facts_table, listed_id, rows_table
from holdfast.cli.voice import Voice

app = typer.Typer(name="point", help="Restore points: snapshots and image-level backups.", rich_markup_mode=None)

PointIdArgument = Annotated[
    str, typer.Argument(metavar="POINT", help="The point's id, or its beginning.", show_default=False)
]


def named_point(point: dict[str, Any]) -> str:
    """A point in a question: whoever typed the beginning of an id sees what it is of, and when it was made."""
    made = f"{point['kind']} of {named_workload(point['workload'])}, created {short_time(point['created_at'])}"
    return f"restore point {point['id'][:SHORT_ID]} ({made})"


@command(app, "list", example="holdfast point list --workload i-0123456789abcdef0")
def list_(
    voice: Voice,
    workload: Annotated[
        str | None, typer.Option("--workload", metavar="ID", help="Only the points of this workload.")
    ] = None,
    last: Annotated[int | None, typer.Option("--last", metavar="N", min=1, help="At most so many.")] = None,
    appliance: ApplianceOption = None,
) -> int:
    """List restore points, newest first."""
    with connected() as client:
        found = every(client, "/points", query(appliance=appliance, workload=workload), most=last)
    rows = [
        (
            listed_id(one["id"]),
            f"{one['kind']}, incomplete" if one["missing"] else one["kind"],
            one["workload"]["id"],
            one["workload"]["name"],
            to_the_minute(one["created_at"]),
            human_size(one["size_bytes"]),
            ",".join(one["flags"]) or "-",
            _verified(one),
            None if one["keep_until"] is None else to_the_minute(one["keep_until"]),
            one["repository"] or _place(one),
            one["policy"] or "-",
        )
        for one in found
    ]
    headings = ("POINT", "KIND", "WORKLOAD", "NAME", "CREATED", "SIZE", "FLAGS", "VERIFIED", "UNTIL", "PLACE", "POLICY")
    spare = ("POLICY", "PLACE", "NAME", "UNTIL", "VERIFIED")
    voice.document({"points": found}, lambda: rows_table(headings, rows, spare))
    return voice.status


def _verified(point: dict[str, Any]) -> str:
    """What came of reading it back, and when."""
    told = point["verification"]
    return "-" if told is None else f"{told['outcome']} {to_the_minute(told['at'])}"


def _damage(point: dict[str, Any]) -> str | None:
    told = point["verification"]
    if told is None or not told["damage"]:
        return None
    return "; ".join(f"{one['object']} ({', '.join(one['volumes']) or 'other copies'})" for one in told["damage"])


def _place(point: dict[str, Any]) -> str:
    """Where its snapshots lie."""
    place = point["place"] or point["workload"]
    return f"{place['region']} of {place['account']}"


@command(app, example="holdfast point show 3fa91c")
def show(
    voice: Voice,
    point: PointIdArgument,
    appliance: ApplianceOption = None,
) -> int:
    """Show a restore point and how its instance was made up."""
    with connected() as client:
        detail = client.send("GET", f"/points/{point}", query=query(appliance=appliance))
    voice.document(detail, lambda: _table(detail))
    return voice.status


def _table(detail: dict[str, Any]) -> str:
    point, made_of = detail["point"], detail["configuration"]
    facts: dict[str, Cell] = {
        "point": point["id"],
        "kind": point["kind"],
        "workload": f"{point['workload']['id']} ({point['workload']['name']})",
        "account": point["workload"]["account"],
        "region": point["workload"]["region"],
        "created": short_time(point["created_at"]),
        "policy": point["policy"] or None,
        "flags": ", ".join(point["flags"]) or None,
        "kept until": None if point["keep_until"] is None else short_time(point["keep_until"]),
        "repository": point["repository"],
        "copy of": point["copy_of"],
        "size": human_size(point["size_bytes"]),
        "stored": None if point["stored_bytes"] is None else human_size(point["stored_bytes"]),
        "snapshots": ", ".join(point["snapshots"].values()) or None,
        "kept in": _place(point) if point["place"] else None,
        "verified": None if point["verification"] is None else _verified(point),
        "damage": _damage(point),
        "missing": ", ".join(point["missing"]) or None,
        "warnings": "; ".join(point["warnings"]) or None,
        "type": made_of.get("instance_type"),
        "zone": made_of.get("zone"),
    }
    volumes = [
        (one["device"], one["volume_id"], f"{one['size_gib']} GiB", one["volume_type"], "root" if one["root"] else "")
        for one in made_of.get("volumes", [])
    ]
    if not made_of:
        unknown = "how its workload was made up is not known while its appliance cannot be asked"
        return facts_table(facts) + f"\n{unknown}: holdfast appliance list\n"
    return facts_table(facts) + "\n" + rows_table(("DEVICE", "VOLUME", "SIZE", "TYPE", ""), volumes)


@command(app, example="holdfast point snapshot i-0123456789abcdef0 --account production --region eu-central-1")
def snapshot(
    voice: Voice,
    instance: Annotated[str, typer.Argument(metavar="INSTANCE", help="The instance's id, i-….", show_default=False)],
    account: Annotated[str, typer.Option("--account", metavar="NAME", help="The account it is in.")],
    region: Annotated[str, typer.Option("--region", metavar="REGION", help="The region it is in.")],
    to_account: Annotated[
        str | None, typer.Option("--to-account", metavar="NAME", help="Keep it in this account instead.")
    ] = None,
    to_region: Annotated[
        str | None, typer.Option("--to-region", metavar="REGION", help="Keep it in this region instead.")
    ] = None,
    kms_key: Annotated[
        str | None, typer.Option("--kms-key", metavar="KEY", help="Encrypt it under this KMS key on the way there.")
    ] = None,
    no_wait: NoWaitOption = False,
    appliance: ApplianceOption = None,
) -> int:
    """Take a manual snapshot of all volumes now; no retention removes it."""
    with connected() as client:
        order: dict[str, Any] = {"account": account, "region": region, "instance_id": instance}
        if to_account or to_region or kms_key:
            order["destination"] = {
                "account": to_account or account,
                "region": to_region or region,
                "kms_key_id": kms_key,
            }
        session = begun(client, "POST", "/snapshots", order, query(appliance=appliance))
        return finish(client, voice, session, wait=not no_wait)


@command(app, example="holdfast point rescan --account production --region eu-central-1")
def rescan(
    voice: Voice,
    account: Annotated[str, typer.Option("--account", metavar="NAME", help="The account the snapshots are in.")],
    region: Annotated[str, typer.Option("--region", metavar="REGION", help="The region they are in.")],
    lost_appliance: Annotated[
        str | None,
        typer.Option("--lost-appliance", metavar="ID", help="Take on the points of this appliance, which is no more."),
    ] = None,
    appliance: ApplianceOption = None,
) -> int:
    """Take on the restore points that are found by the tags of their snapshots."""
    with connected() as client:
        order = {"account": account, "region": region, "lost_appliance": lost_appliance}
        found = client.send("POST", "/points/rescan", order, query(appliance=appliance))
    for warning in found["warnings"]:
        voice.warn(warning)
    voice.document(found, lambda: facts_table(as_facts(found)))
    return voice.status


@command(app, example="holdfast point verify 3fa91c")
def verify(
    voice: Voice,
    point: PointIdArgument,
    worker_mode: WorkerModeOption = "ec2",
    no_wait: NoWaitOption = False,
    appliance: ApplianceOption = None,
) -> int:
    """Read an image backup back whole, by a worker: every chunk is opened and hashed again."""
    with connected() as client:
        order = {"worker_mode": worker_mode}
        session = begun(client, "POST", f"/points/{point}/verify", order, query(appliance=appliance))
        return finish(client, voice, session, wait=not no_wait)


@command(app, example="holdfast point delete 3fa91c --yes")
def delete(
    voice: Voice,
    point: PointIdArgument,
    yes: YesOption = False,
    no_wait: NoWaitOption = False,
    appliance: ApplianceOption = None,
) -> int:
    """Delete a restore point, for good: its snapshots, or its place in the repository."""
    with connected() as client:
        found = client.send("GET", f"/points/{point}", query=query(appliance=appliance))["point"]
        confirm(f"delete {named_point(found)}", yes)
        session = begun(client, "DELETE", f"/points/{found['id']}", query=query(appliance=appliance))
        return finish(client, voice, session, wait=not no_wait)
