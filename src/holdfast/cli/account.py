"""`holdfast account`: the AWS accounts that an appliance works in."""

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.command import command
from holdfast.cli.options import YesOption, confirm
from holdfast.cli.passwords import read_secret_file
from holdfast.cli.server_connection import ApplianceOption, connected, query
from holdfast.cli.tables import as_facts, facts_table, rows_table
from holdfast.cli.voice import Voice
from holdfast.domain.errors import UsageError

app = typer.Typer(name="account", help="AWS accounts and roles.", rich_markup_mode=None)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="What it is called here.", show_default=False)]


@command(app, example="holdfast account add prod --role arn:aws:iam::222222222222:role/hf --external-id 7c1f")
def add(
    voice: Voice,
    name: NameArgument,
    role: Annotated[
        str | None,
        typer.Option("--role", metavar="ARN", help="Role to assume; else the appliance's own account."),
    ] = None,
    external_id: Annotated[
        str | None, typer.Option("--external-id", metavar="TEXT", help="External id that the role's trust asks for.")
    ] = None,
    external_id_file: Annotated[
        Path | None,
        typer.Option(
            "--external-id-file", metavar="FILE", help="File with it: arguments are seen by all of a machine."
        ),
    ] = None,
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="For people.")] = "",
    appliance: ApplianceOption = None,
) -> int:
    """Register an account; its role is tried before it is."""
    if external_id_file is not None:
        if external_id is not None:
            raise UsageError(
                "two external ids", why="one is given as an argument, one in a file", cure="leave one of them out"
            )
        external_id = read_secret_file(external_id_file, "--external-id-file").decode()
    account = {"name": name, "role_arn": role, "external_id": external_id, "description": description}
    with connected() as client:
        added = client.send("PUT", f"/accounts/{name}", account, query(appliance=appliance))
    voice.document(added, lambda: facts_table(as_facts(added)))
    return voice.status


@command(app, "list", example="holdfast account list")
def list_(
    voice: Voice,
    appliance: ApplianceOption = None,
) -> int:
    """List accounts."""
    with connected() as client:
        found = client.send("GET", "/accounts", query=query(appliance=appliance))
    rows = [(one["name"], one["account_id"], one["role_arn"], one["description"]) for one in found]
    voice.document({"accounts": found}, lambda: rows_table(("ACCOUNT", "ID", "ROLE", ""), rows))
    return voice.status


@command(app, example="holdfast account show production")
def show(
    voice: Voice,
    name: NameArgument,
    appliance: ApplianceOption = None,
) -> int:
    """Show an account."""
    with connected() as client:
        found = client.send("GET", f"/accounts/{name}", query=query(appliance=appliance))
    voice.document(found, lambda: facts_table(as_facts(found)))
    return voice.status


@command(app, example="holdfast account check production")
def check(
    voice: Voice,
    name: NameArgument,
    appliance: ApplianceOption = None,
) -> int:
    """Try an account's role, and name what of reading it is refused."""
    with connected() as client:
        found = client.send("POST", f"/accounts/{name}/check", query=query(appliance=appliance))
    for action in found["missing"]:
        voice.warn(f"account {name} lacks {action}")
    voice.document(found, lambda: facts_table(as_facts(found)))
    return voice.status


@command(app, example="holdfast account remove production --yes")
def remove(
    voice: Voice,
    name: NameArgument,
    yes: YesOption = False,
    appliance: ApplianceOption = None,
) -> int:
    """Forget an account. Refused while a policy or a listed restore point names it."""
    confirm(f"remove account {name}", yes)
    with connected() as client:
        client.send("DELETE", f"/accounts/{name}", query=query(appliance=appliance))
    voice.document({"account": name, "removed": True}, lambda: facts_table({"removed": name}))
    return voice.status
