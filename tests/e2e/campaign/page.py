"""A program: the page docs/kill-campaign.md, of the folder in which a campaign left its outcomes."""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from tests.e2e.campaign.naming import OURS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "kill-campaign.md"
HEAD = """# The kill campaign

Real processes: an appliance with its workers, a management server with its plug-in, and between them and an AWS of the
lab a proxy that counts requests. At the request named below it ends the victim with kill -9: *before* the request is
handed on, so that it was never made, or *after* AWS has answered and before the answer arrives, so that it was made and
nobody knows. The victim is started again at once. An appliance's session goes on to its end; a server's ends as failed,
with nothing left of it, and a removal that was cut short is asked for again.

Then everything that exists is counted, by the lab and past Holdfast: instances, volumes, snapshots, images, interfaces,
roles, profiles, queues, grants, objects of ended sessions, open rows of the ledger. A finding is anything that is left
over, lost or doubled: a run that succeeded has one point of each kind, every point gives back byte for byte what was in
the volumes, a restore makes one instance, an attempt has one worker. `make campaign` runs it, `tests/e2e/campaign` is
it.
"""


def page_of(rows: list[dict[str, Any]], steps: dict[str, list[str]], today: str) -> str:
    """The whole page."""
    hit = [row for row in rows if row["reached"]]
    found = sum(len(row["findings"]) for row in rows)
    states = Counter(row["state"] for row in hit)
    ends = ", ".join(f"{number} {state}" for state, number in states.most_common())
    summary = (
        f"Run on {today}: {len(hit)} kills; {len(rows) - len(hit)} more were meant at requests that did not come. "
        f"Sessions: {ends}. Findings: {found}. Where a story has more requests, they are a sample."
    )
    lines = [HEAD, summary, "", "## Kills", ""]
    for story, chosen in groupby(sorted(rows, key=_story), key=_story):
        lines += [
            f"### {story}",
            "",
            "| victim | request | when | session | workers | findings |",
            "|---|---|---|---|---|---|",
        ]
        lines += [_line(row) for row in chosen]
        lines.append("")
    lines += ["## The requests of each story", "", "As they came, undisturbed; those that repeat are counted.", ""]
    for name, requests in sorted(steps.items()):
        lines += [f"**{name.replace('-', ' ')}**: {_sequence(requests)}", ""]
    return "\n".join(lines).rstrip() + "\n"


def _story(row: dict[str, Any]) -> str:
    return f"{row['story']}, {row['mode']} workers" if row["mode"] else str(row["story"])


def _line(row: dict[str, Any]) -> str:
    ended = row["state"] if row["reached"] else "not reached"
    found = "; ".join(row["findings"]) or "none"
    return f"| {row['victim']} | `{row['step']}` | {row['when']} | {ended} | {row['attempts']} | {found} |"


def _sequence(requests: Iterable[str]) -> str:
    told = []
    for name, group in groupby(one for one in requests if not one.endswith(OURS)):
        number = len(list(group))
        told.append(f"`{name}`" + (f" × {number}" if number > 1 else ""))
    return ", ".join(told)


def main(folder: Path) -> None:
    rows = [json.loads(line) for file in sorted(folder.glob("*.jsonl")) for line in file.read_text().splitlines()]
    steps = {file.stem: file.read_text().split("\n")[:-1] for file in folder.glob("*.steps")}
    PAGE.write_text(page_of(rows, steps, f"{datetime.now(UTC):%Y-%m-%d}"), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
