"""`holdfast appliance`: run one, deploy one, or take one on that runs already."""

from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli.command import command
from holdfast.cli.options import KeepSessionsOption, ListenOption, SecretsKmsKeyOption, YesOption, confirm
from holdfast.cli.quantities import parse_days, short_time
from holdfast.cli.server_connection import NoWaitOption, connected, query
from holdfast.cli.session_display import begun, finish
from holdfast.cli.tables import Cell, as_facts, facts_table, rows_table
from holdfast.cli.voice import Voice
from holdfast.domain.numerals import counted

app = typer.Typer(name="appliance", help="Run, deploy and connect appliances.", rich_markup_mode=None)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The appliance's name.", show_default=False)]


@command(app, example="holdfast appliance run --home /var/lib/holdfast --listen 0.0.0.0:11005")
def run(
    voice: Voice,
    listen: ListenOption = "127.0.0.1:11005",
    home: Annotated[
        Path | None, typer.Option("--home", metavar="DIR", help="Where it keeps everything; else HOLDFAST_HOME.")
    ] = None,
    database: Annotated[
        str | None, typer.Option("--database", metavar="URL", help="A PostgreSQL URL; else a file in the home.")
    ] = None,
    trust_server: Annotated[
        Path | None,
        typer.Option("--trust-server", metavar="FILE", help="Certificate of the server that may manage it."),
    ] = None,
    announce_to: Annotated[
        str | None,
        typer.Option("--announce-to", metavar="S3-URL", help="Where it puts its own certificate for that server."),
    ] = None,
    kms_key: SecretsKmsKeyOption = None,
) -> int:
    """Run an appliance until Ctrl-C, and print its address, its fingerprint and where its enrolment code is."""
    from holdfast.wiring import appliance

    order = appliance.RunOrder(listen, home, database, trust_server, announce_to, kms_key)
    appliance.run(order, lambda facts: voice.document(facts, lambda: facts_table(facts)))
    return voice.status


@command(app, example="holdfast appliance deploy frankfurt --region eu-central-1 --allow 203.0.113.7/32")
def deploy(
    voice: Voice,
    name: NameArgument,
    region: Annotated[str | None, typer.Option("--region", metavar="REGION", help="Else the plug-in's.")] = None,
    instance_type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="The instance's type; t3.medium by default.")
    ] = None,
    vpc: Annotated[str | None, typer.Option("--vpc", metavar="ID", help="Else the region's default VPC.")] = None,
    subnet: Annotated[str | None, typer.Option("--subnet", metavar="ID", help="Else one of the VPC's.")] = None,
    security_group: Annotated[
        str | None, typer.Option("--security-group", metavar="ID", help="Else one is made for it.")
    ] = None,
    key_pair: Annotated[str | None, typer.Option("--key-pair", metavar="NAME", help="For SSH; else none.")] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option("--allow", metavar="CIDR", help="Who may reach it, this server among them; several times."),
    ] = None,
    port: Annotated[int, typer.Option("--port", metavar="PORT", help="Where it answers.")] = 11005,
    private: Annotated[bool, typer.Option("--private", help="No public address; reach it by its private one.")] = False,
    no_wait: NoWaitOption = False,
) -> int:
    """Launch an appliance as an EC2 instance. A failure midway leaves nothing."""
    order = {
        "name": name,
        "region": region,
        "instance_type": instance_type,
        "vpc_id": vpc,
        "subnet_id": subnet,
        "security_group_id": security_group,
        "key_name": key_pair,
        "allowed_sources": allow or [],
        "public_address": not private,
        "port": port,
    }
    with connected() as client:
        session = begun(client, "POST", "/appliances/deploy", order)
        return finish(client, voice, session, wait=not no_wait)


@command(app, example="holdfast appliance connect a --url https://10.0.0.7:11005 --fingerprint 3f… --code-file code")
def connect(
    voice: Voice,
    name: NameArgument,
    url: Annotated[str, typer.Option("--url", metavar="URL", help="https://HOST:PORT of the appliance.")],
    fingerprint: Annotated[
        str, typer.Option("--fingerprint", metavar="SHA256", help="Of its certificate, as the appliance printed it.")
    ],
    code_file: Annotated[
        Path, typer.Option("--code-file", metavar="FILE", help="File with the appliance's enrolment code.")
    ],
) -> int:
    """Take on an appliance that runs already; each side remembers the other's certificate."""
    from holdfast.cli.passwords import read_secret_file

    code = read_secret_file(code_file, "--code-file").decode("ascii", errors="replace").strip()
    order = {"name": name, "url": url, "fingerprint": fingerprint, "code": code}
    with connected() as client:
        appliance = client.send("POST", "/appliances/connect", order)
    voice.document(appliance, lambda: _facts(appliance))
    return voice.status


@command(app, "list", example="holdfast appliance list")
def list_(
    voice: Voice,
) -> int:
    """List appliances and how they stand."""
    with connected() as client:
        found = client.send("GET", "/appliances")
    rows = [
        (
            one["name"],
            one["state"],
            one["url"],
            one["region"],
            one["version"],
            short_time(one["synced_at"]) if one["synced_at"] else "never",
            one["reason"],
        )
        for one in found
    ]
    headings = ("APPLIANCE", "STATE", "URL", "REGION", "VERSION", "SYNCED", "")
    spare = ("VERSION", "REGION", "SYNCED")
    voice.document({"appliances": found}, lambda: rows_table(headings, rows, spare))
    return voice.status


@command(app, example="holdfast appliance show frankfurt")
def show(
    voice: Voice,
    name: NameArgument,
) -> int:
    """Show an appliance, how long it keeps sessions, and each limit of its with what runs and waits there now."""
    limits, history = [], None
    with connected() as client:
        found = client.send("GET", f"/appliances/{name}")
        if found["state"] == "available":
            limits = client.send("GET", "/limits", query=query(appliance=name))
            history = client.send("GET", "/history", query=query(appliance=name))
    document = {"appliance": found, "history": history, "limits": limits}
    voice.document(document, lambda: _shown(found, history, limits))
    return voice.status


def _shown(appliance: dict[str, Any], history: dict[str, Any] | None, limits: list[dict[str, Any]]) -> str:
    rows = [(one["queue"], one["partition"], one["limit"], one["running"], one["waiting"]) for one in limits]
    return _facts(appliance, history) + (
        "\n" + rows_table(("LIMIT", "OF", "AT ONCE", "RUNNING", "WAITING"), rows) if rows else ""
    )


def _facts(appliance: dict[str, Any], history: dict[str, Any] | None = None) -> str:
    """Certificates as people compare them: by their fingerprints."""
    from holdfast.protocol.certificates import fingerprint_of

    facts = as_facts({name: value for name, value in appliance.items() if "certificate" not in name})
    for name in ("certificate", "offered_certificate"):
        if appliance.get(name):
            facts[f"{name.replace('_', ' ')} (SHA-256)"] = fingerprint_of(appliance[name])
    return facts_table(facts | (_kept(history) if history is not None else {}))


def _kept(history: dict[str, Any]) -> dict[str, Cell]:
    days = history["keep_days"]
    return {"sessions are kept": "forever" if days is None else counted(days, "day")}


@command(app, example="holdfast appliance edit frankfurt --keep-sessions 365")
def edit(voice: Voice, name: NameArgument, keep_sessions: KeepSessionsOption) -> int:
    """Change how long an appliance keeps ended sessions, their tasks and logs. Restore points are not touched."""
    history = {"keep_days": parse_days(keep_sessions, "--keep-sessions")}
    with connected() as client:
        kept = client.send("PUT", "/history", history, query(appliance=name))
    voice.document({"appliance": name, "history": kept}, lambda: facts_table(_kept(kept)))
    return voice.status


@command(app, example="holdfast appliance rescan frankfurt")
def rescan(
    voice: Voice,
    name: NameArgument,
) -> int:
    """Forget what is known of an appliance's policies, sessions and points, and collect it anew."""
    with connected() as client:
        appliance = client.send("POST", f"/appliances/{name}/rescan")
    voice.document(appliance, lambda: _facts(appliance))
    return voice.status


@command(app, "accept-certificate", example="holdfast appliance accept-certificate frankfurt --fingerprint 3f…")
def accept_certificate(
    voice: Voice,
    name: NameArgument,
    fingerprint: Annotated[
        str | None,
        typer.Option("--fingerprint", metavar="SHA256", help="The one that is right, as the appliance printed it."),
    ] = None,
) -> int:
    """Say that the certificate which an appliance shows now is right; without --fingerprint it is asked for."""
    with connected() as client:
        named = _agreed(client.send("GET", f"/appliances/{name}")) if fingerprint is None else fingerprint
        appliance = client.send("POST", f"/appliances/{name}/accept-certificate", {"fingerprint": named})
    voice.document(appliance, lambda: _facts(appliance))
    return voice.status


def _agreed(appliance: dict[str, Any]) -> str:
    """The fingerprint that a person has seen and agreed to; where nothing is offered there is nothing to ask."""
    from holdfast.protocol.certificates import fingerprint_of

    if not appliance["offered_certificate"]:
        return ""
    offered = fingerprint_of(appliance["offered_certificate"])
    confirm(f"trust the certificate {offered} of {appliance['name']}", False, "--fingerprint SHA256")
    return offered


@command(app, example="holdfast appliance remove frankfurt --delete --yes")
def remove(
    voice: Voice,
    name: NameArgument,
    delete: Annotated[
        bool, typer.Option("--delete", help="Terminate its instance and remove what was deployed with it, too.")
    ] = False,
    yes: YesOption = False,
    no_wait: NoWaitOption = False,
) -> int:
    """Let go of an appliance. Snapshots and backups stay, and repositories open without it."""
    confirm(f"remove appliance {name}" + (" and delete its instance" if delete else ""), yes)
    with connected() as client:
        session = begun(client, "DELETE", f"/appliances/{name}", query=query(delete=delete))
        return finish(client, voice, session, wait=not no_wait)
