"""This machine's clock, randomness and threads."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime
from functools import partial
from typing import ParamSpec, TypeVar

from holdfast.repository.scratch import ScratchFile
from holdfast.repository.surroundings import Surroundings

TRANSFER_WIDTH = 4

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class CarryingThreads(ThreadPoolExecutor):
    """They work in the context of whoever hands the work to them: what waits there is told to the same person."""

    def submit(self, call: Callable[Given, Answer], /, *given: Given.args, **named: Given.kwargs) -> Future[Answer]:
        """Queue the call with a copy of the context that there is now."""
        return super().submit(partial(copy_context().run, call, *given, **named))


@contextmanager
def machine_surroundings() -> Iterator[Surroundings]:
    """What works in this process has. When the work fails or is stopped, what is queued is dropped."""
    cores = len(os.sched_getaffinity(0))
    compute = CarryingThreads(cores, "compute")
    transfer = CarryingThreads(2 * TRANSFER_WIDTH, "transfer")
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
            scratch=ScratchFile,
        )
        finished = True
    finally:
        for executor in (compute, transfer):
            executor.shutdown(wait=finished, cancel_futures=True)
