"""Implements the port to local workers: `holdfast worker run --stdin` as a process beside the appliance."""

import asyncio
import json
import os
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from contextlib import suppress

from holdfast.domain.errors import WorkerLostError
from holdfast.wiring.own_program import own_command
from holdfast.wiring.worker_streams import SCRATCH_KEY

CANCEL_POLL_SECONDS = 0.5
KILL_AFTER_SECONDS = 10.0
WORDS = ("worker", "run", "--stdin")


class LocalWorkerProcesses:
    """Starts them with this process's own Python and environment; the key goes through the pipe alone.

    The pipe is a worker's life line: it stops when its other end is closed, by us or by our death. A terminal's Ctrl-C
    is for us alone.
    """

    async def run(self, pointer: str, key: bytes, report: Callable[[str], None], cancelled: Callable[[], bool]) -> None:
        """Give it the task, hand on what it says, and see it end. Raises WorkerLostError for one that died."""
        process = await asyncio.create_subprocess_exec(
            *own_command(*WORDS), stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=dict(os.environ), start_new_session=True
        )
        line = json.dumps({**json.loads(pointer), SCRATCH_KEY: key.hex()}) + "\n"
        ender = asyncio.create_task(_end_when(cancelled, process))
        try:
            with suppress(BrokenPipeError, ConnectionResetError):
                _stdin(process).write(line.encode())
                await _stdin(process).drain()
            if process.stdout is not None:
                async for event in process.stdout:
                    await asyncio.to_thread(report, event.decode("utf-8", "replace").strip())
            status = await process.wait()
        finally:
            ender.cancel()
            await _end(process)
        if status < 0:
            raise WorkerLostError(
                "a local worker was ended",
                why=f"signal {-status} ended its process",
                cure="look whether the machine ran out of memory, then run it again",
            )


async def _end_when(cancelled: Callable[[], bool], process: Process) -> None:
    while True:
        if await asyncio.to_thread(cancelled):
            await _end(process)
            return
        await asyncio.sleep(CANCEL_POLL_SECONDS)


async def _end(process: Process) -> None:
    """Close its life line, and insist when it does not hear."""
    if process.returncode is not None:
        return
    _stdin(process).close()
    try:
        await asyncio.wait_for(process.wait(), KILL_AFTER_SECONDS)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _stdin(process: Process) -> asyncio.StreamWriter:
    if process.stdin is None:
        raise ValueError("the process was started without a pipe")
    return process.stdin
