"""`holdfast restore`: an entire instance, or volumes, from any restore point; `--plan` shows every object first."""

import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from holdfast.cli.command import command
from holdfast.cli.options import confirm
from holdfast.cli.point import PointIdArgument, named_point
from holdfast.cli.retrieval import (
    RetrievalDaysOption,
    RetrievalTierOption,
    at_own_prices,
    is_readable,
    not_retrieved,
    require_tier,
    retrieval_table,
)
from holdfast.cli.server_connection import ApplianceOption, NoWaitOption, WorkerModeOption, connected, query
from holdfast.cli.session_display import begun, finish
from holdfast.cli.tables import rows_table
from holdfast.cli.voice import Voice, say, show_error
from holdfast.domain.archive import Tier
from holdfast.domain.errors import ConflictError, UsageError

app = typer.Typer(name="restore", help="Bring instances and volumes back.", rich_markup_mode=None)

PlanOption = Annotated[bool, typer.Option("--plan", help="Show every object that would be touched; touch none.")]
KmsKeyOption = Annotated[
    str | None, typer.Option("--kms-key", metavar="KEY", help="Encrypt the volumes under this KMS key.")
]


@dataclass(frozen=True, slots=True)
class _Wish:
    """How far to go; no `tier`: that no money may be spent on what lies in an archive. `appliance`: whose point."""

    plan_only: bool
    wait: bool
    tier: Tier | None
    days: int | None
    appliance: str | None

    def told(self, name: str) -> dict[str, int]:
        """The days under that name, where they were told."""
        return {} if self.days is None else {name: self.days}


@command(app, example="holdfast restore instance 3fa91c --new --subnet subnet-0123456789abcdef0 --plan")
def instance(
    voice: Voice,
    point: PointIdArgument,
    new: Annotated[
        bool, typer.Option("--new", help="Make another instance; without it the original place is meant.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Stop and replace the original instance where it still stands.")
    ] = False,
    plan: PlanOption = False,
    region: Annotated[str | None, typer.Option("--region", metavar="REGION", help="Another region.")] = None,
    zone: Annotated[str | None, typer.Option("--zone", metavar="ZONE", help="Another availability zone.")] = None,
    subnet: Annotated[str | None, typer.Option("--subnet", metavar="ID", help="Another subnet.")] = None,
    security_group: Annotated[
        list[str] | None,
        typer.Option("--security-group", metavar="ID", help="Other security groups; may be given several times."),
    ] = None,
    instance_type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Another instance type.")] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Another tag Name.")] = None,
    key_name: Annotated[str | None, typer.Option("--key-pair", metavar="NAME", help="Another key pair.")] = None,
    profile: Annotated[
        str | None, typer.Option("--instance-profile", metavar="ARN", help="Another instance profile.")
    ] = None,
    address: Annotated[
        str | None, typer.Option("--private-address", metavar="IP", help="This primary private address.")
    ] = None,
    kms_key: KmsKeyOption = None,
    no_power_on: Annotated[bool, typer.Option("--no-power-on", help="Leave it stopped.")] = False,
    keep_old_volumes: Annotated[
        int, typer.Option("--keep-old-volumes", metavar="HOURS", help="Keep the volumes of the original so long after.")
    ] = 0,
    retrieval_tier: RetrievalTierOption = None,
    retrieval_days: RetrievalDaysOption = None,
    worker_mode: WorkerModeOption = "ec2",
    no_wait: NoWaitOption = False,
    appliance: ApplianceOption = None,
) -> int:
    """Bring an entire instance back: where it was, or somewhere new."""
    differing = {
        "--region": ("region", region),
        "--zone": ("zone", zone),
        "--subnet": ("subnet_id", subnet),
        "--security-group": ("security_group_ids", security_group),
        "--type": ("instance_type", instance_type),
        "--name": ("name", name),
        "--key-pair": ("key_name", key_name),
        "--instance-profile": ("instance_profile_arn", profile),
        "--private-address": ("private_address", address),
        "--kms-key": ("kms_key_id", kms_key),
    }
    order = {
        "point": point,
        "place": "new" if new else "original",
        "new": _differing(differing, new),
        "replace": yes,
        "power_on": not no_power_on,
        "worker_mode": worker_mode,
        "keep_old_volumes_hours": keep_old_volumes,
    }
    return _restore(voice, "instance", order, _Wish(plan, not no_wait, retrieval_tier, retrieval_days, appliance))


def _differing(options: dict[str, tuple[str, Any]], new: bool) -> dict[str, Any]:
    """What is to differ, by its field; options of a new place are never dropped where none is meant."""
    given = {option: pair for option, pair in options.items() if pair[1] is not None}
    if given and not new:
        raise UsageError(
            f"{', '.join(given)} cannot be given without --new",
            why="without it the original is meant, which comes back as it was",
            cure="add --new to make another instance, or leave out what is to differ",
        )
    return dict(given.values())


@command(app, example="holdfast restore volume 3fa91c --volume /dev/sdf --zone eu-central-1b")
def volume(
    voice: Voice,
    point: PointIdArgument,
    volume: Annotated[
        list[str] | None,
        typer.Option("--volume", metavar="ID|DEVICE", help="Which volumes; may be given several times. Else all."),
    ] = None,
    region: Annotated[str | None, typer.Option("--region", metavar="REGION", help="Another region.")] = None,
    zone: Annotated[str | None, typer.Option("--zone", metavar="ZONE", help="Another availability zone.")] = None,
    volume_type: Annotated[str | None, typer.Option("--type", metavar="TYPE", help="Another volume type.")] = None,
    kms_key: KmsKeyOption = None,
    plan: PlanOption = False,
    retrieval_tier: RetrievalTierOption = None,
    retrieval_days: RetrievalDaysOption = None,
    worker_mode: WorkerModeOption = "ec2",
    no_wait: NoWaitOption = False,
    appliance: ApplianceOption = None,
) -> int:
    """Bring volumes back, attached to nothing."""
    order = {
        "point": point,
        "volumes": volume or [],
        "region": region,
        "zone": zone,
        "volume_type": volume_type,
        "kms_key_id": kms_key,
        "worker_mode": worker_mode,
    }
    return _restore(voice, "volumes", order, _Wish(plan, not no_wait, retrieval_tier, retrieval_days, appliance))


def _restore(voice: Voice, what: str, order: dict[str, Any], wish: _Wish) -> int:
    if wish.tier is not None:
        order["retrieval"] = {"tier": wish.tier} | wish.told("days")
    whose = query(appliance=wish.appliance)
    with connected() as client:
        plan = client.send("POST", f"/restores/{what}/plan", order, whose)
        retrieval = plan["retrieval"]
        if retrieval is not None:
            retrieval = plan["retrieval"] = at_own_prices(retrieval | wish.told("retrieval_days"))
        if wish.plan_only:
            for warning in [*plan["warnings"], *plan["problems"]]:
                voice.warn(warning)
            voice.document(plan, lambda: _plan_table(plan))
            return voice.status
        if plan["problems"]:
            raise ConflictError(
                "the restore cannot begin",
                why="; ".join(plan["problems"]),
                cure="mend what is named, or choose another place; nothing was touched",
            )
        if retrieval is not None and wish.tier is None and not is_readable(retrieval):
            voice.document(plan, lambda: retrieval_table(retrieval, {}))
            return show_error(not_retrieved(f"restore point {order['point']}", retrieval))
        if retrieval is not None:
            require_tier(wish.tier, wish.days)
        for warning in plan["warnings"]:
            say(f"note: {warning}")
        stops = ", ".join(one["name"] for one in plan["objects"] if one["change"] == "stop")
        if stops and not order["replace"] and sys.stdin.isatty():
            found = client.send("GET", f"/points/{order['point']}", query=whose)["point"]
            confirm(f"stop {stops} and exchange its volumes for those of {named_point(found)}", yes=False)
            order |= {"point": found["id"], "replace": True}
        session = begun(client, "POST", f"/restores/{what}", order, whose)
        return finish(client, voice, session, wait=wish.wait)


def _plan_table(plan: dict[str, Any]) -> str:
    rows = [(one["change"], one["kind"], one["name"], one["detail"]) for one in plan["objects"]]
    table = rows_table(("CHANGE", "OBJECT", "NAME", "DETAIL"), rows)
    return table if plan["retrieval"] is None else f"{table}\n{retrieval_table(plan['retrieval'], {})}"
