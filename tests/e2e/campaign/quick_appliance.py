"""A program: `holdfast appliance run` in a hurry. Its limits of time are seconds, so that a campaign sees them pass."""

import faulthandler
import json
import signal
import sys
import time
from pathlib import Path

from holdfast.appliance.housekeeping import Rhythm
from holdfast.appliance.surface import Patience
from holdfast.patience import Waiting
from holdfast.wiring.appliance import RunOrder, Tempo, run

HURRY = Tempo(
    Patience(
        snapshot_poll_seconds=1.0,
        worker_poll_seconds=0.1,
        silence_seconds=4.0,
        silent_limit_seconds=60.0,
        boot_timeout_seconds=240.0,
        turn_poll_seconds=0.2,
        reaper_grace_seconds=2.0,
        stranger_grace_seconds=5.0,
    ),
    Rhythm(pump_wait_seconds=1.0, pump_pause_seconds=0.1, recovery_seconds=2.0, reaper_seconds=2.0),
    Waiting(sleep=lambda seconds: time.sleep(min(seconds, 0.1))),
)


def announce(facts: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # Whoever waits in vain may ask where it stands.
    faulthandler.register(signal.SIGUSR1)
    run(RunOrder(sys.argv[2], Path(sys.argv[1])), announce, HURRY)
