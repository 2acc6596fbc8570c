"""`holdfast demo`: the whole story in an AWS of its own, with proof."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from holdfast.cli.interruption import unwinding_within
from holdfast.cli.quantities import parse_size
from holdfast.cli.tables import rows_table
from holdfast.cli.voice import Voice, say

EXAMPLE = "holdfast demo --size 256MiB"
NOT_PROVED = 1
# Interrupted, it ends a server and a lab that are at work, and removes their folder: on a busy machine not in seconds.
UNWINDING_SECONDS = 90.0


def demo(
    voice: Voice,
    size_text: Annotated[str, typer.Option("--size", metavar="SIZE", help="Size of the volume in the story.")] = "1GiB",
    keep: Annotated[bool, typer.Option("--keep", help="Leave running what was started, to look around.")] = False,
) -> int:
    """Back up, destroy, restore and compare, in an AWS of its own; ends with PROVED or exit code 1."""
    from holdfast.wiring import demo

    with unwinding_within(UNWINDING_SECONDS):
        document = demo.run(parse_size(size_text, "--size"), keep, say)
    proved = document.get("proved") is True
    voice.document(document, lambda: f"{_proofs(document)}{'PROVED' if proved else 'NOT PROVED'}\n")
    return voice.status if proved else NOT_PROVED


def _proofs(document: Mapping[str, Any]) -> str:
    rows = [(one["workload"], "yes" if one["equal"] else "no") for one in document.get("proofs", ())]
    return rows_table(("PROOF", "EQUAL"), rows)
