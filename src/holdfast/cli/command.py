"""How a function becomes a command: with its example, and with the three options that every command takes."""

import functools
import inspect
import re
from collections.abc import Callable
from inspect import Parameter, Signature

import typer

from holdfast.cli.options import DebugOption, NoProgressOption, OutputOption
from holdfast.cli.voice import Output, Voice
from holdfast.patience import told_to

Command = Callable[..., int]


def command(
    app: typer.Typer, name: str | None = None, *, example: str, output: Output = Output.TABLE
) -> Callable[[Command], Command]:
    """Make the function a command of `app` under its own name or `name`. It is handed a Voice first.

    `output` is the form of its document unless --output says otherwise.
    """
    common = [
        Parameter("output", Parameter.KEYWORD_ONLY, default=output, annotation=OutputOption),
        Parameter("no_progress", Parameter.KEYWORD_ONLY, default=False, annotation=NoProgressOption),
        Parameter("debug", Parameter.KEYWORD_ONLY, default=False, annotation=DebugOption),
    ]

    def register(function: Command) -> Command:
        @functools.wraps(function)
        def run(*, output: Output, no_progress: bool, debug: bool, **given: object) -> int:
            voice = Voice(output, no_progress=no_progress)
            with told_to(voice.note):
                return function(voice, **given)

        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
        parameters = [one.replace(kind=Parameter.KEYWORD_ONLY) for one in own] + common
        run.__signature__ = Signature(parameters, return_annotation=int)  # type: ignore[attr-defined]
        app.command(name, epilog=f"Example: {example}", short_help=_in_brief(function))(run)
        return function

    return register


def _in_brief(function: Command) -> str:
    """What the list of a noun's verbs says: the first statement, whole; the toolkit would cut it off with dots."""
    text = " ".join((function.__doc__ or "").split())
    return re.split(r"[.;](?: |$)", text, maxsplit=1)[0] + "."
