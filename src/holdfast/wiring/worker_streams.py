"""A worker that is a child process: its task and key come in one line, its events go out as lines."""

import json
import os
import threading
from collections.abc import Callable
from typing import TextIO

from holdfast.domain.errors import FormatError, NotFoundError, UnavailableError
from holdfast.protocol.worker_messages import (
    MAX_MESSAGE_BYTES,
    TaskPointer,
    WorkerEvent,
    decode_pointer,
    encode_event,
)
from holdfast.worker.ports import EventSink

SCRATCH_KEY = "scratch_key"
_LINE_BYTES = MAX_MESSAGE_BYTES + 1024


class StreamTask:
    """Implements TaskQueue, KeyUnwrapper, EventSinks and EventSink over two streams.

    `descriptor` is read without a buffer: a thread that waits for its end must hold no lock when the process ends.
    """

    def __init__(self, descriptor: int, out: TextIO, at_end: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._out = out
        self._at_end = at_end
        self._key = b""

    def take(self, wait_seconds: float) -> TaskPointer | None:
        """The pointer in the first line, whenever it comes; raises NotFoundError where there is none."""
        line = self._first_line()
        if not line:
            raise NotFoundError(
                "no task came", why="standard input ended first", cure="write a pointer and its key as one line"
            )
        try:
            fields = json.loads(line)
            self._key = bytes.fromhex(fields.pop(SCRATCH_KEY))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise FormatError(
                "the first line of standard input is no task",
                why=f"expected the JSON of a pointer, with `{SCRATCH_KEY}` in hexadecimal beside its own names",
                cure="start a worker through the appliance",
            ) from None  # the line holds a key, and a decoder's error quotes what it could not read
        pointer = decode_pointer(json.dumps(fields))
        threading.Thread(target=self._watch, name="standard-input", daemon=True).start()
        return pointer

    def unwrap(self, pointer: TaskPointer) -> bytes:
        """The key that came with the pointer."""
        return self._key

    def of(self, pointer: TaskPointer) -> EventSink:
        """This."""
        return self

    def send(self, event: WorkerEvent) -> None:
        """One line."""
        try:
            self._out.write(encode_event(event) + "\n")
            self._out.flush()
        except (OSError, ValueError) as error:
            raise UnavailableError(
                "nobody reads the worker's events", why=str(error), cure="the appliance starts another attempt"
            ) from error

    def _first_line(self) -> bytes:
        line = bytearray()
        while len(line) < _LINE_BYTES and (byte := os.read(self._descriptor, 1)):
            if byte == b"\n":
                break
            line += byte
        return bytes(line)

    def _watch(self) -> None:
        while os.read(self._descriptor, 4096):
            pass
        self._at_end()
