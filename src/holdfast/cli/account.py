"""`holdfast account`: the AWS accounts that an appliance works in."""

from typing import Annotated

import typer

from holdfast.cli.options import DebugOption, NoProgressOption, OutputOption, YesOption, confirm
from holdfast.cli.server_connection import ApplianceOption, connected, query
from holdfast.cli.tables import as_facts, facts_table, rows_table
from holdfast.cli.voice import Output, Voice

app = typer.Typer(name="account", help="AWS accounts and roles.", rich_markup_mode=None)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="What it is called here.", show_default=False)]


@app.command(epilog="Example: holdfast account add prod --role arn:aws:iam::222222222222:role/hf --external-id 7c1f")
def add(
    name: NameArgument,
    role: Annotated[
        str | None,
        typer.Option("--role", metavar="ARN", help="Role to assume; else the appliance's own account."),
    ] = None,
    external_id: Annotated[
        str | None, typer.Option("--external-id", metavar="TEXT", help="External id that the role's trust asks for.")
    ] = None,
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="For people.")] = "",
    appliance: ApplianceOption = None,
    output: OutputOption = Output.TABLE,
    no_progress: NoProgressOption = False,
    debug: DebugOption = False,
) -> int:
    """Register an account; its role is tried before it is."""
    voice = Voice(output, no_progress=no_progress)
    account = {"name": name, "role_arn": role, "external_id": external_id, "description": description}
    with connected() as client:
        added = client.send("PUT", f"/accounts/{name}", account, query(appliance=appliance))
    voice.document(added, lambda: facts_table(as_facts(added)))
    return voice.status


@app.command("list", epilog="Example: holdfast account list")
def list_(
    appliance: ApplianceOption = None,
    output: OutputOption = Output.TABLE,
    no_progress: NoProgressOption = False,
    debug: DebugOption = False,
) -> int:
    """List accounts."""
    voice = Voice(output, no_progress=no_progress)
    with connected() as client:
        found = client.send("GET", "/accounts", query=query(appliance=appliance))
    rows = [(one["name"], one["account_id"], one["role_arn"], one["description"]) for one in found]
    voice.document({"accounts": found}, lambda: rows_table(("ACCOUNT", "ID", "ROLE", ""), rows))
    return voice.status


@app.command(epilog="Example: holdfast account check production")
def check(
    name: NameArgument,
    appliance: ApplianceOption = None,
    output: OutputOption = Output.TABLE,
    no_progress: NoProgressOption = False,
    debug: DebugOption = False,
) -> int:
    """Try an account's role, and name the actions that its policies lack."""
    voice = Voice(output, no_progress=no_progress)
    with connected() as client:
        found = client.send("POST", f"/accounts/{name}/check", query=query(appliance=appliance))
    for action in found["missing"]:
        voice.warn(f"account {name} lacks {action}")
    voice.document(found, lambda: facts_table(as_facts(found)))
    return voice.status


@app.command(epilog="Example: holdfast account remove production --yes")
def remove(
    name: NameArgument,
    yes: YesOption = False,
    appliance: ApplianceOption = None,
    output: OutputOption = Output.TABLE,
    no_progress: NoProgressOption = False,
    debug: DebugOption = False,
) -> int:
    """Forget an account. Refused while a policy names it."""
    voice = Voice(output, no_progress=no_progress)
    confirm(f"remove account {name}", yes)
    with connected() as client:
        client.send("DELETE", f"/accounts/{name}", query=query(appliance=appliance))
    voice.document({"account": name, "removed": True}, lambda: facts_table({"removed": name}))
    return voice.status
