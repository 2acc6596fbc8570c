"""This machine's clock, randomness and threads."""

import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

from holdfast.repository.surroundings import Surroundings

TRANSFER_WIDTH = 4


@contextmanager
def machine_surroundings() -> Iterator[Surroundings]:
    """What works in this process has. When the work fails or is stopped, what is queued is dropped."""
    cores = len(os.sched_getaffinity(0))
    compute = ThreadPoolExecutor(cores, "compute")
    transfer = ThreadPoolExecutor(2 * TRANSFER_WIDTH, "transfer")
    finished = False
    try:
        yield Surroundings(
            now=lambda: datetime.now(UTC),
            random_bytes=os.urandom,
            compute=compute,
            transfer=transfer,
            compute_width=cores,
            transfer_width=TRANSFER_WIDTH,
            pause=time.sleep,
            party=f"{socket.gethostname()}, process {os.getpid()}",
        )
        finished = True
    finally:
        for executor in (compute, transfer):
            executor.shutdown(wait=finished, cancel_futures=True)
