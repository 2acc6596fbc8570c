"""`holdfast policy`: documents that say what is protected, and the runs they ask for."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli.command import command
from holdfast.cli.options import YesOption, confirm
from holdfast.cli.quantities import short_time
from holdfast.cli.retention_words import archive_words, flag_words, kept_words, short_archive_words, short_words
from holdfast.cli.server_connection import ApplianceOption, NoWaitOption, connected, query
from holdfast.cli.session_display import begun, finish
from holdfast.cli.tables import facts_table, rows_table
from holdfast.cli.voice import Output, Voice, say
from holdfast.domain.errors import NotFoundError, UsageError

app = typer.Typer(name="policy", help="What is protected, how often, for how long.", rich_markup_mode=None)

LIMIT_BYTES = 1024 * 1024
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The policy's name.", show_default=False)]


@command(app, example="holdfast policy apply -f web.yaml --dry-run")
def apply(
    voice: Voice,
    file: Annotated[Path, typer.Option("-f", "--file", metavar="FILE", help="The document; - is standard input.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    appliance: ApplianceOption = None,
) -> int:
    """Add a policy, or change it; applying the same document again changes nothing."""
    from holdfast.wiring.server_client import policy_of

    name, document = policy_of(_read(file))
    with connected() as client:
        applied = client.send("PUT", f"/policies/{name}", document, query(appliance=appliance, dry_run=dry_run))
    for warning in applied["warnings"]:
        voice.warn(warning)
    voice.document(applied, lambda: _applied(applied, dry_run))
    return voice.status


def _read(file: Path) -> str:
    try:
        text = sys.stdin.read(LIMIT_BYTES + 1) if str(file) == "-" else file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFoundError(f"{file} does not exist", why="there is no such file", cure="check -f") from error
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(f"{file} cannot be read", why=why, cure="name a policy document that you may read") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is no text", why="it is not UTF-8", cure="name a YAML file") from error
    if len(text) > LIMIT_BYTES:
        raise UsageError(f"{file} is too large", why="a policy has at most 1 MiB", cure="name a policy document")
    return text


def _applied(applied: dict[str, Any], dry_run: bool) -> str:
    change = f"would be {applied['change']}" if dry_run and applied["change"] != "unchanged" else applied["change"]
    facts = facts_table(
        {"policy": applied["policy"]["name"], "change": change, "protects": ", ".join(applied["matched"]) or "nothing"}
    )
    return facts + "".join(f"{line}\n" for line in applied["difference"])


@command(app, "list", example="holdfast policy list")
def list_(
    voice: Voice,
    appliance: ApplianceOption = None,
) -> int:
    """List policies, in the order in which they take precedence."""
    with connected() as client:
        found = client.send("GET", "/policies", query=query(appliance=appliance))
    rows = [
        (
            one["policy"]["name"],
            "enabled" if one["enabled"] else "disabled",
            one["policy"]["account"],
            ", ".join(one["policy"]["regions"]),
            _target(one["policy"]["snapshot"]),
            _target(one["policy"]["backup"]),
            None if one["policy"]["archive"] is None else short_archive_words(one["policy"]["archive"]),
        )
        for one in found
    ]
    headings = ("POLICY", "STATE", "ACCOUNT", "REGIONS", "SNAPSHOTS", "BACKUPS", "ARCHIVES")
    voice.document({"policies": found}, lambda: rows_table(headings, rows))
    return voice.status


def _target(target: dict[str, Any] | None) -> str | None:
    if target is None:
        return None
    return f"{_when(target['schedule'])}, {short_words(target) if 'retention' in target else kept_words(target)}"


def _when(schedule: dict[str, Any] | None) -> str:
    return "by hand" if schedule is None else f"{schedule['cron']} {schedule['time_zone']}"


@command(app, example="holdfast policy show web", output=Output.YAML)
def show(
    voice: Voice,
    name: NameArgument,
    appliance: ApplianceOption = None,
) -> int:
    """Show a policy, whether it is enabled, and which points stay how long by which flag."""
    with connected() as client:
        stored = client.send("GET", f"/policies/{name}", query=query(appliance=appliance))
    changed = short_time(stored["changed_at"])
    policy = stored["policy"]
    facts = {
        "policy": name,
        "enabled": "yes" if stored["enabled"] else "no",
        "changed": changed,
        "snapshots": _target(policy["snapshot"]),
        "backups": _target(policy["backup"]),
        "archives": None if policy["archive"] is None else short_archive_words(policy["archive"]),
        "health checks": None if policy["health_check"] is None else _when(policy["health_check"]["schedule"]),
    }
    flags = {} if policy["backup"] is None else flag_words(policy["backup"])
    archive_flags = {} if policy["archive"] is None else archive_words(policy["archive"])
    facts |= {f"flag {flag}": words for flag, words in flags.items()}
    facts |= {f"archives {flag}": words for flag, words in archive_flags.items()}
    voice.document({**stored, "flags": flags, "archive_flags": archive_flags}, lambda: facts_table(facts))
    return voice.status


@command(app, example="holdfast policy export web > web.yaml", output=Output.YAML)
def export(
    voice: Voice,
    name: NameArgument,
    appliance: ApplianceOption = None,
) -> int:
    """Print a policy as the document that `policy apply` takes."""
    from holdfast.wiring.server_client import document_of

    with connected() as client:
        stored = client.send("GET", f"/policies/{name}", query=query(appliance=appliance))
    document = document_of(stored["policy"])
    voice.document(document, lambda: facts_table({"policy": name}))
    return voice.status


@command(app, example="holdfast policy schema --output json > policy.schema.json", output=Output.JSON)
def schema(
    voice: Voice,
) -> int:
    """Print the JSON Schema of policy documents, for editors and checks in git."""
    from holdfast.wiring.server_client import policy_schema

    document = policy_schema()
    voice.document(document, lambda: facts_table({"schema": "add --output json"}))
    return voice.status


@command(app, example="holdfast policy run web --target backup")
def run(
    voice: Voice,
    name: NameArgument,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target", metavar="TARGET", help="snapshot, backup (both may be given) or archive. Else all but that."
        ),
    ] = None,
    no_wait: NoWaitOption = False,
    appliance: ApplianceOption = None,
) -> int:
    """Run a policy now, and follow it to its end."""
    with connected() as client:
        order = {"targets": target or []}
        session = begun(client, "POST", f"/policies/{name}/run", order, query(appliance=appliance))
        return finish(client, voice, session, wait=not no_wait)


@command(app, example="holdfast policy stop web --yes")
def stop(
    voice: Voice,
    name: NameArgument,
    yes: YesOption = False,
    appliance: ApplianceOption = None,
) -> int:
    """Cancel the runs of a policy that are under way: workers are ended, what was created for them is removed."""
    confirm(f"cancel all runs of policy {name} that are under way", yes)
    with connected() as client:
        cancelled = client.send("POST", f"/policies/{name}/stop", query=query(appliance=appliance))
    ids = ", ".join(one["id"] for one in cancelled) or "none: it does not run"
    voice.document({"policy": name, "cancelled": cancelled}, lambda: facts_table({"policy": name, "cancelled": ids}))
    return voice.status


def _switch(voice: Voice, name: str, verb: str, appliance: str | None) -> int:
    with connected() as client:
        stored = client.send("POST", f"/policies/{name}/{verb}", query=query(appliance=appliance))
    voice.document(stored, lambda: facts_table({"policy": name, "enabled": "yes" if stored["enabled"] else "no"}))
    return voice.status


@command(app, example="holdfast policy enable web")
def enable(
    voice: Voice,
    name: NameArgument,
    appliance: ApplianceOption = None,
) -> int:
    """Let a policy's schedules start it."""
    return _switch(voice, name, "enable", appliance)


@command(app, example="holdfast policy disable web")
def disable(
    voice: Voice,
    name: NameArgument,
    appliance: ApplianceOption = None,
) -> int:
    """Keep a policy's schedules from starting it; a run by hand still works."""
    return _switch(voice, name, "disable", appliance)


@command(app, example="holdfast policy delete web --yes")
def delete(
    voice: Voice,
    name: NameArgument,
    yes: YesOption = False,
    appliance: ApplianceOption = None,
) -> int:
    """Delete a policy. Its restore points stay until somebody deletes them."""
    confirm(f"delete policy {name}", yes)
    with connected() as client:
        client.send("DELETE", f"/policies/{name}", query=query(appliance=appliance))
    say("its restore points stay: no retention removes them any more")
    voice.document({"policy": name, "deleted": True}, lambda: facts_table({"deleted": name}))
    return voice.status
