"""`holdfast repository key`: the ways to open a repository."""

import typer

app = typer.Typer(
    name="key", help="List, add and remove the ways to open a repository.", no_args_is_help=True, rich_markup_mode=None
)
