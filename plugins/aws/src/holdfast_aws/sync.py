"""The process that keeps a server's mirror of one appliance in step: `python -m holdfast_aws.sync …`.

The server starts it, and starts it again when it ends; when its standard input ends, the server is gone, and so is it.
"""

import argparse
import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from holdfast.domain.errors import HoldfastError, NotAuthenticatedError, NotFoundError
from holdfast.plugin_api import ServerIdentity
from holdfast_aws.doors import DOORS, Doors
from holdfast_aws.keeping_in_step import KeepingInStep

FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 30.0
# The server does not know this process any more: it ends, and the server starts the one that it wants.
UNKNOWN_HERE = 3

_log = logging.getLogger("holdfast_aws.sync")


def main(words: Sequence[str] | None = None) -> int:
    """Run until standard input ends."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    told = _words().parse_args(words)
    ended = threading.Event()
    threading.Thread(target=_watch_input, args=(ended,), name="input", daemon=True).start()
    return run(told, DOORS, ended)


def run(told: argparse.Namespace, doors: Doors, ended: threading.Event) -> int:
    """Turn after turn; what fails is tried again, each time a little later."""
    token = told.token_file.read_text(encoding="ascii").strip()
    identity = ServerIdentity(told.certificate, told.private_key, "")

    server = doors.server(told.server, token, told.server_certificate.read_text(encoding="ascii"))
    appliance = doors.appliance(told.url, told.pinned, identity)
    step = KeepingInStep(told.appliance, server, appliance, lambda: doors.offered(told.url), time.monotonic)
    delay_seconds = FIRST_DELAY_SECONDS
    while not ended.is_set():
        try:
            good = step.turn()
        except (NotAuthenticatedError, NotFoundError) as error:
            _log.warning("ending: %s", error)
            return UNKNOWN_HERE
        except HoldfastError as error:
            _log.warning("%s", error)
            good = False
        if good:
            delay_seconds = FIRST_DELAY_SECONDS
            continue
        ended.wait(delay_seconds)
        delay_seconds = min(LONGEST_DELAY_SECONDS, 2 * delay_seconds)
    appliance.close()
    return 0


def _watch_input(ended: threading.Event) -> None:
    """Not by sys.stdin, whose lock would outlive this thread. A turn may wait long, and there is nothing to lose."""
    while os.read(0, 4096):
        pass
    ended.set()
    os._exit(0)


def _words() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="holdfast_aws.sync", description=__doc__)
    parser.add_argument("--server", required=True)
    parser.add_argument("--appliance", required=True)
    parser.add_argument("--url", required=True, help="where the appliance answers")
    parser.add_argument("--pinned", required=True, help="its certificate, PEM")
    for name in ("--server-certificate", "--token-file", "--certificate", "--private-key"):
        parser.add_argument(name, required=True, type=Path)
    return parser


if __name__ == "__main__":
    sys.exit(main())
