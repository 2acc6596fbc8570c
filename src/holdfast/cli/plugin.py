"""`holdfast plugin`: what the server can protect, and what that needs on the server and in the cloud."""

from typing import Annotated, Any

import typer

from holdfast.cli.command import command
from holdfast.cli.options import YesOption, confirm
from holdfast.cli.server_connection import NoWaitOption, connected
from holdfast.cli.session_display import begun, finish
from holdfast.cli.tables import facts_table, rows_table
from holdfast.cli.voice import Voice
from holdfast.domain.errors import NotFoundError
from holdfast.domain.numerals import counted

app = typer.Typer(name="plugin", help="Install, list, show and remove plug-ins.", rich_markup_mode=None)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The plug-in, for example aws.", show_default=False)]


@command(app, "list", example="holdfast plugin list")
def list_(
    voice: Voice,
) -> int:
    """List plug-ins with version, contract, services and what they have put into the cloud."""
    with connected() as client:
        found = client.send("GET", "/plugins")
    voice.document({"plugins": found}, lambda: _table(found))
    return voice.status


@command(app, example="holdfast plugin show aws")
def show(
    voice: Voice,
    name: NameArgument,
) -> int:
    """Show a plug-in, its services, and each thing that it has put into the cloud, by its whole name."""
    with connected() as client:
        found = client.send("GET", "/plugins")
    plugin = next((one for one in found if one["name"] == name), None)
    if plugin is None:
        raise NotFoundError(
            f"plug-in {name} is not here",
            why="known are: " + (", ".join(one["name"] for one in found) or "none"),
            cure=f"install it: holdfast plugin install {name}",
        )
    voice.document(plugin, lambda: _shown(plugin))
    return voice.status


def _table(plugins: list[dict[str, Any]]) -> str:
    rows = [(one["name"], one["version"], one["contract"], one["state"], one["reason"]) for one in plugins]
    text = rows_table(("PLUG-IN", "VERSION", "CONTRACT", "STATE", ""), rows)
    parts: list[tuple[str, ...]] = []
    for plugin in plugins:
        parts += [(one["where"], one["kind"], one["name"], _health(one), one["detail"]) for one in plugin["things"]]
        parts += [
            ("server", "service", f"{one['name']} of {one['appliance']}", _state(one), _pulse(one))
            for one in plugin["services"]
        ]
    headings = ("WHERE", "WHAT", "NAME", "HEALTH", "DETAIL")
    return text + ("\n" + rows_table(headings, parts, spare=("WHERE", "DETAIL")) if parts else "")


def _shown(plugin: dict[str, Any]) -> str:
    facts = {
        "plug-in": plugin["name"],
        "version": plugin["version"],
        "contract": plugin["contract"],
        "state": plugin["state"],
        "reason": plugin["reason"] or None,
        "what it is": plugin["summary"] or None,
        "from": plugin["source"] or None,
        "policies": ", ".join(plugin["workloads"]) or None,
    }
    parts = {
        one["kind"]: " ".join(filter(None, ("" if one["healthy"] else "NOT HEALTHY:", one["name"], one["detail"])))
        for one in plugin["things"]
    }
    parts |= {f"{one['name']} of {one['appliance']}": f"{_state(one)}, {_pulse(one)}" for one in plugin["services"]}
    return facts_table(facts) + ("\n" + facts_table(parts) if parts else "")


def _health(thing: dict[str, Any]) -> str:
    return "healthy" if thing["healthy"] else "NOT HEALTHY"


def _state(service: dict[str, Any]) -> str:
    """Whether a process runs, and why it does not."""
    return f"{service['state']}: {service['reason']}" if service["reason"] else str(service["state"])


def _pulse(service: dict[str, Any]) -> str:
    restarts = counted(service["restarts"], "restart")
    return restarts if service["pid"] is None else f"pid {service['pid']}, {restarts}"


@command(app, example="holdfast plugin install aws --set region=eu-central-1")
def install(
    voice: Voice,
    name: NameArgument,
    source: Annotated[
        str | None,
        typer.Option("--from", metavar="FOLDER|WHEEL|URL", help="Where it is; else the one shipped with the server."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="An option of the plug-in, docs/plugins.md lists them."),
    ] = None,
    no_wait: NoWaitOption = False,
) -> int:
    """Install a plug-in, start what the integration needs on the server, and create what it needs in the cloud."""
    options = dict(_pair(text) for text in settings or [])
    with connected() as client:
        session = begun(client, "POST", f"/plugins/{name}/install", {"source": source, "options": options})
        return finish(client, voice, session, wait=not no_wait)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--set")
    return name, value


@command(app, example="holdfast plugin remove aws --yes")
def remove(
    voice: Voice,
    name: NameArgument,
    yes: YesOption = False,
    no_wait: NoWaitOption = False,
) -> int:
    """Take everything away that installing has made, in the cloud too. Backups and their buckets stay."""
    confirm(f"remove plug-in {name} and all it has made in the cloud", yes)
    with connected() as client:
        session = begun(client, "DELETE", f"/plugins/{name}")
        return finish(client, voice, session, wait=not no_wait)
