"""Server-sent events: a stream of JSON documents with a name each, kept alive while nothing happens.

    event: session
    data: {...}

A stream that cannot go on ends with an event `problem`, which holds the error's document. An iterator of events that
waits says `still-here` from time to time: so its thread is free soon after nobody listens any more.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi.responses import StreamingResponse

from holdfast.domain.errors import HoldfastError, ThrottledError
from holdfast.rest.event_names import PROBLEM, STILL_HERE
from holdfast.rest.problems import problem_of

MEDIA_TYPE = "text/event-stream"
STREAM_LIMIT = 64
_STILL_HERE_SECONDS = 10.0
_STILL_HERE_TEXT = ": still here\n\n"
_END = ("", None)

Events = Iterator[tuple[str, Any]]


class EventStreams:
    """The streams of an app: at most so many at once, since each holds a thread while it waits."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(STREAM_LIMIT, thread_name_prefix="holdfast-events")
        self._open_count = 0

    def response(self, begin: Callable[[], Events]) -> StreamingResponse:
        """A stream of (name, document)."""
        return StreamingResponse(self._text(begin), headers={"Cache-Control": "no-store"}, media_type=MEDIA_TYPE)

    async def _text(self, begin: Callable[[], Events]) -> AsyncIterator[str]:
        self._open_count += 1
        try:
            if self._open_count > STREAM_LIMIT:
                raise ThrottledError(
                    "too many sessions are watched at once", why=f"the limit is {STREAM_LIMIT}", cure="try again later"
                )
            async for text in self._texts(begin):
                yield text
        except HoldfastError as error:
            yield _event_text(PROBLEM, problem_of(error))
        finally:
            self._open_count -= 1

    async def _texts(self, begin: Callable[[], Events]) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        events = await loop.run_in_executor(self._threads, begin)
        said = time.monotonic()
        while True:
            waiting = loop.run_in_executor(self._threads, next, events, _END)
            done, _ = await asyncio.wait({waiting}, timeout=_STILL_HERE_SECONDS)
            while not done:
                yield _STILL_HERE_TEXT
                done, _ = await asyncio.wait({waiting}, timeout=_STILL_HERE_SECONDS)
            name, document = waiting.result()
            if not name:
                return
            if name != STILL_HERE:
                yield _event_text(name, document)
            elif time.monotonic() - said >= _STILL_HERE_SECONDS:
                yield _STILL_HERE_TEXT
            else:
                continue
            said = time.monotonic()


def _event_text(name: str, document: object) -> str:
    return f"event: {name}\ndata: {json.dumps(document, separators=(',', ':'))}\n\n"
