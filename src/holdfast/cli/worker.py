"""`holdfast worker`: what an instance of the appliance runs; no command for people."""

from typing import Annotated

import typer

from holdfast.cli.command import command
from holdfast.cli.voice import Voice, say
from holdfast.domain.errors import UsageError

app = typer.Typer(name="worker", help="Does one task of an appliance.", rich_markup_mode=None)


@app.callback()
def noun() -> None:
    """What an appliance starts on an instance, or beside itself: does one task and ends."""


@command(app, example="holdfast worker run --queue https://sqs.eu-west-1.amazonaws.com/123456789012/tasks-1")
def run(
    voice: Voice,
    queue: Annotated[
        str | None, typer.Option("--queue", metavar="URL", help="The SQS queue that the task comes from.")
    ] = None,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="The task is the first line of standard input; events go to its output.")
    ] = False,
    region: Annotated[
        str | None, typer.Option("--region", metavar="REGION", help="The region of the queues; else AWS's own rules.")
    ] = None,
    idle_timeout_seconds: Annotated[
        int, typer.Option("--idle-timeout", metavar="SECONDS", min=1, help="End when no task came for so long.")
    ] = 300,
) -> int:
    """Take one task, do it, report, and end. It asks for no secret: keys come wrapped for this instance."""
    if stdin == (queue is not None):
        raise UsageError(
            "a worker takes its task from one place",
            why="neither --queue nor --stdin was given, or both",
            cure="give one of them",
        )
    from holdfast.wiring import worker

    if queue is None:
        return worker.run_beside_appliance(say)
    return worker.run_on_instance(queue, region, idle_timeout_seconds, say)
