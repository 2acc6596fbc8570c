"""Repositories by name, as the server and its appliances know them: added to the noun `repository`."""

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli import collection_documents as collections
from holdfast.cli.command import command
from holdfast.cli.options import PasswordFileOption, YesOption, confirm
from holdfast.cli.passwords import given_password
from holdfast.cli.server_connection import connected, query
from holdfast.cli.session_display import begun, detail_table, follow, status_of
from holdfast.cli.tables import as_facts, facts_table, rows_table
from holdfast.cli.voice import Voice, say
from holdfast.domain.collection import CollectionWish
from holdfast.domain.errors import NotFoundError, UsageError
from holdfast.domain.session import SessionKind

if TYPE_CHECKING:
    from holdfast.rest.client.server import HoldfastClient

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="What it is called here.", show_default=False)]


def is_name(text: str) -> bool:
    """Whether a person means a repository that the server knows, not a location: no URL, no path, no folder here, and
    there is a server to ask.
    """
    if not _NAME.fullmatch(text) or Path(text).exists():
        return False
    from holdfast.wiring.known_server import knows_a_server

    if not knows_a_server():
        say(f"note: {text} is taken for a folder: HOLDFAST_SERVER is not set, and no server was started here")
        return False
    return True


def add(
    voice: Voice,
    name: NameArgument,
    url: Annotated[str, typer.Argument(metavar="URL", help="s3://bucket/prefix[?…].", show_default=False)],
    password_file: PasswordFileOption = None,
    kms: Annotated[bool, typer.Option("--kms", help="A KMS key slot opens it; no password is kept.")] = False,
    task_limit: Annotated[
        int | None,
        typer.Option("--task-limit", metavar="N", help="How many workers may use it at once; else as it was, or 8."),
    ] = None,
    description: Annotated[
        str | None, typer.Option("--description", metavar="TEXT", help="For people; else as it was.")
    ] = None,
) -> int:
    """Make a repository known to the server and its appliances. It is opened before it is taken."""
    password = None if kms else _as_text(given_password(password_file))
    with connected() as client:
        said = _said_of_it(client, name, {"description": description, "task_limit": task_limit})
        definition = {"name": name, "location": url, "kms": kms, **said}
        order = {"repository": definition, "password": password}
        added = client.send("PUT", f"/repositories/{name}", order)
    if not added["repository_id"]:
        say(
            "note: no appliance could open it yet; the first one that does finds out whether location and key are right"
        )
    voice.document(added, lambda: facts_table(as_facts(added)))
    return voice.status


def _as_text(password: bytes | None) -> str | None:
    """As it goes to the server, in JSON."""
    try:
        return None if password is None else password.decode()
    except UnicodeDecodeError as error:
        raise UsageError(
            "a server takes no such password",
            why="it has bytes that are no UTF-8 text",
            cure="add one that is text (`holdfast repository key add`), or a KMS key and --kms, and give that",
        ) from error


def _said_of_it(client: "HoldfastClient", name: str, now: dict[str, Any]) -> dict[str, Any]:
    """What is said of it now, and where nothing is, what was said before."""
    said = {field: value for field, value in now.items() if value is not None}
    try:
        before = client.send("GET", f"/repositories/{name}")
    except NotFoundError:
        return said
    return {field: before[field] for field in now} | said


def list_(voice: Voice) -> int:
    """List the repositories that the server knows."""
    with connected() as client:
        found = client.send("GET", "/repositories")
    rows = [(one["name"], one["location"], one["repository_id"], one["task_limit"]) for one in found]
    voice.document({"repositories": found}, lambda: rows_table(("REPOSITORY", "LOCATION", "ID", "AT ONCE"), rows))
    return voice.status


def _known(client: "HoldfastClient", name: str) -> dict[str, Any]:
    """What the server knows of it. Raises NotFoundError, also for who meant a folder and mistyped it."""
    try:
        found: dict[str, Any] = client.send("GET", f"/repositories/{name}")
    except NotFoundError as error:
        raise NotFoundError(
            f"there is no repository {name}",
            why=f"the management server has none of this name, and there is no folder {Path(name).absolute()}",
            cure="see `holdfast repository list`, or check the location",
        ) from error
    return found


def show(name: str, voice: Voice) -> int:
    """What `repository show NAME` says."""
    with connected() as client:
        found = _known(client, name)
        newest = query(kind=SessionKind.COLLECT_GARBAGE, subject=name, limit=1)
        sessions = client.send("GET", "/sessions", query=newest)["items"]
        details = [client.send("GET", f"/sessions/{session['id']}") for session in sessions]
    last = collections.last_collection(details[0]) if details else None
    facts = as_facts(found) | collections.last_collection_facts(last)
    voice.document(found | {"collection": last}, lambda: facts_table(facts))
    return voice.status


def collect_garbage(name: str, wish: CollectionWish, voice: Voice, appliance: str | None) -> int:
    """What `repository collect-garbage NAME` does: the appliance's session, to its end."""
    with connected() as client:
        _known(client, name)
        path, order = f"/repositories/{name}/collect-garbage", dataclasses.asdict(wish)
        session = begun(client, "POST", path, order, query(appliance=appliance))
        detail = follow(client, voice, session["id"])
    found = collections.collection_of(detail)
    if found is None:
        voice.document(detail, lambda: detail_table(detail))
    else:
        voice.document({"session": session["id"], **found}, lambda: collections.collection_table(found))
    return status_of(detail)


def rescan(
    voice: Voice,
    name: NameArgument,
    appliance: Annotated[
        str | None, typer.Option("--appliance", metavar="NAME", help="Which appliance looks, where there are several.")
    ] = None,
    accept_ledger: Annotated[
        bool, typer.Option("--accept-ledger", help="Accept what is there now, though it was set back or replaced.")
    ] = False,
) -> int:
    """Open a repository again and take on the restore points that are found in it."""
    with connected() as client:
        asked = query(appliance=appliance, accept_ledger=accept_ledger or None)
        found = client.send("POST", f"/repositories/{name}/rescan", query=asked)
    for warning in found["warnings"]:
        voice.warn(warning)
    voice.document(found, lambda: facts_table(as_facts(found)))
    return voice.status


def remove(
    voice: Voice,
    name: NameArgument,
    forget_points: Annotated[
        bool, typer.Option("--forget-points", help="Take its restore points off the list first; they stay in it.")
    ] = False,
    yes: YesOption = False,
) -> int:
    """Forget a repository. What is stored in it stays. Refused while a policy or a listed restore point names it."""
    confirm(f"forget repository {name}" + (" and its restore points" if forget_points else ""), yes)
    with connected() as client:
        client.send("DELETE", f"/repositories/{name}", query=query(forget_points=forget_points or None))
    voice.document({"repository": name, "removed": True}, lambda: facts_table({"removed": name}))
    return voice.status


def add_to(app: typer.Typer) -> None:
    """Give the noun these verbs."""
    noun = "holdfast repository"
    command(app, "add", example=f"{noun} add main s3://my-bucket/holdfast --password-file password")(add)
    command(app, "list", example=f"{noun} list")(list_)
    command(app, "rescan", example=f"{noun} rescan main")(rescan)
    command(app, "remove", example=f"{noun} remove main --yes")(remove)
