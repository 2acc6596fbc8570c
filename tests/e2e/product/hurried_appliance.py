"""A program: `holdfast appliance run` in a hurry, for tests that wait for what it does. HOME LISTEN [NAME=SECONDS …]"""

import json
import sys
from pathlib import Path

from holdfast.appliance.housekeeping import Rhythm
from holdfast.appliance.surface import Patience
from holdfast.wiring.appliance import RunOrder, Tempo, run

HURRY = {
    "snapshot_poll_seconds": 0.2,
    "worker_poll_seconds": 0.2,
    "turn_poll_seconds": 0.2,
    "status_poll_seconds": 0.2,
    "status_checks_seconds": 15.0,
}


def main() -> None:
    home, listen, *changes = sys.argv[1:]
    wanted = {name: float(value) for name, value in (word.split("=") for word in changes)}
    tempo = Tempo(Patience(**{**HURRY, **wanted}), Rhythm(schedule_seconds=0.5))
    run(RunOrder(listen, Path(home)), announce, tempo)


def announce(facts: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
